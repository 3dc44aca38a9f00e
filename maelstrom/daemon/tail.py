"""Log lines of many containers as one stream: those that run, and with `follow` those that are started later.

A slow reader holds up the containers' readers, never memory. Closing the stream ends all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing

from maelstrom.activation.service import Activation
from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import MaelstromError
from maelstrom.runtime.port import LogLine, Runtime

QUEUE_LINES = 1000
LOOK_SECONDS = 0.25  # how soon a container started later is followed


async def tail(
    activation: Activation, runtime: Runtime, components: Sequence[ComponentKey], *, since: float, follow: bool
) -> AsyncIterator[LogLine]:
    """Without `follow` it ends when what is there has been read. Raises what the runtime raises."""
    lines: asyncio.Queue[LogLine | None] = asyncio.Queue(QUEUE_LINES)
    async with asyncio.TaskGroup() as group:
        feeder = group.create_task(_feed(_containers(activation, components), runtime, lines, since, follow))
        try:
            while (line := await lines.get()) is not None:
                yield line
        finally:
            feeder.cancel()


def _containers(activation: Activation, components: Sequence[ComponentKey]) -> Callable[[], dict[str, ComponentKey]]:
    wanted = set(components)

    def now() -> dict[str, ComponentKey]:
        return {
            instance.container: key
            for key, deployment in activation.deployments.items()
            if key in wanted
            for instance in deployment.pool.instances
            if instance.container
        }

    return now


async def _feed(
    containers: Callable[[], dict[str, ComponentKey]],
    runtime: Runtime,
    lines: asyncio.Queue[LogLine | None],
    since: float,
    follow: bool,
) -> None:
    seen: set[str] = set()
    async with asyncio.TaskGroup() as group:
        while True:
            for container, key in containers().items():
                if container not in seen:
                    seen.add(container)
                    group.create_task(_read(runtime, container, key, lines, since, follow))
            if not follow:
                break
            await asyncio.sleep(LOOK_SECONDS)
    await lines.put(None)


async def _read(
    runtime: Runtime,
    container: str,
    key: ComponentKey,
    lines: asyncio.Queue[LogLine | None],
    since: float,
    follow: bool,
) -> None:
    try:
        async with aclosing(runtime.logs(container, key, since=since, follow=follow)) as source:  # type: ignore[type-var]
            async for line in source:
                await lines.put(line)
    except MaelstromError as error:
        # one container that is gone must not end the stream of the others
        await lines.put(LogLine(container, key, "stderr", "", f"(log unavailable: {error.message})"))
