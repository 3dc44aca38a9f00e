"""Variables in the raw text, and lines that stay those of the file."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom.model.errors import InvalidInput
from maelstrom.model.manifest.written import MAX_BYTES, Written
from tests.support.project_file import component, problems, web

ENVIRON = {
    "SET": "value",
    "EMPTY": "",
    "NESTED": "${SET}",
    "DOLLAR": "$",
    "LINES": "a\nb\nc",
    "set": "small",
    "": "none",
}

TABLE = [
    ("${SET}", "value"),
    ("${set}", "small"),
    ("a${SET}b${SET}c", "avaluebvaluec"),
    ("${UNSET}", ""),
    ("${UNSET:text}", "text"),
    ("${EMPTY:text}", ""),
    ("${SET:text}", "value"),
    ("${UNSET:-text}", "text"),
    ("${EMPTY:-text}", "text"),
    ("${SET:-text}", "value"),
    ("${UNSET:}", ""),
    ("${UNSET:-}", ""),
    ("${SET-text}", ""),
    ("${UNSET:?text}", "?text"),
    ("${UNSET:a:b}", "a:b"),
    ("${UNSET:-a:-b}", "a:-b"),
    ("${UNSET: a }", " a "),
    ("${UNSET:a\nb}", "a\nb"),
    ("$${SET}", "${SET}"),
    ("$$${SET}", "$${SET}"),
    ("${SET}$${SET}", "value${SET}"),
    ("$${UNSET:-text}", "${UNSET:-text}"),
    ("${NESTED}", "${SET}"),
    ("${UNSET:-${SET}}", "${SET}"),
    ("${${SET}}", "}"),
    ("${DOLLAR}{SET}", "${SET}"),
    ("${DOLLAR}${SET}", "$value"),
    ("${}", "${}"),
    ("${}${SET}", "${}value"),
    ("$${}", "$${}"),
    ("${", "${"),
    ("${SET", "${SET"),
    ("$SET", "$SET"),
    ("$ {SET}", "$ {SET}"),
    ("${:x}", "none"),
    ("# ${SET}", "# value"),
]  # fmt: skip


def interpolated(text: str, environ: dict[str, str]) -> str:
    return Written.read(text, file="f", environ=environ).text


@pytest.mark.parametrize(("written", "result"), TABLE)
def test_variables(written: str, result: str) -> None:
    assert interpolated(written, ENVIRON) == result


TEXT = st.text(alphabet="ab${}:-\n é", max_size=60)


def specified(text: str, environ: dict[str, str]) -> str:
    """The rules of the page in their shortest form."""

    def value(token: re.Match[str]) -> str:
        if token[0].startswith("$$"):
            return token[0][1:]
        name, colon, default = token[1].partition(":")
        found = environ.get(name)
        if colon and default.startswith("-"):
            return found or default[1:]
        return (default if colon else "") if found is None else found

    return re.sub(r"\$?\$\{([^}]+)\}", value, text)


@given(TEXT, st.dictionaries(st.sampled_from(["a", "b", "ab", ""]), TEXT, max_size=3))
def test_any_text_is_interpolated_as_specified(text: str, environ: dict[str, str]) -> None:
    assert interpolated(text, environ) == specified(text, environ)


@given(TEXT, st.dictionaries(st.sampled_from(["a", "b", "ab"]), st.sampled_from(["", "x", "x\ny", "\n\n"]), max_size=3))
def test_every_place_of_the_result_has_a_line_of_the_file(text: str, environ: dict[str, str]) -> None:
    written = Written.read(text, file="f", environ=environ)
    lines = [written.line_at(offset) for offset in range(len(written.text) + 1)]
    assert lines == sorted(lines)
    assert lines[0] >= 1
    assert lines[-1] <= text.count("\n") + 1


def test_a_value_with_line_breaks_does_not_shift_the_lines_of_problems() -> None:
    text = "# ${LINES}\nname: a\nenvironment: ['A=${UNSET:-x\n y}']\ncomponents: {web: {imag: x}}\n"
    found = problems(text, environ={"LINES": "a\n#b\n#c"})
    assert {(problem.path, problem.line) for problem in found} == {
        ("components.web.imag", 5),
        ("components.web.image", 5),
    }


def test_a_problem_inside_a_pasted_value_is_at_the_line_of_its_variable() -> None:
    found = problems(web("command:\n  ${LIST}\nuser: 5"), environ={"LIST": "- a\n      - 5\n      - 6"})
    assert [(problem.path, problem.line) for problem in found] == [
        ("components.web.command.1", 6),
        ("components.web.command.2", 6),
        ("components.web.user", 7),
    ]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_lines_end_as_the_file_ends_them(line_end: str) -> None:
    text = "name: é🎉\ncomponents:\n  web:\n    image: app\n    usr: 5\n".replace("\n", line_end)
    assert [(problem.path, problem.line) for problem in problems(text.encode())] == [
        ("name", 1),
        ("components.web.usr", 5),
    ]


def test_a_value_is_pasted_before_yaml_is_read() -> None:
    assert component("command: [${A:-a, b}]\nuser: ${B:'5'}").command == ("a", "b")


def test_what_variables_make_of_a_file_is_bounded_too() -> None:
    with pytest.raises(InvalidInput) as caught:
        Written.read("${A}" * 1000, file="f", environ={"A": "x" * 2000})
    assert "over 1048576 characters" in caught.value.problems[0].message
    assert len(Written.read("${A}" * 10, file="f", environ={"A": "x" * 2000}).text) == 20_000


@pytest.mark.parametrize("text", ["${" * (MAX_BYTES // 2), "${}" * (MAX_BYTES // 3), "$" * MAX_BYTES, "}" * MAX_BYTES])
def test_braces_that_never_close_cost_no_more_than_others(text: str) -> None:
    assert interpolated(text, {}) == text


def test_variables_that_are_no_text_are_refused() -> None:
    """As an environment that is not UTF-8 gives them."""
    (problem,) = problems("name: a\n# ${RAW}\n", environ={"RAW": "\udcff"})
    assert (problem.line, problem.message) == (2, "has the character U+DCFF, which YAML does not allow")
