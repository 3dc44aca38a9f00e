"""Errors are part of the interface: each code is unique, says what to try, and has its place in every table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from maelstrom.model.errors import MaelstromError

# What the gateway answers with is fixed for clients of any version.
GATEWAY_CODES = {
    "bad_request", "no_route", "body_too_large", "head_too_large", "queue_full", "start_failed", "no_capacity",
    "disabled", "deadline", "upstream_broken", "draining", "request_timeout",
}  # fmt: skip


def subclasses(cls: type[MaelstromError] = MaelstromError) -> Iterator[type[MaelstromError]]:
    yield cls
    for sub in cls.__subclasses__():
        yield from subclasses(sub)


ALL = [cls for cls in subclasses() if cls.__module__.startswith("maelstrom.")]


def test_codes_are_unique_and_every_class_has_its_own() -> None:
    assert [code for code, count in Counter(cls.code for cls in ALL).items() if count > 1] == []


def test_all_errors_live_in_one_file() -> None:
    assert {cls.__module__ for cls in ALL} == {"maelstrom.model.errors"}


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.code)
def test_error_says_what_it_is_and_what_to_try(cls: type[MaelstromError]) -> None:
    assert cls.default_hint
    assert cls.__dict__.get("__doc__"), "a docstring: it becomes the reference"


def test_codes_of_the_gateway_exist() -> None:
    assert GATEWAY_CODES - {cls.code for cls in ALL} == set()
