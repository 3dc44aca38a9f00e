"""JSON in and out, and the table of statuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom.api.refusals import error_from
from maelstrom.api.wire import STATUS, from_json, status_of, to_json
from maelstrom.cli.exits import EXITS
from maelstrom.model.errors import BadRequest, InvalidInput, InvalidSettings, MaelstromError, Problem

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(codec="ascii", exclude_characters="\0")), inner)
    ),
    max_leaves=20,
)


@given(plain)
def test_every_plain_value_goes_through_unchanged(value: Any) -> None:
    assert from_json(to_json(value)) == value
    assert from_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_bytes_are_a_value_or_a_bad_request(body: bytes) -> None:
    with suppress(BadRequest):
        from_json(body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff", "not UTF-8"),
        (b"{", "line 1, column 2"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b"NaN", "NaN is no JSON"),
        (b"1e999", "too large"),
        (b"9007199254740992", "too large"),
        (b"-" + b"9" * 10_000, "too large"),
        (b'"\\u0000"', "NUL"),
        (b'["\\udc00"]', "surrogate"),
        (b'{"\\ud800": 1}', "surrogate"),
        (b"[" * 65 + b"1" + b"]" * 65, "nested too deep"),
        (b"[" * 100_000, "nested too deep"),
    ],
)  # fmt: skip
def test_refusal_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(BadRequest, match=reason):
        from_json(body)


def test_text_that_is_none_can_be_sent_all_the_same() -> None:
    assert to_json("a\ud800b") == b'"a?b"'


def classes(cls: type[MaelstromError] = MaelstromError) -> Iterator[type[MaelstromError]]:
    yield cls
    for sub in cls.__subclasses__():
        if sub.__module__.startswith("maelstrom."):
            yield from classes(sub)


@pytest.mark.parametrize("table", [STATUS, EXITS], ids=["statuses", "exit codes"])
def test_tables_hold_codes_that_exist(table: dict[str, int]) -> None:
    assert set(table) - {cls.code for cls in classes()} == set()


@pytest.mark.parametrize("cls", [cls for cls in classes() if cls is not InvalidSettings], ids=lambda cls: cls.code)
def test_error_comes_back_from_the_wire_as_itself(cls: type[MaelstromError]) -> None:
    sent = cls("what happened", hint="what to do")
    back = error_from(status_of(sent), from_json(to_json(sent.as_json())))
    assert (type(back), back.as_json()) == (cls, sent.as_json())


def test_problems_come_back_from_the_wire() -> None:
    sent = InvalidInput("bad", problems=(Problem("a.b", "is wrong", "do", "f.yml", 3),))
    back = error_from(422, from_json(to_json(sent.as_json())))
    assert isinstance(back, InvalidInput)
    assert back.problems == sent.problems


@pytest.mark.parametrize("data", [None, [], {}, {"code": 5}, "text", {"message": "x"}])
def test_answer_of_something_else_is_no_error_of_ours(data: Any) -> None:
    assert error_from(502, data).code == "unavailable"


def test_code_of_a_newer_server_is_still_an_error() -> None:
    back = error_from(418, {"code": "teapot", "message": "short and stout", "hint": ""})
    assert (type(back), back.message) == (MaelstromError, "short and stout")
