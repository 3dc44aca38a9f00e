"""Logs of containers from the engine, as lines. It must not know who reads them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime

from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import EngineUnavailable, MaelstromError, RuntimeFailed
from maelstrom.runtime.engine import Engine
from maelstrom.runtime.frames import Line, LogParser
from maelstrom.runtime.port import LogLine
from maelstrom.runtime.streams import ByteStream

TAIL_LINE_LIMIT = 2000  # characters; more of a line says nothing more in a black box


async def follow_logs(
    engine: Engine, container: str, component: ComponentKey, *, since: float, follow: bool
) -> AsyncGenerator[LogLine, None]:
    """Ends with the container, with what there is without `follow`, or when the caller closes it.

    An engine may end a stream that it follows before a slow reader has got all of it (seen with 20.10 under load): the
    rest is then read as of a container that has ended.
    """
    second, given = "", 0  # the newest in which a line was written, and how many of its lines were given
    async with aclosing(_lines(engine, container, since=since, follow=follow, tail="all")) as lines:
        async for line in lines:
            written = line.at[: len("2026-01-02T03:04:05")]
            if written >= second:  # lines of two streams may stand the other way round
                second, given = written, given + 1 if written == second else 1
            yield LogLine(container, component, line.stream, line.at, line.text)
    if not follow:
        return
    if second:
        since = max(since, datetime.fromisoformat(f"{second}+00:00").timestamp())
    async with aclosing(_lines(engine, container, since=since, follow=False, tail="all")) as lines:
        async for line in lines:
            if given:
                given -= 1
                continue
            yield LogLine(container, component, line.stream, line.at, line.text)


async def tail_logs(engine: Engine, container: str, lines: int) -> tuple[str, ...]:
    found = [line async for line in _lines(engine, container, since=0, follow=False, tail=str(lines))]
    return tuple(line.text[:TAIL_LINE_LIMIT] for line in found[-lines:])


async def _lines(
    engine: Engine, container: str, *, since: float, follow: bool, tail: str
) -> AsyncGenerator[Line, None]:
    stream = await _open(engine, container, since=since, follow=follow, tail=tail)
    if stream is None:
        return
    terminal, source = stream
    parser = LogParser(terminal=terminal)
    try:
        async for piece in source:
            for line in parser.feed(piece):
                yield line
        for line in parser.finish():
            yield line
    finally:
        source.close()


async def _open(
    engine: Engine, container: str, *, since: float, follow: bool, tail: str
) -> tuple[bool, ByteStream] | None:
    """None where there is nothing to read: the container is gone, or its log driver keeps nothing."""
    try:
        body = await engine.call("look", lambda client: client.container(container))
        source = await engine.stream(
            "docker-logs",
            lambda client: client.open_logs(container, since=since, follow=follow, tail=tail),
            patient=True,
        )
    except EngineUnavailable:
        raise
    except RuntimeFailed as error:
        if error.fields.get("status") == 404 or _unreadable(error) or "marked for removal" in error.message:
            return None
        raise
    return bool((body.get("Config") or {}).get("Tty")), source


def _unreadable(error: MaelstromError) -> bool:
    return "does not support reading" in error.message
