"""The sockets of a worker: the doors that it accepts on, and its line to the main process.

All messages of one turn of the loop go out in one write. It must not know what the messages mean.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from maelstrom.workers.messages import Decoder, Message, encode

log = logging.getLogger("maelstrom.workers")

UNREAD_MAX: Final = 64 << 20  # bytes that the other end has not read: it will not read them any more


@dataclass(frozen=True, slots=True)
class Door:
    """A socket of the public gateway that listens."""

    socket: socket.socket
    tls: bool = False


class Line(asyncio.Protocol):
    """Made by `connect`. `lost` is set when the other end is gone and all that it had written has been handed on."""

    def __init__(self, heard: Callable[[Message], None], lost: Callable[[], None]) -> None:
        self._heard = heard
        self._lost = lost
        self._decoder = Decoder()
        self._out: list[Message] = []
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self.lost = asyncio.Event()

    @classmethod
    async def connect(cls, end: socket.socket, heard: Callable[[Message], None], lost: Callable[[], None]) -> Line:
        """Takes over the socket."""
        end.setblocking(False)
        line = cls(heard, lost)
        await asyncio.get_running_loop().create_unix_connection(lambda: line, sock=end)
        return line

    def send(self, message: Message) -> None:
        if not self._out:
            self._loop.call_soon(self.flush)
        self._out.append(message)

    def flush(self) -> None:
        out, self._out = self._out, []
        transport = self._transport
        if not out or transport is None or transport.is_closing():
            return
        transport.write(encode(out))
        if transport.get_write_buffer_size() > UNREAD_MAX:
            log.error("a process of the gateway reads nothing any more: its line is cut")
            transport.abort()

    def close(self) -> None:
        """When all is written."""
        self.flush()
        if self._transport is not None:
            self._transport.close()

    # what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        for message in self._decoder.feed(data):
            self._heard(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()
        self._lost()
