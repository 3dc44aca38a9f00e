"""The engine's events, for as long as anybody listens: opened again after every failure, each time with a `resync`.

The stream is open before `resync` is yielded, so what happens while the listener lists comes after it: nothing falls
between the two. It must not know what is done about an event.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from maelstrom.model.errors import EngineUnavailable, MaelstromError
from maelstrom.model.image import normalise
from maelstrom.runtime.engine import Engine
from maelstrom.runtime.observed import CUT_OFF
from maelstrom.runtime.port import EngineEvent
from maelstrom.runtime.spec import LABEL_SANDBOX, Identity
from maelstrom.runtime.streams import ByteStream

log = logging.getLogger("maelstrom.runtime")

BACKOFF_FIRST = 0.1
BACKOFF_MOST = 5.0
# The engine begins to listen for us just after it has answered: the second before is asked for again. What is told
# twice does no harm, a death and a tag are the same the second time.
OVERLAP_SECONDS = 1.0


# Told of a sandbox that has ended, says which container has lost its network by that, if any.
SandboxDied = Callable[[str], str]


async def engine_events(
    engine: Engine, identity: Identity, sandbox_died: SandboxDied
) -> AsyncGenerator[EngineEvent, None]:
    """Endless. Begins with `resync`, or with `lost` where the engine cannot be reached."""
    failures = 0
    while True:
        try:
            stream = await _open(engine)
            failures = 0
            try:
                yield EngineEvent("resync")
                async with aclosing(_read(engine, stream, identity, sandbox_died)) as events:
                    async for event in events:
                        yield event
            finally:
                stream.close()
            reason = "the engine ended the stream of events"
        except MaelstromError as error:
            reason = error.message
        if failures == 0:
            log.warning("lost the Docker engine: %s", reason)
            yield EngineEvent("lost", reason=reason)
        await asyncio.sleep(min(BACKOFF_MOST, BACKOFF_FIRST * 2**failures) * random.uniform(0.5, 1.0))
        failures = min(failures + 1, 10)


async def _open(engine: Engine) -> ByteStream:
    now = await engine.call("look", lambda client: client.seconds_since_1970())
    return await engine.stream("docker-events", lambda client: client.open_events(now - OVERLAP_SECONDS), patient=False)


async def _read(
    engine: Engine, stream: ByteStream, identity: Identity, sandbox_died: SandboxDied
) -> AsyncGenerator[EngineEvent, None]:
    buffer = b""
    async for piece in stream:
        *lines, buffer = (buffer + piece).split(b"\n")
        for line in lines:
            if line.strip():
                for event in await _events(engine, _parsed(line), identity, sandbox_died):
                    yield event


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError as error:
        raise EngineUnavailable("the engine's stream of events cannot be read") from error
    return said if isinstance(said, dict) else {}


async def _events(
    engine: Engine, said: dict[str, Any], identity: Identity, sandbox_died: SandboxDied
) -> list[EngineEvent]:
    actor = said.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    match said.get("Type"), said.get("Action"):
        case "container", "die":
            if not identity.owns(attributes):
                return []
            if LABEL_SANDBOX in attributes:
                cut_off = sandbox_died(actor.get("ID", ""))
                return [EngineEvent("die", container=cut_off, reason=CUT_OFF)] if cut_off else []
            code = attributes.get("exitCode", "")
            return [EngineEvent("die", container=actor.get("ID", ""), reason=f"exited with code {code}")]
        case "container", "unpause":
            if not identity.owns(attributes) or LABEL_SANDBOX in attributes:
                return []
            return [EngineEvent("unpause", container=actor.get("ID", ""))]
        case "image", "tag":
            return [EngineEvent("tag", image=normalise(attributes.get("name", "")))]
        case "image", "load":
            # the engine names no tag here, but the archive may have moved some
            return [EngineEvent("tag", image=name) for name in await _names(engine, actor.get("ID", ""))]
    return []


async def _names(engine: Engine, image: str) -> list[str]:
    try:
        body = await engine.call("look", lambda client: client.image(image))
    except EngineUnavailable:
        raise
    except MaelstromError:
        return []  # it is gone again
    return [normalise(name) for name in body.get("RepoTags") or []]
