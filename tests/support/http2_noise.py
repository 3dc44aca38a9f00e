"""Frames of HTTP/2 at random: nonsense, and what might come from a client that is only odd."""

from __future__ import annotations

import random
import struct

from hpack import Encoder

from tests.support.http2 import Headers

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED = 1, 4, 8
REQUEST: Headers = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a.test"), (b":path", b"/")]

_ODD: Headers = [
    (b"cookie", b"a=1"),
    (b"x", b"y" * 5000),
    (b"te", b"trailers"),
    (b"expect", b"100-continue"),
    (b"content-length", b"5"),
    (b"content-type", b"application/grpc"),
]


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    return struct.pack("!I", len(payload))[1:] + bytes((kind, flags)) + struct.pack("!I", stream) + payload


class Noise:
    """The dice, and what one connection has begun."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.begin()

    def begin(self) -> None:
        """Another connection."""
        self.open: list[int] = []
        self.last = -1
        self.encoder = Encoder()


def plausible(noise: Noise) -> bytes:
    """A frame in its place; what it says may be odd."""
    dice = noise.dice
    kinds = [HEADERS, DATA, CONTINUATION, RST, WINDOW, PING, SETTINGS, GOAWAY, PRIORITY]
    kind = dice.choices(kinds, (6, 6, 1, 1, 2, 1, 1, 0.1, 0.3))[0]
    if kind == HEADERS or not noise.open:
        return _request(noise)
    stream = dice.choice(noise.open)
    last = dice.random() < 0.2
    if kind in (CONTINUATION, RST) or (kind == DATA and last):
        noise.open.remove(stream)
    if kind == CONTINUATION:
        name = dice.choice((b"host", b"grpc-status", b"content-length"))
        return frame(HEADERS, noise.encoder.encode([(b"x-t", b"1"), (name, b"0")]), END_HEADERS | END_STREAM, stream)
    payload = {
        DATA: b"z" * dice.choice((0, 1, 5, 5, 1000, 16384)),
        RST: struct.pack("!I", 8),
        WINDOW: struct.pack("!I", dice.choice((1, 1000, 65535))),
        PING: bytes(8),
        SETTINGS: struct.pack("!HI", dice.choice((1, 3, 4, 6, 9)), dice.choice((0, 1, 100, 65535))),
        GOAWAY: bytes(8),
        PRIORITY: struct.pack("!IB", 0, 10),
    }[kind]
    if kind == WINDOW:
        stream = dice.choice((0, stream))
    elif kind in (PING, SETTINGS, GOAWAY):
        stream = 0
    return frame(kind, payload, int(kind == DATA and last), stream)


def _request(noise: Noise) -> bytes:
    dice = noise.dice
    noise.last += 2
    method, path = dice.choice((b"GET", b"POST", b"HEAD", b"PUT")), dice.choice((b"/", b"/x?y", b"*", b"/a b"))
    odd = dice.sample(_ODD, dice.randrange(4))
    block = noise.encoder.encode([(b":method", method), *REQUEST[1:3], (b":path", path), *odd])
    last = dice.random() < 0.5
    if not last:
        noise.open.append(noise.last)
    if dice.random() < 0.8:
        return frame(HEADERS, block, END_HEADERS | int(last), noise.last)
    half = len(block) // 2
    first = frame(HEADERS, block[:half], int(last), noise.last)
    return first + frame(CONTINUATION, block[half:], END_HEADERS, noise.last)


def nonsense(noise: Noise) -> bytes:
    """A frame of any kind: right, nearly right, or not at all."""
    dice = noise.dice
    stream = dice.choice((0, 1, 1, 3, 3, 5, 7, 2, dice.randrange(1 << 31)))
    kind = dice.randrange(11)
    flags = dice.choice((0, 1, 4, 5, 5, 5, 8, 32, dice.randrange(256)))
    if kind == HEADERS and dice.random() < 0.8:
        fields = dice.sample(REQUEST, dice.randrange(2, 5)) if dice.random() < 0.2 else list(REQUEST)
        if dice.random() < 0.3:
            fields[0] = (b":method", b"POST")
        for _ in range(dice.randrange(3)):
            name = dice.choice((b"x", b"cookie", b"content-length", b"te", b"expect", b"host", b"trailer"))
            fields.append((name, dice.choice((b"1", b"a.test", b"trailers", b"100-continue", b"\x00"))))
        return frame(HEADERS, Encoder().encode(fields), END_HEADERS | dice.choice((0, END_STREAM)), stream | 1)
    payload = {
        DATA: dice.randbytes(dice.choice((0, 1, 100, 16384))),
        RST: dice.randbytes(4),
        SETTINGS: struct.pack("!HI", dice.randrange(9), dice.choice((0, 1, 100, 65535, 1 << 31))),
        PING: bytes(8),
        WINDOW: struct.pack("!I", dice.choice((0, 1, 65535, 0x7FFFFFFF))),
        GOAWAY: struct.pack("!II", dice.randrange(9), dice.randrange(14)),
    }.get(kind, dice.randbytes(dice.randrange(20)))
    if kind in (SETTINGS, PING, WINDOW, GOAWAY) and dice.random() < 0.8:
        stream, flags = (stream if kind == WINDOW else 0), 0
    if dice.random() < 0.05:
        payload = payload[:-1]
    return frame(kind, payload, flags, stream)
