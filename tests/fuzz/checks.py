"""What is asked of one round: a mutated message goes through the gateway, other parsers read what comes out alike.

A round is its number: all dice come of it, so one that fails is played again by that number alone. Each check returns
whether the round's message got through, so that a run can show that it tested something.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.fuzz.http2_checks import answers_by_frames_of_containers, requests_by_frames
from tests.fuzz.http2_wires import Http2Wires
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


def requests_behind(wires: Wires, n: int) -> bool:
    """Requests are read alike behind the gateway."""
    dice = random.Random(n)
    data = mutated(REQUESTS, dice)
    sent, count = wires.ask(pieces(data, dice))
    try:
        seen = [read for stream in sent for read in _same_requests(stream)]
        assert sum(read.complete for read in seen) == count, "the gateway has read another number of requests"
        assert all(len(read.hosts) == 1 for read in seen)
    except AssertionError as error:
        raise AssertionError(f"round {n}: {data!r} went on as {sent!r}") from error
    return count > 0


def answers_before(wires: Wires, n: int) -> bool:
    """Answers are read alike before the gateway."""
    dice = random.Random(n)
    asked = dice.choice(ASKED)
    data = mutated(ANSWERS, dice)
    wire = wires.answer(asked, pieces(data, dice), reset=dice.random() < 0.2)
    try:
        _same_answers(asked, wire.written, wire.end)
    except AssertionError as error:
        raise AssertionError(f"round {n}: {asked!r}: {data!r} went on as {wire.written!r}, {wire.end}") from error
    return b"upstream_broken" not in wire.written and wire.end != "reset"


def requests_before(wires: Wires, n: int) -> bool:
    """In front of the gateway, too: a proxy there that accepts the same bytes sees the same requests."""
    data = mutated(REQUESTS, random.Random(n))
    sent, count = wires.ask([data])
    if not count:
        return False
    try:
        before = requests_by_h11(data)
    except Disagrees:
        return False  # it refuses what the gateway accepts in part: no other reading
    if any(read.start[1] == "*" for read in before):
        return False  # routed by its host alone, perhaps nowhere
    behind = [read for stream in sent for read in requests_by_h11(stream)]
    bodies = [read.body for read in before if read.complete]
    assert bodies[:count] == [read.body for read in behind if read.complete], f"round {n}: {data!r}"
    return True


class Check(NamedTuple):
    """`share` of all inputs of a campaign; `rounds` that the bounded test plays."""

    play: Callable[[Any, int], bool]
    wires: Callable[[], Wires]
    share: float
    rounds: int


CHECKS = {
    "requests-behind": Check(requests_behind, Wires, 0.4, 4000),
    "answers-before": Check(answers_before, Wires, 0.45, 4000),
    "requests-before": Check(requests_before, Wires, 0.1, 4000),
    "http2-requests": Check(requests_by_frames, Http2Wires, 0.04, 250),
    "http2-answers": Check(answers_by_frames_of_containers, Http2Wires, 0.01, 250),
}


def _same_requests(stream: bytes) -> list[Read]:
    by_h11 = requests_by_h11(stream)
    if all(read.start[0].encode() in KNOWN_METHODS for read in by_h11):
        by_llhttp = requests_by_llhttp(stream)
        assert by_llhttp == by_h11
    return by_h11


def _same_answers(asked: bytes, written: bytes, end: str) -> None:
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
