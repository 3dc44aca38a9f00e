"""Everything that the gateway passes on is read by h11 and by llhttp alike, and as the gateway itself has read it."""

from __future__ import annotations

import pytest

from tests.fuzz.conftest import Rounds
from tests.fuzz.mutations import ANSWERS, ASKED, REQUESTS, mutated, pieces
from tests.fuzz.readers import (
    KNOWN_METHODS,
    Disagrees,
    Read,
    answers_by_h11,
    answers_by_llhttp,
    requests_by_h11,
    requests_by_llhttp,
)
from tests.fuzz.wires import Wires

pytestmark = pytest.mark.fuzz


async def test_requests_are_read_alike_behind_the_gateway(rounds: Rounds) -> None:
    wires = Wires()
    passed = 0
    for n, dice in rounds:
        data = mutated(REQUESTS, dice)
        sent, count = wires.ask(pieces(data, dice))
        try:
            seen = [read for stream in sent for read in same_requests(stream)]
            assert sum(read.complete for read in seen) == count, "the gateway has read another number of requests"
            assert all(len(read.hosts) == 1 for read in seen)
        except AssertionError as error:
            raise AssertionError(f"round {n}: {data!r} went on as {sent!r}") from error
        passed += count > 0
    assert passed


async def test_answers_are_read_alike_before_the_gateway(rounds: Rounds) -> None:
    wires = Wires()
    whole = 0
    for n, dice in rounds:
        asked = dice.choice(ASKED)
        data = mutated(ANSWERS, dice)
        wire = wires.answer(asked, pieces(data, dice), reset=dice.random() < 0.2)
        try:
            same_answers(asked, wire.written, wire.end)
        except AssertionError as error:
            raise AssertionError(f"round {n}: {asked!r}: {data!r} went on as {wire.written!r}, {wire.end}") from error
        whole += b"upstream_broken" not in wire.written and wire.end != "reset"
    assert whole


async def test_what_the_gateway_takes_for_a_request_others_do_not_take_for_something_else(rounds: Rounds) -> None:
    """In front of the gateway, too: a proxy there that accepts the same bytes sees the same requests."""
    wires = Wires()
    for n, dice in rounds:
        data = mutated(REQUESTS, dice)
        sent, count = wires.ask([data])
        if not count:
            continue
        try:
            before = requests_by_h11(data)
        except Disagrees:
            continue  # it refuses what the gateway accepts in part: no other reading
        if any(read.start[1] == "*" for read in before):
            continue  # routed by its host alone, perhaps nowhere
        behind = [read for stream in sent for read in requests_by_h11(stream)]
        bodies = [read.body for read in before if read.complete]
        assert bodies[:count] == [read.body for read in behind if read.complete], f"round {n}: {data!r}"


def same_requests(stream: bytes) -> list[Read]:
    by_h11 = requests_by_h11(stream)
    if all(read.start[0].encode() in KNOWN_METHODS for read in by_h11):
        by_llhttp = requests_by_llhttp(stream)
        assert by_llhttp == by_h11
    return by_h11


def same_answers(asked: bytes, written: bytes, end: str) -> None:
    if not written:
        return  # nothing was said: it was cut, or would be tried again
    ended = end == "closed"
    by_h11 = answers_by_h11(asked, written, ended=ended) if end != "reset" else []
    assert end == "reset" or by_h11[-1].complete, "an answer that is not complete looks so"
    if not asked.startswith(b"HEAD") and end != "reset":
        by_llhttp = answers_by_llhttp(written)
        assert [read.start for read in by_llhttp] == [read.start for read in by_h11]
        if by_h11[-1].start != ("101",):
            assert [read.body for read in by_llhttp] == [read.body for read in by_h11]
