"""One raw exchange over a socket: what a test sends is exactly what goes out."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RawAnswer:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


async def send(port: int, data: bytes, *, within: float = 10, half_close: bool = False) -> RawAnswer:
    """The first final answer to `data`; the connection is closed then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(within):
            writer.write(data)
            if half_close:
                writer.write_eof()
            return await read_answer(reader, head=data.startswith(b"HEAD "))
    finally:
        writer.close()


async def read_answer(reader: asyncio.StreamReader, *, head: bool = False) -> RawAnswer:
    while True:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        if status != 100:
            break
    headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines[1:] if text)}
    if "content-length" in headers and not head:
        return RawAnswer(status, headers, await reader.readexactly(int(headers["content-length"])))
    return RawAnswer(status, headers, b"")


def request(
    method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"", *, host: str = "127.0.0.1"
) -> bytes:
    """A well-formed request; `headers` may replace Host and Content-Length."""
    fields = {"Host": host, **({"Content-Length": str(len(body))} if body else {}), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body
