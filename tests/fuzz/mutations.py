"""Messages to begin with, and what may befall them."""

from __future__ import annotations

import random

from tests.integration.gateway.payloads import PASSED_REQUESTS, REFUSED_ANSWERS, REFUSED_REQUESTS, SMUGGLED

_REQUESTS = [
    b"GET /k?x=1 HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\nAccept: */*\r\nCookie: a=b; c=d\r\n\r\n",
    b"POST /a?b=c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: keep-alive, x-foo\r\nX-Foo: 1\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"
    b'5\r\nhello\r\n6;ext="1"\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n',
    b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n",
    b"PUT /p HTTP/1.1\r\nHost: b\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n",
    b"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\nProxy-Authorization: x\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET http://a/x HTTP/1.1\r\nHost: a\r\nMaelstrom-Deadline: 1\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nX-Request-Id: 1\r\n\r\n",
    # One client again and again: from the third request on only what differs is looked at.
    b"".join(
        b"GET /k HTTP/1.1\r\nHost: a\r\nX-Request-Id: %d\r\nCookie: n=%d\r\nAccept: */*\r\n\r\n" % (n, n)
        for n in range(5)
    ),
    b"".join(b"PUT /k HTTP/1.1\r\nHost: a\r\nCookie: n=%d\r\nContent-Length: 2\r\n\r\nok" % n for n in range(5)),
    *PASSED_REQUESTS.values(),
]
_REFUSED = [data for data, _ in REFUSED_REQUESTS.values() if len(data) < 1000]
# Half of the inputs begin as good ones: what is refused at once tells nothing about what goes on.
REQUESTS = [*_REQUESTS * (len(_REFUSED) // len(_REQUESTS)), *_REFUSED]
_ANSWERS = [
    b"HTTP/1.1 200 OK\r\nServer: x\r\nDate: Thu\r\nContent-Length: 10\r\n\r\n0123456789",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"
    b"5\r\nhello\r\n3;e=1\r\nabc\r\n0\r\nX: 1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close, x-a\r\nX-A: 1\r\n\r\nuntil the end",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.0 304 \r\nConnection: close\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 204\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nUpgrade: chat\r\nConnection: upgrade\r\n\r\nbytes",
    b"HTTP/1.1 426 Upgrade\r\nUpgrade: chat\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\nok",
]
ANSWERS = [*_ANSWERS * 3, *(data for data in REFUSED_ANSWERS.values() if len(data) < 1000)]
ASKED = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n",
    b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
]
BITS = [
    b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b";", b"\0", b"\x0b", b"\x7f", b"\xff", b"0", b"5", b"a", b"f",
    b"_", b"-", b"+", b"\r\n\r\n", b"0\r\n\r\n", b"1\r\nx\r\n", b"\r\n ", b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n", b"Content-Length:5\r\n", b"Host: b\r\n", b"Host: a\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Transfer-Encoding:chunked\r\n",
    b"Connection: close\r\n", b"Connection: a, ,b\r\n", b"Connection: keep-alive\r\n", b"Connection: upgrade\r\n",
    b"Upgrade: chat\r\n", b"Upgrade: h2c\r\n", b"Expect: 100-continue\r\n", b" folded\r\n", b"HTTP/1.1", b"HTTP/1.0",
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"X-Forwarded-Proto: y\r\n", b"Trailer: x\r\n",
    b"X-Request-Id: z\r\n", b"#", b"?", b"%", b"@", b"[", b"\\", b"http://a", b"*", SMUGGLED,
]  # fmt: skip


def mutated(seeds: list[bytes], dice: random.Random) -> bytes:
    data = bytearray(dice.choice(seeds))
    if dice.random() < 0.2:
        data += dice.choice(seeds)
    for _ in range(dice.choice((0, 1, 1, 1, 2, 2, 3, 5))):
        at = dice.randrange(len(data) + 1)
        if dice.random() < 0.3:  # at the beginning of a line: where most that matters stands
            at = data.find(b"\r\n", at) + 2 if data.find(b"\r\n", at) >= 0 else at
        kind = dice.random()
        if kind < 0.5:
            data[at:at] = dice.choice(BITS)
        elif kind < 0.65:
            del data[at : at + dice.randrange(1, 4)]
        elif kind < 0.8 and at < len(data):
            data[at] = dice.randrange(256)
        elif kind < 0.9 and at < len(data):
            data[at : at + 1] = bytes(data[at : at + 1]).swapcase()
        else:
            other = dice.choice(seeds)
            begin = dice.randrange(len(other) + 1)
            data[at:at] = other[begin : begin + dice.randrange(1, 30)]
    return bytes(data)


def pieces(data: bytes, dice: random.Random) -> list[bytes]:
    """As it may come from the network."""
    if dice.random() < 0.5:
        return [data]
    if dice.random() < 0.2:
        return [bytes((byte,)) for byte in data]
    cuts = sorted(dice.randrange(len(data) + 1) for _ in range(dice.randrange(1, 4)))
    parts = [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return [part for part in parts if part]
