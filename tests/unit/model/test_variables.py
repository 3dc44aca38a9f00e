"""Environment variables: entries, files, and who wins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom.model.errors import InvalidInput, Problem
from maelstrom.model.manifest import parse_env_file
from maelstrom.model.variables import MAX_BYTES, merged, read_envfile
from tests.support.project_file import FILE, problems, read

PROJECT = """\
name: a
envfile: ${DIR}/some.env
environment: [B=project, C=project, D=project=1, E=, F=first, F=second]
components:
  one: {image: app, environment: [C=component, "G= blank ", MAELSTROM_X=1]}
  two: {image: app}
"""


def test_later_ones_win_and_the_result_is_sorted_by_name() -> None:
    project = read(PROJECT, environ={"DIR": "conf"}, files={"conf/some.env": b"Z=file\nA=file\nB=file\n"})

    assert project.components["one"].component.environment == (
        "A=file",
        "B=project",
        "C=component",
        "D=project=1",
        "E=",
        "F=second",
        "G= blank ",
        "MAELSTROM_X=1",
        "Z=file",
    )
    assert project.components["two"].component.environment == (
        "A=file",
        "B=project",
        "C=project",
        "D=project=1",
        "E=",
        "F=second",
        "Z=file",
    )


def test_an_envfile_keeps_everything_but_blank_lines_comments_and_carriage_returns() -> None:
    content = b"\xef\xbb\xbfA=1\r\n\r\n   \n# B=2\nC= ${X} 'q' # no comment \r\nD==\nE=\tt\n_f=\xe2\x82\xac"

    assert read_envfile(content, "x.env") == ("A=1", "C= ${X} 'q' # no comment ", "D==", "E=\tt", "_f=€")


def test_every_bad_line_of_an_envfile_is_told() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_envfile(b"A=1\nno\n =x\n #x\n1=2\nA B=3\nexport X=1\nN=\0\n", "x.env")
    assert [problem.line for problem in caught.value.problems] == [2, 3, 4, 5, 6, 7, 8]
    assert {problem.file for problem in caught.value.problems} == {"x.env"}


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [(b"A=1\nB=\xff\n", 2, "not UTF-8"), (b"A=" + b"x" * MAX_BYTES, 1, "has over 1048576 bytes")],
)
def test_an_envfile_that_is_no_text_or_too_large_is_refused(content: bytes, line: int, words: str) -> None:
    (problem,) = problems("name: a\nenvfile: x\ncomponents: {c: {image: a}}", files={"x": content})
    assert (problem.file, problem.line) == ("x", line)
    assert words in problem.message


def test_an_envfile_that_cannot_be_read_is_told_at_its_key() -> None:
    (problem,) = problems("name: a\n\nenvfile: missing\ncomponents: {c: {image: a}}")
    assert (problem.file, problem.line, problem.path) == (FILE, 3, "envfile")
    assert "No such file or directory" in problem.message


def test_variables_shared_by_too_many_components_are_refused_before_they_are_merged() -> None:
    text = "name: a\nenvironment: [" + ",".join(f"A{n}=" for n in range(5000)) + "]\ncomponents:\n"
    (problem,) = problems(text + "".join(f"  c{number}: {{image: a}}\n" for number in range(100)))
    assert (problem.line, problem.path) == (2, "environment")


def test_an_env_file_for_interpolation_is_trimmed() -> None:
    assert parse_env_file("\ufeff A = 1 \r\n\n # c\nB=\nC==x=\nexport D=1\nA = 2\n", file="x") == {
        "A": "2",
        "B": "",
        "C": "=x=",
        "export D": "1",
    }
    assert parse_env_file(b"A=\xe2\x82\xac") == {"A": "€"}


def test_every_bad_line_of_an_env_file_for_interpolation_is_told() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_env_file("A=1\nno\n = x\n", file="x.env")
    assert [(problem.file, problem.line) for problem in caught.value.problems] == [("x.env", 2), ("x.env", 3)]
    assert "x" not in caught.value.problems[1].message.replace("x.env", "")


ENTRY = st.builds(
    "{}={}".format,
    st.from_regex(r"[A-C_][a-c0-9]{0,2}", fullmatch=True),
    st.text(st.characters(exclude_characters="\0")),
)


@given(st.lists(st.lists(ENTRY, max_size=5), max_size=4))
def test_merging_is_what_a_dict_would_do(lists: list[list[str]]) -> None:
    expected: dict[str, str] = {}
    for entries in lists:
        for entry in entries:
            name, _, value = entry.partition("=")
            expected[name] = value
    result = merged(*lists)
    assert dict(entry.split("=", 1) for entry in result) == expected
    assert [entry.partition("=")[0] for entry in result] == sorted(expected)
    assert merged(result) == result


@given(st.lists(ENTRY.filter(lambda entry: not set(entry) & set("\r\n")), max_size=8))
def test_an_envfile_gives_back_the_lines_that_were_written(entries: list[str]) -> None:
    content = "".join(f"{entry}\n" for entry in entries).encode("utf-8", "ignore")
    assert read_envfile(content, "x") == tuple(entry.encode("utf-8", "ignore").decode() for entry in entries)


@given(st.binary(max_size=80))
def test_any_bytes_are_an_env_file_or_a_clear_error(content: bytes) -> None:
    for read_file in (parse_env_file, read_envfile):
        found: tuple[Problem, ...] = ()
        try:
            read_file(content, file="x")
        except InvalidInput as error:
            found = error.problems or (Problem("", "none", line=-1),)
        assert all(problem.line >= 1 for problem in found)
