"""One request to a container that speaks HTTP/2, on a connection of its own, which ends with it.

For health checks and for work that sources deliver; what clients ask goes through the gateway, which shares
connections. Time is limited by the caller. It must not know what the answer is for.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes

from maelstrom.model.instance import Address

Fields = Sequence[tuple[str, str]]

STREAM = 1  # the only one
# What speaks of a connection of HTTP/1.1, and must not be sent here.
_OF_CONNECTION = ("connection", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade")


class NotConnected(ConnectionError):
    """Nobody listens: nothing was sent."""


class Broken(ConnectionError):
    """The connection or the stream ended before the answer did, or what came was no HTTP/2."""


@dataclass(slots=True)
class Http2Answer:
    """`body`: its first bytes, as many as were to be kept; `size`: bytes of all of it."""

    headers: dict[str, str] = field(default_factory=dict)  # of several with one name the first
    body: bytes = b""
    size: int = 0
    trailers: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        text = self.headers.get(":status", "")
        return int(text) if text.isdigit() else 0


async def ask(
    address: Address, method: str, target: str, headers: Fields, body: bytes = b"", *, authority: str, keep: int
) -> Http2Answer:
    """Raises NotConnected or Broken. Of the answer's body `keep` bytes are kept, and all are read."""
    try:
        reader, writer = await asyncio.open_connection(address.host, address.port)
    except OSError as error:
        raise NotConnected(os.strerror(error.errno) if error.errno else str(error)) from error
    pseudo = [(":method", method), (":scheme", "http"), (":authority", authority), (":path", target)]
    fields = [(name.lower(), value) for name, value in headers if name.lower() not in _OF_CONNECTION]
    if body and not any(name == "content-length" for name, _ in fields):
        fields.append(("content-length", str(len(body))))
    call = _Call([*pseudo, *fields], body, keep)
    try:
        writer.write(call.begin())
        while not call.ended:
            data = await reader.read(65_536)
            if not data:
                raise Broken("it closed the connection before its answer was complete")
            writer.write(call.feed(data))
            await writer.drain()
    except H2Error as error:
        raise Broken(f"no HTTP/2: {error}") from error
    except OSError as error:
        raise error if isinstance(error, Broken) else Broken(str(error)) from error
    finally:
        writer.close()
    return call.answer


class _Call:
    """The exchange without the connection: bytes in, bytes out."""

    def __init__(self, fields: Fields, body: bytes, keep: int) -> None:
        self.answer = Http2Answer()
        self.ended = False
        self._fields = fields
        self._left = body
        self._keep = keep
        self._http2 = H2Connection(H2Configuration(client_side=True, header_encoding="latin-1"))

    def begin(self) -> bytes:
        self._http2.local_settings[SettingCodes.ENABLE_PUSH] = 0
        self._http2.local_settings.acknowledge()
        self._http2.initiate_connection()
        self._http2.send_headers(STREAM, [*self._fields], end_stream=not self._left)
        self._send()
        return self._http2.data_to_send()

    def feed(self, data: bytes) -> bytes:
        if data.startswith(b"HTTP/"):
            raise Broken("no HTTP/2: it speaks HTTP/1.1")
        for event in self._http2.receive_data(data):
            self._take(event)
        if not self.ended:
            self._send()
        return self._http2.data_to_send()

    def _send(self) -> None:
        """As much of the body as the windows allow."""
        while self._left:
            room = min(self._http2.local_flow_control_window(STREAM), self._http2.max_outbound_frame_size)
            if room <= 0:
                return
            piece, self._left = self._left[:room], self._left[room:]
            self._http2.send_data(STREAM, piece, end_stream=not self._left)

    def _take(self, event: Event) -> None:
        if isinstance(event, ResponseReceived):
            self.answer.headers = _first_of_each(event.headers)
        elif isinstance(event, DataReceived):
            self.answer.body += event.data[: max(0, self._keep - len(self.answer.body))]
            self.answer.size += len(event.data)
            self._http2.acknowledge_received_data(event.flow_controlled_length, STREAM)
        elif isinstance(event, TrailersReceived):
            self.answer.trailers = _first_of_each(event.headers)
        elif isinstance(event, StreamEnded):
            self.ended = True
            self._left = b""  # it wants no more
        elif isinstance(event, StreamReset) and not self.ended:
            raise Broken(f"it reset the stream (error {int(event.error_code)})")
        elif isinstance(event, ConnectionTerminated):
            if event.error_code or (event.last_stream_id or 0) < STREAM:
                raise Broken(f"it ended the connection (error {int(event.error_code or 0)})")
            # The library takes a farewell for the end, but what was begun goes on (RFC 9113, 6.8).
            self._http2.state_machine.state = ConnectionState.CLIENT_OPEN


def _first_of_each(fields: Iterable[Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in fields:
        found.setdefault(str(name), str(value))
    return found
