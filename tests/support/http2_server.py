"""A component that speaks HTTP/2: what a test lets it do with each stream, over the library's own state machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RequestReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)

SECONDS = 5.0

Headers = list[tuple[bytes, bytes]]


@dataclass
class Call:
    """One request, and the means to answer it."""

    server: Http2Server
    id: int
    headers: Headers
    body: bytes = b""
    trailers: Headers = field(default_factory=list)
    ended: bool = False
    reset: int | None = None

    def __getitem__(self, name: str) -> str:
        [value] = [value.decode("latin-1") for given, value in self.headers if given.decode() == name]
        return value

    def has(self, name: str) -> bool:
        return any(given.decode() == name for given, _ in self.headers)

    async def until(self, check: Callable[[Call], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not check(self):
                await self.server.changed()

    async def whole(self) -> bytes:
        """All of its body."""
        await self.until(lambda call: call.ended or call.reset is not None)
        return self.body

    def head(self, status: int = 200, *headers: tuple[str, str], end: bool = False) -> None:
        fields = [(b":status", b"%d" % status), *((n.encode(), v.encode()) for n, v in headers)]
        self.server.http2.send_headers(self.id, fields, end_stream=end)
        self.server.flush()

    def data(self, data: bytes, *, end: bool = False) -> None:
        self.server.http2.send_data(self.id, data, end_stream=end)
        self.server.flush()

    async def pour(self, data: bytes) -> None:
        """All of it, as far as the windows allow."""
        while data:
            room = min(self.server.http2.local_flow_control_window(self.id), 16_384)
            if room <= 0:
                await self.server.changed()
                continue
            self.server.http2.send_data(self.id, data[:room])
            data = data[room:]
            self.server.flush()
            await self.server.writer.drain()

    def end(self, *trailers: tuple[str, str]) -> None:
        if trailers:
            self.server.http2.send_headers(self.id, [(n.encode(), v.encode()) for n, v in trailers], end_stream=True)
        else:
            self.server.http2.end_stream(self.id)
        self.server.flush()

    def give_up(self, code: int) -> None:
        self.server.http2.reset_stream(self.id, code)
        self.server.flush()

    def reply(self, body: bytes = b"hello", status: int = 200) -> None:
        self.head(status, ("content-length", str(len(body))), end=not body)
        if body:
            self.data(body, end=True)


Handler = Callable[[Call], Awaitable[None]]


async def echo(call: Call) -> None:
    call.reply(await call.whole() or b"hello")


class Http2Server:
    """One connection of it. `credit`: it takes what it is sent."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler, settings: dict[int, int]
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.http2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.calls: dict[int, Call] = {}
        self.credit = True
        self.goaway: ConnectionTerminated | None = None
        self._handler = handler
        self._settings = settings
        self._news = asyncio.Event()

    async def serve(self) -> None:
        """Until the connection ends."""
        self.http2.local_settings.update(self._settings)  # type: ignore[arg-type]
        self.http2.initiate_connection()
        if self._settings:
            self.http2.update_settings(self._settings)  # type: ignore[arg-type]
        self.flush()
        async with asyncio.TaskGroup() as group:
            try:
                while data := await self.reader.read(65536):
                    for event in self.http2.receive_data(data):
                        if isinstance(event, RequestReceived):
                            call = self.calls[event.stream_id] = Call(self, event.stream_id, list(event.headers))
                            group.create_task(self._run(call))
                        else:
                            self._take(event)
                    self.flush()
                    self._tell()
            finally:
                for call in self.calls.values():
                    if not call.ended and call.reset is None:
                        call.reset = -1
                self._tell()

    async def changed(self) -> None:
        await self._news.wait()

    def flush(self) -> None:
        self.writer.write(self.http2.data_to_send())

    async def _run(self, call: Call) -> None:
        await self._handler(call)

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _take(self, event: object) -> None:
        call = self.calls.get(getattr(event, "stream_id", 0) or 0)
        if isinstance(event, ConnectionTerminated):
            self.goaway = event
        elif call is None or isinstance(event, WindowUpdated):
            return
        elif isinstance(event, DataReceived):
            call.body += event.data
            if self.credit and event.flow_controlled_length:
                self.http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, TrailersReceived):
            call.trailers = list(event.headers)
        elif isinstance(event, StreamEnded):
            call.ended = True
        elif isinstance(event, StreamReset):
            call.reset = int(event.error_code)
