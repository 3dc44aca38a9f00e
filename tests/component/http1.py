"""HTTP/1.1 by hand, so that a test can make a component answer well, badly, slowly or not at all.

Standard library only: it runs inside the test image. It is for tests alone and trusts its client.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

HEAD_LIMIT = 1 << 20
Headers = Iterable[tuple[str, str]]


@dataclass
class Request:
    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    trailers: list[tuple[str, str]] = field(default_factory=list)
    answered: bool = False
    keep: bool = True

    def __post_init__(self) -> None:
        parts = urlsplit(self.target)
        self.path = parts.path
        self.query = dict(parse_qsl(parts.query))
        self.query_list = parse_qsl(parts.query)
        self.keep = self.version == "HTTP/1.1" and self.header("connection").lower() != "close"

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    def number(self, name: str, default: float) -> float:
        return float(self.query.get(name, default))

    async def body(self) -> AsyncIterator[bytes]:
        """The body's pieces as they arrive, whatever its framing; says 100 first where the client waits for it."""
        if self.header("expect").lower() == "100-continue":
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.header("transfer-encoding"):
            while size := int((await self.reader.readline()).split(b";")[0], 16):
                yield await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            while (line := (await self.reader.readline()).strip()) != b"":
                name, _, value = line.decode("latin-1").partition(":")
                self.trailers.append((name, value.strip()))
            return
        left = int(self.header("content-length") or 0)
        while left:
            piece = await self.reader.read(min(left, 65536))
            if not piece:
                raise ConnectionError("the client left in the middle of its body")
            left -= len(piece)
            yield piece

    async def text(self) -> str:
        return b"".join([piece async for piece in self.body()]).decode("latin-1")

    def answer(self, status: int, body: bytes | str | object = b"", headers: Headers = (), kind: str = "") -> None:
        """One whole answer; anything but text or bytes is sent as JSON."""
        if isinstance(body, str):
            body, kind = body.encode(), kind or "text/plain"
        elif not isinstance(body, bytes):
            body, kind = json.dumps(body).encode(), kind or "application/json"
        no_body = status in (204, 304) or status < 200
        fields = [("Content-Type", kind)] if kind and body else []
        fields += [] if no_body else [("Content-Length", str(len(body)))]
        self.head(status, [*fields, *headers])
        if not no_body and self.method != "HEAD":
            self.writer.write(body)

    def head(self, status: int, headers: Headers) -> None:
        self.answered = True
        lines = [f"HTTP/1.1 {status} {'OK' if status == 200 else 'Status'}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if not self.keep:
            lines.append("Connection: close")
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    async def chunk(self, data: bytes) -> None:
        self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self.writer.drain()


async def read_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """None when the client has closed between two requests."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    line, *fields = head.decode("latin-1").split("\r\n")[:-2]
    method, target, version = line.split(" ", 2)
    headers = [(name, value.strip()) for name, _, value in (field.partition(":") for field in fields)]
    return Request(method, target, version, headers, reader, writer)
