"""What a peer may send besides requests and bodies is bounded, whatever it is."""

from __future__ import annotations

import struct

import pytest

from maelstrom.gateway.http2.frames import (
    ENHANCE_YOUR_CALM,
    FRAME_SIZE_ERROR,
    MAX_FRAME,
    PREFACE,
    PROTOCOL_ERROR,
    Frames,
    GoAway,
    Refused,
)

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    return struct.pack("!I", len(payload))[1:] + bytes((kind, flags)) + struct.pack("!I", stream) + payload


def frames() -> Frames:
    """Of a client that has begun."""
    reader = Frames(0.0, of_client=True)
    reader.feed(PREFACE, 0.0)
    return reader


def flood(what: bytes, times: int, *, every: float = 0.0) -> int:
    """How many of them are borne."""
    reader = frames()
    for n in range(times):
        try:
            reader.feed(what, n * every)
        except Refused as refused:
            assert refused.code == ENHANCE_YOUR_CALM
            return n
    return times


def test_frames_come_out_whole_however_they_came_in() -> None:
    sent = [frame(SETTINGS), frame(HEADERS, b"abc", 4, 1), frame(DATA, b"", 1, 1), frame(PING, b"12345678")]
    data = PREFACE + b"".join(sent)
    for size in (1, 2, 7, 23, 24, 25, 1000):
        reader = Frames(0.0, of_client=True)
        got = []
        for at in range(0, len(data), size):
            got += reader.feed(data[at : at + size], 0.0)
        assert b"".join(piece for piece in got if isinstance(piece, bytes)) == data
        assert got[-len(sent) :] == sent


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/1.1", b"\x00", PREFACE[:-1] + b"x"])
def test_what_does_not_begin_as_it_must_is_refused_at_once(data: bytes) -> None:
    with pytest.raises(Refused) as refused:
        Frames(0.0, of_client=True).feed(data, 0.0)
    assert refused.value.code == PROTOCOL_ERROR


def test_a_frame_that_is_too_large_is_refused_before_it_has_come() -> None:
    frames().feed(frame(DATA, b"x" * MAX_FRAME, 0, 1), 0.0)
    with pytest.raises(Refused) as refused:
        frames().feed(struct.pack("!I", MAX_FRAME + 1)[1:] + bytes(6), 0.0)
    assert refused.value.code == FRAME_SIZE_ERROR


@pytest.mark.parametrize(
    "what",
    [
        frame(PING, b"12345678"),
        frame(SETTINGS, struct.pack("!HI", 4, 65535)),
        frame(RST, bytes(4), 0, 1),
        frame(PRIORITY, bytes(5), 0, 3),
        frame(WINDOW, bytes(4), 0, 0),
        frame(DATA, b"", 0, 1),
        frame(DATA, b"\x02x\x00\x00", 8, 1),
        frame(0xFA, b"unknown"),
    ],
    ids=["ping", "settings", "reset", "priority", "window", "empty data", "padded data", "unknown"],
)
def test_floods_end_soon_but_not_what_comes_at_its_pace(what: bytes) -> None:
    assert 100 <= flood(what, 5000) <= 1001
    assert flood(what, 400, every=0.2) == 400


def test_containers_may_talk_more() -> None:
    reader = Frames(0.0, of_client=False)
    for _ in range(10_000):
        reader.feed(frame(WINDOW, bytes(4)), 0.0)


def test_what_comes_back_for_what_was_done_is_forgiven() -> None:
    reader = frames()
    for _ in range(5000):
        reader.feed(frame(WINDOW, bytes(4), 0, 1), 0.0)
        reader.forgive(1.0)


def test_data_and_acknowledgements_cost_nothing() -> None:
    assert flood(frame(DATA, b"\x05" + b"x" * 30 + bytes(5), 8, 1), 5000) == 5000
    assert flood(frame(DATA, b"x", 0, 1), 5000) == 5000
    assert flood(frame(DATA, b"", 1, 1), 5000) == 5000
    assert flood(frame(PING, b"12345678", 1), 5000) == 5000


def test_settings_of_a_whole_life_are_counted_because_each_is_remembered() -> None:
    assert flood(frame(SETTINGS, bytes(6)), 2000, every=1.0) == 500


@pytest.mark.parametrize("size", [0, 1, MAX_FRAME])
def test_a_header_block_without_end_is_refused(size: int) -> None:
    reader = frames()
    reader.feed(frame(HEADERS, b"", 0, 1), 0.0)
    assert reader.in_block
    with pytest.raises(Refused) as refused:
        reader.feed(frame(CONTINUATION, b"x" * size, 0, 1) * 20, 0.0)
    assert refused.value.code == ENHANCE_YOUR_CALM


def test_header_blocks_in_several_frames_are_borne_one_after_the_other() -> None:
    reader = frames()
    for _ in range(50):
        reader.feed(frame(HEADERS, b"x" * MAX_FRAME, 0, 1) + frame(CONTINUATION, b"y" * MAX_FRAME, 4, 1), 0.0)
    assert not reader.in_block


def test_a_farewell_is_taken_out_but_not_from_where_it_is_an_error() -> None:
    [gone] = frames().feed(frame(GOAWAY, struct.pack("!II", 7, 11) + b"why"), 0.0)
    assert gone == GoAway(7, 11)
    for wrong in (frame(GOAWAY, bytes(8), 0, 1), frame(GOAWAY, bytes(7))):
        assert frames().feed(wrong, 0.0) == [wrong]
    reader = frames()
    reader.feed(frame(HEADERS, b"x", 0, 1), 0.0)
    assert reader.feed(frame(GOAWAY, bytes(8)), 0.0) == [frame(GOAWAY, bytes(8))]
