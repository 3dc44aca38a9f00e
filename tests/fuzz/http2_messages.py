"""What a client of HTTP/2 may send: messages as they should be, and what may befall heads, frames and their bytes."""

from __future__ import annotations

import random
import struct

from hpack import Encoder, HeaderTuple, NeverIndexedHeaderTuple

from maelstrom.gateway.http2.frames import PREFACE
from tests.support.http2 import Headers
from tests.support.http2_noise import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PRIORITY,
    PUSH,
    RST,
    SETTINGS,
    WINDOW,
    frame,
)

SMUGGLED = b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"
METHODS = (b"GET", b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS")
PATHS = (b"/", b"/k?x=1", b"/a%2Fb/../c", b"//x", b"*")
ODD_VALUES = (
    b"", b"a b", b"a\r\nX-Evil: 1", b"a\r\n\r\n" + SMUGGLED, b"a\n", b"\ra", b"\0", b" a", b"a\t", b"\xff\xfe", b"\x7f",
    b"chunked", b"0", b"5", b"05", b"+5", b"5, 5", b"-1", b"0x5", b"99999999999999999999", b"trailers", b"gzip", b"a",
    b"b", b"a:80", b"u@a", b"a/evil", b"[::1]", b"/evil HTTP/1.1\r\nHost: b\r\n\r\n", b"http://b/", b"/#x",
    b"GET /evil", b"CONNECT", b"TRACE", b"ftp", b"http", b"close", b"upgrade", b"h2c", b"websocket",
    b"100-continue", b"x" * 3000,
)  # fmt: skip
ODD_NAMES = (
    b"", b":", b":x", b":method", b":path", b":authority", b":scheme", b":status", b":protocol", b"host", b"Host",
    b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"proxy-connection", b"upgrade", b"te",
    b"trailer", b"expect", b"http2-settings", b"x-fa", b"x-fb", b"X-Fc", b"x f", b"x:f", b"x-f\r\nx-evil", b"x-f\0",
    b"x-f(", b"\xe4", b"cookie", b"cookie", b"content-type", b"x-forwarded-for", b"x-request-id", b"maelstrom-deadline",
)  # fmt: skip
SETTINGS_VALUES = (0, 1, 2, 100, 4096, 16384, 65535, 65536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


class Sender:
    """One connection's dice, and what it has begun."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._encoder = Encoder()
        self._next = 1
        self._open: list[int] = []
        self._ended: list[int] = []

    def all(self, preface: bytes = PREFACE) -> bytes:
        """The whole of what is sent."""
        dice = self._dice
        frames = [frame(SETTINGS, self._settings() if dice.random() < 0.3 else b"")]
        for _ in range(dice.choice((1, 2, 4, 8, 30))):
            frames += self._step()
        if dice.random() < 0.1:
            frames = self._shuffled(frames)
        if dice.random() < 0.02:
            frames += [dice.choice(frames)] * dice.choice((300, 1100, 2500))
        data = bytearray(preface + b"".join(frames))
        if dice.random() < 0.1:
            for _ in range(dice.choice((1, 1, 2, 5))):
                at = dice.randrange(len(preface) if dice.random() < 0.95 else 0, len(data))
                data[at] = dice.randrange(256) if dice.random() < 0.5 else data[at] ^ (1 << dice.randrange(8))
        return bytes(data)

    def _shuffled(self, frames: list[bytes]) -> list[bytes]:
        at = self._dice.randrange(len(frames))
        one = frames.pop(at) if self._dice.random() < 0.6 else frames[at]
        if self._dice.random() < 0.7:
            frames.insert(self._dice.randrange(len(frames) + 1), one)
        return frames

    def _step(self) -> list[bytes]:
        dice = self._dice
        if not self._open or dice.random() < 0.5:
            return self._begun()
        stream = dice.choice(self._open)
        kind = dice.random()
        if kind < 0.6:
            return [self._data(stream, dice.choice((0, 1, 5, 5, 1000)), last=dice.random() < 0.5)]
        if kind < 0.75:
            self._end(stream)
            return self._head(stream, self._odd([(b"x-ft", b"1")], 0.3), last=dice.random() < 0.9)
        return [self._other(stream)]

    def _begun(self) -> list[bytes]:
        """A message on a stream of its own."""
        dice = self._dice
        stream = self._next
        self._next += dice.choice((2, 2, 2, 2, 2, 4, 200))
        fields: Headers = [
            (b":method", dice.choice(METHODS)),
            (b":scheme", b"https"),
            (b":authority", dice.choice((b"a", b"b"))),
            (b":path", dice.choice(PATHS[:4] if dice.random() < 0.9 else PATHS)),
        ]
        for _ in range(dice.choice((0, 0, 1, 2))):
            fields.append((dice.choice((b"x-fa", b"x-fb", b"cookie")), b"v%d" % dice.randrange(3)))
        if dice.random() < 0.01:
            fields += [(b"x-f%d" % n, b"y" * dice.choice((0, 10, 1000))) for n in range(dice.choice((50, 90, 300)))]
        last = dice.random() < 0.5
        frames: list[bytes] = []
        if dice.random() < 0.3:  # a body with its length, which is most often right
            size = dice.choice((0, 1, 5, 300))
            said = size if dice.random() < 0.7 else dice.choice((0, 1, 2, 5, 6))
            fields.append((b"content-length", b"%d" % said))
            last = size == 0 and dice.random() < 0.5
            frames = [] if last else [self._data(stream, size, last=True)]
        if not last and not frames:
            self._open.append(stream)
        return [*self._head(stream, self._odd(fields, 0.1), last=last), *frames]

    def _odd(self, fields: Headers, share: float) -> Headers:
        dice = self._dice
        if dice.random() >= share:
            return fields
        for _ in range(dice.choice((1, 1, 2, 4))):
            at, kind = dice.randrange(len(fields) + 1), dice.random()
            if kind < 0.5 or at == len(fields):
                fields.insert(at, (dice.choice(ODD_NAMES), dice.choice(ODD_VALUES)))
            elif kind < 0.8:
                fields[at] = (fields[at][0], dice.choice(ODD_VALUES))
            elif kind < 0.9:
                fields.append(fields[at])
            else:
                fields = fields[:at] + fields[at + 1 :] or [(b"x-fa", b"1")]
        return fields

    def _head(self, stream: int, fields: Headers, *, last: bool) -> list[bytes]:
        dice = self._dice
        if dice.random() < 0.02:
            self._encoder.header_table_size = dice.choice((0, 100, 4096, 5000))
        block = self._encoder.encode(
            [(NeverIndexedHeaderTuple if dice.random() < 0.1 else HeaderTuple)(*field) for field in fields],
            huffman=dice.random() < 0.7,
        )
        if dice.random() < 0.01:  # what is small becomes large
            block += (b"\xbe" if dice.random() < 0.7 else b"\x82") * dice.choice((20, 2000, 10_000))
        flags = END_STREAM if last else 0
        if dice.random() < 0.05:
            block, flags = bytes((3,)) + block + bytes(3), flags | PADDED
        if dice.random() < 0.9 and len(block) <= 16384:
            return [frame(HEADERS, block, END_HEADERS | flags, stream)]
        size = dice.choice((1, 7, 50, 4000)) if len(block) < 300 else 16000
        pieces = [block[at : at + size] for at in range(0, len(block), size)] or [b""]
        frames = [frame(CONTINUATION, piece, 0, stream) for piece in pieces]
        frames[0] = frame(HEADERS, pieces[0], flags, stream)
        if dice.random() < 0.95:
            frames.append(frame(CONTINUATION, b"", END_HEADERS, stream))
        return frames

    def _data(self, stream: int, size: int, *, last: bool) -> bytes:
        flags, data = END_STREAM if last else 0, b"d" * size
        if self._dice.random() < 0.1:
            pad = self._dice.choice((0, 1, 200))
            flags, data = flags | PADDED, bytes((pad,)) + data + bytes(pad if self._dice.random() < 0.95 else 0)
        if last:
            self._end(stream)
        return frame(DATA, data, flags, stream)

    def _end(self, stream: int) -> None:
        self._ended.append(stream)
        if stream in self._open:
            self._open.remove(stream)

    def _settings(self) -> bytes:
        return b"".join(
            struct.pack("!HI", self._dice.randrange(10), self._dice.choice(SETTINGS_VALUES))
            for _ in range(self._dice.randrange(3))
        )

    def _other(self, stream: int) -> bytes:
        """Frames that carry nothing, in their place or not."""
        dice = self._dice
        kind = dice.choice((RST, RST, WINDOW, WINDOW, PING, SETTINGS, GOAWAY, PRIORITY, PUSH, CONTINUATION, 0xEE, DATA))
        if kind == RST:
            self._end(stream)
        payload = {
            RST: struct.pack("!I", dice.choice((0, 7, 8, 99))),
            WINDOW: struct.pack("!I", dice.choice((0, 1, 65535, 0x7FFFFFFF))),
            PING: bytes(8),
            SETTINGS: self._settings(),
            GOAWAY: bytes(8),
            PRIORITY: struct.pack("!IB", dice.choice((0, stream, 1)), 10),
            PUSH: bytes(4) + self._encoder.encode([(b"x", b"y")]),
        }.get(kind, b"x" * dice.choice((0, 3)))
        if kind in (PING, SETTINGS, GOAWAY):
            stream = 0
        elif dice.random() < 0.2:
            stream = dice.choice((0, 2, *self._ended, *self._ended, stream + 2))
        return frame(kind, payload[: None if dice.random() < 0.99 else -1], END_HEADERS if kind == PUSH else 0, stream)


class Answerer(Sender):
    """A container that was asked on stream 1."""

    def _begun(self) -> list[bytes]:
        dice = self._dice
        stream = 1 if dice.random() < 0.95 else dice.choice((0, 2, 3))
        if stream in (*self._open, *self._ended) and dice.random() < 0.9:
            return [self._other(stream)] if dice.random() < 0.1 else []
        status = dice.choice((b"200", b"200", b"200", b"404", b"204", b"304", b"103", b"100", b"101", b"000"))
        fields: Headers = [(b":status", status if dice.random() < 0.5 else b"200"), (b"x-fa", b"1")]
        if dice.random() < 0.1:
            fields.append((b"content-type", b"application/grpc"))
        size, counted = dice.choice((0, 1, 5, 300)), dice.random() < 0.5
        if counted:
            said = size if dice.random() < 0.8 else dice.choice((0, 1, 2, 5, 6))
            fields.append((b"content-length", b"%d" % said))
        last = dice.random() < 0.2
        body = [] if last or not counted else [self._data(stream, size, last=dice.random() < 0.8)]
        (self._ended if last else self._open).append(stream)
        return [*self._head(stream, self._odd(fields, 0.15), last=last), *body]
