"""Whatever the input, the answer is a definition or a list of problems, and it costs little."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maelstrom.model.errors import InvalidInput
from maelstrom.model.manifest import check_project
from maelstrom.model.project import ProjectDefinition
from tests.support.project_file import problems, read
from tests.unit.model.test_project_file import EVERYTHING, SHOP

MUTATIONS = 1000
WORDS = [
    "~", "[]", "{}", "-1", "0", "9" * 30, "1e999", ".nan", "true", "''", "'\\0'", "\x00", "\t", "${A}", "${", "*x",
    "&x", "<<: *x", "!!int", "!x", "|", ">", "- ", "? ", ": ", "#", "---", "...", "%YAML 1.1", "\ufeff", "\u2028",
    "\x85", "é", "[" * 120, "{a: " * 120, "x" * 3000, "2024-01-01", "1:2:3", "0x", "0b2", "._", "@every 1s", "* * * *",
]  # fmt: skip


def mutated(text: bytes, dice: random.Random) -> bytes:
    """A few small accidents: bytes and lines that change, move, go or come twice."""
    for _ in range(dice.randint(1, 4)):
        lines = text.split(b"\n")
        at, other = dice.randrange(len(lines)), dice.randrange(len(lines))
        match dice.randrange(8):
            case 0:
                where = dice.randrange(len(text) + 1)
                text = text[:where] + bytes([dice.randrange(256)]) + text[where + 1 :]
            case 1:
                where = dice.randrange(len(text) + 1)
                text = text[:where] + text[where + dice.randint(1, 20) :]
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
                text = b"\n".join(lines)
            case 3:
                del lines[at]
                text = b"\n".join(lines)
            case 4:
                lines.insert(at, lines[other])
                text = b"\n".join(lines)
            case 5:
                key, colon, _ = lines[at].partition(b":")
                lines[at] = key + colon + b" " + dice.choice(WORDS).encode()
                text = b"\n".join(lines)
            case 6:
                lines[at] = dice.choice([b" ", b"  ", b"\t", b"- "]) + lines[at]
                text = b"\n".join(lines)
            case _:
                where = dice.randrange(len(text) + 1)
                text = text[:where] + dice.choice(WORDS).encode() + text[where:]
    return text


@pytest.mark.parametrize("text", [SHOP, EVERYTHING], ids=["shop", "everything"])
def test_mutations_of_valid_files_are_read_or_refused_with_lines(text: str) -> None:
    dice = random.Random(1)
    refused = 0
    for _ in range(MUTATIONS):
        content = mutated(text.encode(), dice)
        lines = content.count(b"\n") + content.count(b"\r") + 1
        found = problems(content, environ={"A": "a\nb: [c"}, files={})
        refused += bool(found)
        for problem in found:
            assert 1 <= problem.line <= lines, (content, problem)
            assert problem.message
    assert refused > MUTATIONS // 4  # else these were no accidents


@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbf")
@example(b"? ? ? a")
@example(b"&a [&a *a]")
@example(b"*a")
@example(b"--- !!map\n? !!null\n")
@example(b"%TAG ! tag:yaml.org,2002:\n---\na: !int 5")
@settings(max_examples=300)
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    assert problems(content)


YAML_TEXT = st.lists(
    st.sampled_from(
        ["a", ": ", "\n", "  ", "- ", "[", "]", "{", "}", ", ", "&x ", "*x ", "!!str ", "'", '"', "|\n", "#"]
    ),
    max_size=30,
).map("".join)


@given(YAML_TEXT)
@settings(max_examples=300)
def test_any_scrap_of_yaml_is_read_or_refused(text: str) -> None:
    assert problems(text)
    assert all(problem.line >= 1 for problem in problems(f"name: a\ncomponents:\n  {text}"))


BOMBS = {
    "aliases": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
    "merges": "a: &a {x: 1, y: 2}\n"
    + "".join(f"{c}: &{c} {{<<: [{','.join(['*' + p] * 9)}]}}\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
    "long texts by alias": f"a: &a {'x' * 900_000}\nb: [{','.join(['*a'] * 1000)}]\n",
    "values": f"[{'1,' * 200_000}]",
    "brackets": "[" * 500_000,
    "braces": "{a: " * 200_000,
    "indentation": "".join(" " * depth + "a:\n" for depth in range(1000)),
    "dashes": "- " * 500_000,
    "question marks": "? " * 500_000,
    "depth by alias": "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}]\n" for n in range(200)),
    "tags": "".join(f"%TAG !{number}! x\n" for number in range(60_000)),
    "documents": "---\n" * 200_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_would_grow_too_large_is_refused_while_it_is_read(name: str) -> None:
    (problem,) = problems(BOMBS[name])
    assert problem.line >= 1


@pytest.mark.parametrize(("depth", "refused"), [(90, False), (101, True), (5000, True)])
def test_a_file_may_nest_a_hundred_deep(depth: int, refused: bool) -> None:
    found = problems("x: " + "[" * depth + "]" * depth)
    assert any("nests over 100 deep" in problem.message for problem in found) is refused


@pytest.mark.parametrize("more", [0, 1])
def test_a_file_may_have_one_mebibyte(more: int) -> None:
    text = "name: a\ncomponents: {web: {image: a}}\n#"
    content = text.encode() + b"#" * ((1 << 20) - len(text) + more)
    assert bool(problems(content)) is bool(more)


VALID: Any = read(SHOP, environ={"TAG": "1"}).model_dump(mode="json")

STRINGS = st.text(st.characters(codec=None), max_size=8)  # halves of surrogate pairs, too
NUMBERS = st.integers() | st.integers(min_value=10**30, max_value=10**400) | st.floats()
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=8,
)


def refusal(data: Any) -> InvalidInput | None:
    try:
        check_project(data)
    except InvalidInput as error:
        return error
    return None


def checked(data: Any) -> ProjectDefinition | None:
    """None where it is refused, as it should be."""
    error = refusal(data)
    if error is None:
        return check_project(data)
    assert 1 <= len(error.problems) <= 100
    assert json.dumps(error.as_json()).encode()
    assert all(problem.path.isprintable() and problem.message.isprintable() for problem in error.problems)
    return None


@given(JSON)
@example({"name": "a", "components": {"\ud800": {"component": {"image": "a"}}}})
@example({"name": "\ud800", "components": {}})
@example({"\ud800": 1})
def test_any_json_is_a_project_or_refused(data: Any) -> None:
    assert checked(data) is None
    assert checked({"name": "a", "components": data}) is None
    assert checked({"name": "a", "components": {"web": data}}) is None
    checked({"name": "a", "components": {"web": {"component": data, "eventsources": {"x": data}}}})


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in below for place in places(inner, (*path, key)))]


def replaced(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], new)
    return copy


ALL: Any = read(EVERYTHING).model_dump(mode="json")


@given(st.sampled_from(places(ALL)), JSON)
@settings(max_examples=500)
def test_a_definition_with_one_wrong_value_is_refused_or_still_one(place: tuple[str | int, ...], new: Any) -> None:
    project = checked(replaced(ALL, place, new))
    if project is not None:
        assert check_project(json.loads(json.dumps(project.model_dump(mode="json")))) == project


def test_nesting_costs_nothing_where_nothing_is_expected() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    for data in (deep, {"name": deep, "components": {"web": {"component": {"image": deep}}}}, {"x": deep}):
        assert checked(data) is None


def with_component(**entry: Any) -> Any:
    return {"name": "a", "components": {"web": {"component": {"image": "a"}, **entry}}}


MANY = range(200_000)


@pytest.mark.parametrize(
    "data",
    [
        {f"k{number}": 1 for number in MANY},
        {"name": "a", "components": {f"c{number}": 1 for number in MANY}},
        with_component(component={"image": "a", "command": [1] * len(MANY)}),
        with_component(eventsources={f"s{number}": {} for number in MANY}),
        with_component(component={"image": "a", "logdriveroptions": {f"o{number}": 1 for number in MANY}}),
    ],
    ids=["keys", "components", "items", "sources", "options"],
)
def test_what_is_wrong_in_a_hundred_thousand_places_is_told_in_a_hundred(data: Any) -> None:
    assert checked(data) is None


def test_paths_of_problems_are_those_of_the_json() -> None:
    data = replaced(VALID, ("components", "web", "component", "httpport"), 0)
    data["components"]["web"]["eventsources"]["site"]["http"]["hostnam"] = "x"
    data["components"]["WEB"] = {"component": {"image": "app", "environment": ["A"]}}
    with pytest.raises(InvalidInput) as caught:
        check_project(data)
    assert [(problem.path, problem.hint) for problem in caught.value.problems] == [
        ("components.WEB", ""),
        ("components.WEB.component.environment.0", ""),
        ("components.web.component.httpport", ""),
        ("components.web.eventsources.site.http.hostnam", "did you mean `hostname`?"),
    ]


def test_one_source_name_in_two_components_is_refused() -> None:
    data = json.loads(json.dumps(VALID))
    data["components"]["api"] = {
        "component": {"image": "app"},
        "eventsources": {"site": {"http": {"pathprefix": "/"}}},
    }
    with pytest.raises(InvalidInput) as caught:
        check_project(data)
    assert "has a source of this name" in caught.value.problems[0].message
