"""WebSocket through the gateway: whatever a client sends, a server says the same to it directly and through a tunnel.

The cases follow the chapters of Autobahn's suite: framing, pings, reserved bits, opcodes, fragments, UTF-8, closing,
sizes; frames are written by hand, so that also those come that no library would send.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import cast

import pytest
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import Event
from websockets.server import ServerProtocol

from maelstrom.model.instance import Address
from tests.integration.gateway.world import World, friendly
from tests.support.wait import eventually

SECONDS = 10.0
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
HANDSHAKE = (
    b"GET /chat?x=1 HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def frame(
    opcode: int, data: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes | None = b"\x11\x22\x33\x44"
) -> bytes:
    """`mask`: None for a frame without one, which a client must not send."""
    n = len(data)
    head = bytes(((0x80 if fin else 0) | rsv << 4 | opcode,))
    bit = 0 if mask is None else 0x80
    if n < 126:
        head += bytes((bit | n,))
    elif n < 1 << 16:
        head += bytes((bit | 126,)) + struct.pack(">H", n)
    else:
        head += bytes((bit | 127,)) + struct.pack(">Q", n)
    if mask is None:
        return head + data
    repeated = mask * (n // 4 + 1)
    return head + mask + (int.from_bytes(data, "big") ^ int.from_bytes(repeated[:n], "big")).to_bytes(n, "big")


def closing(code: int | None = 1000, reason: bytes = b"") -> bytes:
    return frame(CLOSE, b"" if code is None else struct.pack(">H", code) + reason)


def in_pieces(opcode: int, *pieces: bytes, between: bytes = b"") -> bytes:
    """A message in fragments."""
    out = b""
    for n, piece in enumerate(pieces):
        out += frame(CONT if n else opcode, piece, fin=n == len(pieces) - 1) + between
    return out


SIZES = (0, 1, 125, 126, 127, 128, 65535, 65536)
UTF8 = "Hello-µ@ßöäüàá-UTF-8 κόσμε \U0001f680".encode()
CASES: dict[str, bytes] = {
    **{f"text of {n}": frame(TEXT, b"*" * n) + closing() for n in SIZES},
    **{f"binary of {n}": frame(BINARY, b"\xfe" * n) + closing() for n in SIZES},
    **{f"ping of {n}": frame(PING, b"p" * n) + frame(TEXT, b"after") + closing() for n in (0, 1, 125)},
    "ping of 126": frame(PING, b"p" * 126) + closing(),
    "unasked pong": frame(PONG, b"x") + frame(PING, b"y") + closing(),
    "ten pings": b"".join(frame(PING, bytes((48 + n,))) for n in range(10)) + closing(),
    **{f"reserved bits {n}": frame(TEXT, b"x", rsv=n) + closing() for n in (1, 2, 4, 7)},
    **{f"opcode {n}": frame(n, b"x") + closing() for n in (3, 7, 11, 15)},
    "no mask": frame(TEXT, b"x", mask=None) + closing(),
    "mask of zeros": frame(TEXT, b"hello", mask=b"\0\0\0\0") + closing(),
    "two fragments": in_pieces(TEXT, b"one", b"two") + closing(),
    "empty fragments": in_pieces(TEXT, b"", b"", b"") + closing(),
    "fragments with pings between": in_pieces(TEXT, b"a", b"b", b"c", between=frame(PING, b"!")) + closing(),
    "many fragments": in_pieces(BINARY, *[b"ab"] * 500) + closing(),
    "ping in fragments": frame(PING, b"x", fin=False) + frame(CONT, b"y") + closing(),
    "continuation of nothing": frame(CONT, b"x") + closing(),
    "message in a message": frame(TEXT, b"x", fin=False) + frame(TEXT, b"y") + closing(),
    "UTF-8": frame(TEXT, UTF8) + closing(),
    "UTF-8 cut within a character": in_pieces(TEXT, UTF8[:8], UTF8[8:]) + closing(),
    "UTF-8 of one byte a fragment": in_pieces(TEXT, *(bytes((b,)) for b in UTF8)) + closing(),
    **{
        f"no UTF-8: {bad.hex()}": frame(TEXT, b"ok " + bad) + closing()
        for bad in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80")
    },
    **{f"close with {code}": closing(code) for code in (None, 1000, 1001, 1003, 1007, 1011, 3000, 4999)},
    **{f"close with {code}, which none may send": closing(code) for code in (0, 999, 1004, 1005, 1006, 1016, 5000)},
    "close with a reason": closing(1000, UTF8),
    "close with a reason that is no UTF-8": closing(1000, b"\xff\xfe"),
    "close with one byte": frame(CLOSE, b"\x03"),
    "close with too long a reason": closing(1000, b"r" * 124),
    "close twice": closing() + closing(),
    "message after the close": closing() + frame(TEXT, b"late"),
    "length in more bytes than needed": b"\x81\xfe\x00\x05\x00\x00\x00\x00hello" + closing(),
}  # fmt: skip


@dataclass
class Said:
    """What a server said: data and control frames, each in their order. `head`: the status, the proof of the key."""

    head: tuple[str, ...] = ()
    data: list[tuple[int, bytes]] = field(default_factory=list)
    control: list[tuple[int, bytes]] = field(default_factory=list)


async def talk(address: tuple[str, int], sent: bytes, piece: int) -> Said:
    """Sends all in pieces of that size, and reads until the server closes."""
    said = Said()
    reader, writer = await asyncio.open_connection(*address, limit=1 << 20)
    try:
        async with asyncio.timeout(SECONDS):
            writer.write(HANDSHAKE)
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            said.head = (lines[0], *(line for line in lines if line.lower().startswith("sec-websocket-accept")))
            for begin in range(0, len(sent), piece):
                writer.write(sent[begin : begin + piece])
                await asyncio.sleep(0)
            while not said.control or said.control[-1][0] != CLOSE:
                opcode, data = await _frame(reader)
                (said.control if opcode & 8 else said.data).append((opcode, data))
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # it ended without a close: that, too, is to be the same
    finally:
        writer.transport.abort()
    return said


async def _frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, n = await reader.readexactly(2)
    if n == 126:
        [n] = struct.unpack(">H", await reader.readexactly(2))
    elif n == 127:
        [n] = struct.unpack(">Q", await reader.readexactly(8))
    return first & 0x8F, await reader.readexactly(n)


class Echo(asyncio.Protocol):
    """Sends each message back. It reads byte by byte: what it says must not depend on how its input was cut."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.protocol = ServerProtocol(max_size=None)
        self.message: list[Frame] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for n in range(len(data)):
            self.protocol.receive_data(data[n : n + 1])
            for event in self.protocol.events_received():
                self._act(event)
            for piece in self.protocol.data_to_send():
                self.transport.write(piece) if piece else self.transport.close()

    def _act(self, event: Event) -> None:
        if isinstance(event, Request):
            self.protocol.send_response(self.protocol.accept(event))
        elif isinstance(event, Frame) and event.opcode in (CONT, TEXT, BINARY):
            self.message.append(event)
            if event.fin:
                data, text = b"".join(frame.data for frame in self.message), self.message[0].opcode == TEXT
                self.message = []
                self.protocol.send_text(data) if text else self.protocol.send_binary(data)


@pytest.fixture
async def echo() -> AsyncIterator[tuple[str, int]]:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[:2]


@pytest.mark.parametrize("case", CASES)
async def test_a_client_hears_the_same_with_and_without_the_gateway(
    gate: World, echo: tuple[str, int], case: str
) -> None:
    pool = await gate.component(friendly)
    pool.instances[0].address = Address(*echo)
    sent = CASES[case]
    direct = await talk(echo, sent, len(sent))
    for piece in (len(sent), 7 if len(sent) < 2000 else 20_011):
        assert await talk(gate.public.address, sent, piece) == direct
    await eventually(lambda: not pool.in_flight)
    pool.instances[0].address = Address("127.0.0.1", gate.containers[0].port)
