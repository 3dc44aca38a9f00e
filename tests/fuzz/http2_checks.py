"""What is asked of one round of HTTP/2: containers see what others read in the same frames, and nothing else."""

from __future__ import annotations

import random
from collections import Counter

from tests.fuzz.http2_messages import Answerer, Sender
from tests.fuzz.http2_readers import Answered, Asked, answer_by_h2, answers_by_frames, requests_by_h2
from tests.fuzz.http2_wires import Http2Wires, digest, digest_of
from tests.fuzz.mutations import pieces
from tests.fuzz.readers import Read, answers_by_h11, answers_by_llhttp, requests_by_h11, requests_by_llhttp
from tests.fuzz.wires import Wire

OURS = frozenset(
    (b"host", b"transfer-encoding", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host")
) | {b"x-request-id", b"maelstrom-component", b"maelstrom-deadline"}
LEAST_OUT = 65_536  # bytes that a connection may cost besides what was sent on it


def requests_by_frames(wires: Http2Wires, n: int) -> bool:
    """What the library refuses, strict and alone, goes nowhere; what it reads is what components and clients see."""
    dice = random.Random(n)
    data = Sender(dice).all()
    asked, end = requests_by_h2(data)
    try:
        wire, sent = wires.talk(pieces(data[:end], dice), dice)
        seen = [read for stream in sent for read in _alike(stream)]
        _look_behind(asked, seen)
        assert len(wire.written) <= LEAST_OUT + 4 * len(data), "it answers much more than it is sent"
        return _look_before(asked, answers_by_frames(wire.written))
    except AssertionError as error:
        raise AssertionError(f"round {n}: {error}: {data[:4000]!r}") from error


def answers_by_frames_of_containers(wires: Http2Wires, n: int) -> bool:
    """A client of HTTP/1.1 gets the answer that the library reads, or is told that there is none."""
    dice = random.Random(n)
    method = dice.choice((b"GET", b"GET", b"HEAD"))
    data = Answerer(dice).all(b"")
    expected, end = answer_by_h2(method, data)
    wire = wires.answered(method + b" / HTTP/1.1\r\nHost: a\r\n\r\n", pieces(data[:end], dice))
    try:
        return _look_at_answer(method, wire, expected)
    except AssertionError as error:
        raise AssertionError(f"round {n}: {error}: {wire.written!r} {wire.end} of {data[:4000]!r}") from error


def _look_at_answer(method: bytes, wire: Wire, expected: Answered) -> bool:
    if not wire.written or wire.end == "reset":
        return False  # cut, and seen to be
    got = answers_by_h11(method + b" / HTTP/1.1", wire.written, ended=wire.end == "closed")
    assert len(answers_by_llhttp(wire.written)) == len(got) or method == b"HEAD"
    own = b"Maelstrom-Error" in wire.written
    finals = [read for read in got if not read.start[0].startswith("1")]
    if own or not finals or not finals[0].complete:
        return False
    assert len(finals) == 1, "more than one answer"
    assert finals[0].start[0] == dict(expected.heads[-1])[b":status"].decode()
    bodiless = method == b"HEAD" or finals[0].start[0] in ("204", "304")
    assert expected.whole or bodiless, "an answer that is not complete looks so"
    assert finals[0].body == (b"" if bodiless else expected.body)
    return True


def _alike(stream: bytes) -> list[Read]:
    by_h11 = requests_by_h11(stream)
    if all(read.start[0] in ("GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE") for read in by_h11):
        assert requests_by_llhttp(stream) == by_h11
    return by_h11


def _look_behind(asked: dict[int, Asked], seen: list[Read]) -> None:
    expected = Counter(expected_of(request) for request in asked.values() if request.whole)
    got = Counter(digest_of(read) for read in seen if read.complete)
    assert got <= expected, f"containers have seen {seen!r} of {asked!r}"
    names = {name for request in asked.values() for name, _ in request.fields}
    for read in seen:
        assert len(read.hosts) == 1
        assert {name for name, _ in read.headers} <= names | OURS, read


def _look_before(asked: dict[int, Asked], answered: dict[int, Answered]) -> bool:
    good = 0
    for stream, answer in answered.items():
        if answer.ended and answer.status == 200:
            request = asked[stream]
            assert request.whole, "an answer to what was not asked"
            body = b"" if request[b":method"] == b"HEAD" else expected_of(request)
            assert answer.body == body, f"stream {stream} is answered what another one asked"
            good += 1
    return good > 0


def expected_of(request: Asked) -> bytes:
    start = request[b":method"].decode("latin-1"), request[b":path"].decode("latin-1")
    counted = any(name == b"content-length" for name, _ in request.fields)
    return digest(start, [request.host], request.body, request.fields, [] if counted else request.trailers)
