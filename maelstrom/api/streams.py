"""Sends rows as they come (NDJSON), so that nothing stays behind when the client leaves, stalls, or the server stops.

A stream that ends early ends with one line `{"error": {code, message, hint}}`; it must not look complete.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, suppress
from typing import Any

from aiohttp import web

from maelstrom.api.http import Connection, protect
from maelstrom.api.replies import Lines
from maelstrom.api.wire import LINES, to_json
from maelstrom.model.errors import Draining, MaelstromError

KEEPALIVE_SECONDS = 10.0  # between two lines: proxies keep the connection, and a client that is gone is noticed
STALLED_SECONDS = 60.0  # for a client to take what was sent
_ROWS_AHEAD = 1000
_WRITE_BYTES = 65536

log = logging.getLogger("maelstrom.api")


class _OverError(Exception):
    """The client is gone, or the server stops."""


async def send_lines(request: web.BaseRequest, connection: Connection, lines: Lines) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": LINES, **lines.headers})
    protect(response)
    try:
        await response.prepare(request)
    except ConnectionError:
        return response  # the client is gone already
    rows: asyncio.Queue[bytes | None] = asyncio.Queue(_ROWS_AHEAD)
    try:
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(_until(connection.ended), name="admin: end of a stream")
            group.create_task(_fill(rows, lines.rows), name="admin: rows of a stream")
            while (block := await _next(rows)) is not None:
                async with asyncio.timeout(STALLED_SECONDS):
                    await response.write(block)
            watch.cancel()
    except* (_OverError, ConnectionError, TimeoutError):
        if request.transport is None or request.transport.is_closing() or not connection.ended.is_set():
            response.force_close()
        else:
            with suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(1):
                    await response.write(_error_line(Draining("this node is stopping")))
    return response


async def _until(ended: asyncio.Event) -> None:
    await ended.wait()
    raise _OverError


async def _fill(rows: asyncio.Queue[bytes | None], source: AsyncIterator[Mapping[str, Any]]) -> None:
    try:
        async with aclosing(source):  # type: ignore[type-var]
            async for row in source:
                await rows.put(to_json(row) + b"\n")
    except MaelstromError as error:
        await rows.put(_error_line(error))
    except Exception:
        log.exception("a stream of the admin API broke")
        await rows.put(_error_line(MaelstromError("the stream broke")))
    await rows.put(None)


async def _next(rows: asyncio.Queue[bytes | None]) -> bytes | None:
    """All rows that are there, at least one; a blank line after a silence; None at the end."""
    try:
        async with asyncio.timeout(KEEPALIVE_SECONDS):
            row = await rows.get()
    except TimeoutError:
        return b"\n"
    if row is None:
        return None
    block = bytearray(row)
    while len(block) < _WRITE_BYTES and not rows.empty():
        row = rows.get_nowait()
        if row is None:
            rows.put_nowait(None)
            break
        block += row
    return bytes(block)


def _error_line(error: MaelstromError) -> bytes:
    return to_json({"error": error.as_json()}) + b"\n"
