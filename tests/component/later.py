"""Work that is answered later: 202 at once, then calls of the node's own paths. Standard library only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

PAUSE = 0.2  # s between two tries of a node that is away
TRIES = 200


async def answer(environ: Mapping[str, str], token: str, verb: str, body: bytes, seconds: float) -> int:
    """Waits, then tells the node until it has taken it; the status."""
    await asyncio.sleep(seconds)
    url = urlsplit(environ["MAELSTROM_PRIVATE_URL"])
    path = f"/_maelstrom/tasks/{quote(token, safe='')}/{verb}"
    for _ in range(TRIES):
        try:
            status = await post(url.hostname or "", url.port or 80, path, body)
        except OSError:
            status = 503
        if status != 503:
            return status
        await asyncio.sleep(PAUSE)
    return 503


async def post(host: str, port: int, path: str, body: bytes) -> int:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        line = await reader.readline()
        if not line:
            raise ConnectionError("no answer")
        await reader.read()
        return int(line.split(b" ")[1])
    finally:
        writer.close()
