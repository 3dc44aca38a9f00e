"""A client of HTTP/2 for tests: the library's own state machine over a real socket, told what to send."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

SECONDS = 5.0  # for anything that must happen at once

Headers = list[tuple[bytes, bytes]]


@dataclass
class Answer:
    """What has come on one stream so far."""

    headers: Headers = field(default_factory=list)
    body: bytes = b""
    trailers: Headers = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    ended: bool = False
    reset: int | None = None  # the error code

    @property
    def status(self) -> int:
        return int(self["status"] if not self.headers else self[":status"])

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for given, value in self.headers if given.decode() == name]

    def __getitem__(self, name: str) -> str:
        [value] = self.all(name)
        return value

    @property
    def trailer(self) -> dict[str, str]:
        return {name.decode(): value.decode("latin-1") for name, value in self.trailers}


class Http2Caller:
    """One connection. With `credit` off it gives no windows back by itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        # What it sends is not checked: tests send what is wrong.
        self.http2 = H2Connection(
            H2Configuration(
                client_side=True,
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.credit = True
        self.answers: dict[int, Answer] = {}
        self.events: list[Event] = []
        self.goaway: ConnectionTerminated | None = None
        self.gone = False

    @classmethod
    async def open(cls, host: str, port: int, trust: ssl.SSLContext | None, name: str = "a.test") -> Http2Caller:
        reader, writer = await asyncio.open_connection(
            host, port, limit=1 << 22, ssl=trust, server_hostname=name if trust else None
        )
        caller = cls(reader, writer)
        caller.http2.initiate_connection()
        caller.flush()
        return caller

    def flush(self) -> None:
        self.writer.write(self.http2.data_to_send())

    def request(
        self,
        path: str = "/",
        *headers: tuple[str, str],
        method: str = "GET",
        body: bytes | None = None,
        end: bool | None = None,
        authority: str = "a.test",
    ) -> int:
        """Begins a request; returns its stream. `end`: with the head or with the body; by itself where it is None."""
        fields = [(":method", method), (":scheme", "https"), (":authority", authority), (":path", path), *headers]
        return self.send([(n.encode("latin-1"), v.encode("latin-1")) for n, v in fields], body=body, end=end)

    def send(
        self, headers: Iterable[tuple[bytes, bytes]], *, body: bytes | None = None, end: bool | None = None
    ) -> int:
        stream = self.http2.get_next_available_stream_id()
        whole = end is not False
        self.answers[stream] = Answer()
        self.http2.send_headers(stream, list(headers), end_stream=body is None and whole)
        if body is not None:
            self.http2.send_data(stream, body, end_stream=whole)
        self.flush()
        return stream

    def data(self, stream: int, data: bytes, *, end: bool = False) -> None:
        self.http2.send_data(stream, data, end_stream=end)
        self.flush()

    async def upload(self, stream: int, body: bytes) -> None:
        """All of it, as far as the windows allow."""
        left = memoryview(body)
        while left:
            room = min(self.http2.local_flow_control_window(stream), 16_384)
            if room <= 0:
                await self.read()
                continue
            self.http2.send_data(stream, left[:room])
            left = left[room:]
            self.flush()
            await self.writer.drain()
        self.http2.end_stream(stream)
        self.flush()

    def trailers(self, stream: int, *headers: tuple[str, str]) -> None:
        self.http2.send_headers(stream, [(n.encode(), v.encode()) for n, v in headers], end_stream=True)
        self.flush()

    def cancel(self, stream: int, code: int = 8) -> None:
        self.http2.reset_stream(stream, code)
        self.flush()

    async def answer(self, stream: int, *, within: float = SECONDS) -> Answer:
        """When it has ended, one way or the other."""
        await self.until(lambda: self.answers[stream].over or self.gone, within=within)
        return self.answers[stream]

    async def ask(self, path: str = "/", *headers: tuple[str, str], method: str = "GET", body: bytes | None = None,
                  authority: str = "a.test") -> Answer:  # fmt: skip
        return await self.answer(self.request(path, *headers, method=method, body=body, authority=authority))

    async def headed(self, stream: int) -> Answer:
        """When its head has come."""
        await self.until(lambda: bool(self.answers[stream].headers) or self.answers[stream].over or self.gone)
        return self.answers[stream]

    async def until(self, check: Callable[[], bool], *, within: float = SECONDS) -> None:
        async with asyncio.timeout(within):
            while not check():
                assert not self.gone, f"the connection has ended: {self.goaway}"
                await self.read()

    async def closed(self) -> ConnectionTerminated | None:
        """Waits for the connection's end; the last GOAWAY that came before it."""
        async with asyncio.timeout(SECONDS):
            while not self.gone:
                await self.read()
        return self.goaway

    async def drained(self) -> None:
        """Waits for the connection's end, whatever comes until then."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            async with asyncio.timeout(SECONDS):
                while await self.reader.read(65536):
                    pass

    async def read(self) -> None:
        data = b""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            data = await self.reader.read(65536)
        if not data:
            self.gone = True
            return
        for event in self.http2.receive_data(data):
            self._take(event)
        self.flush()

    def _take(self, event: Event) -> None:
        self.events.append(event)
        answer = self.answers.get(getattr(event, "stream_id", 0) or 0, Answer())
        if isinstance(event, ResponseReceived):
            answer.headers = list(event.headers)
        elif isinstance(event, InformationalResponseReceived):
            answer.interim.append(int(dict(event.headers)[b":status"]))
        elif isinstance(event, DataReceived):
            answer.body += event.data
            if self.credit and event.flow_controlled_length:
                self.http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, TrailersReceived):
            answer.trailers = list(event.headers)
        elif isinstance(event, StreamEnded):
            answer.ended = True
        elif isinstance(event, StreamReset):
            answer.reset = int(event.error_code)
        elif isinstance(event, ConnectionTerminated):
            self.goaway = event
            # The library takes this for the connection's end; what runs goes on (RFC 9113, 6.8).
            self.http2.state_machine.state = type(self.http2.state_machine.state).CLIENT_OPEN

    def close(self) -> None:
        self.writer.transport.abort()
