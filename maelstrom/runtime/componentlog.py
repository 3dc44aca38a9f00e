"""Copies a container's log lines into the daemon's own output: what `logdriver: maelstrom` asks for.

It must not know where the output goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import EngineUnavailable
from maelstrom.runtime.port import Runtime
from maelstrom.runtime.spec import COPIED_LOGS

RETRY_SECONDS = 1.0


def wants_copy(logdriver: str) -> bool:
    return logdriver == COPIED_LOGS


async def copy_log(
    runtime: Runtime, container: str, component: ComponentKey, write: Callable[[str], None], *, since: float = 0
) -> None:
    """Hands each line to `write` as `componentlog <name> - <text>`, until the container is gone.

    `since`: seconds since 1970; an adopted container's earlier lines were copied before. A lost engine is waited for:
    no line is left out and none comes twice.
    """
    copied = last = ""  # the engine's time stamps: all up to `copied` came before the engine was lost
    while True:
        try:
            async for line in runtime.logs(container, component, since=since, follow=True):
                if line.at > copied:
                    write(f"componentlog {component.full_name} - {line.text}")
                    last = line.at
            return
        except EngineUnavailable:
            await asyncio.sleep(RETRY_SECONDS)
            if last:
                copied, since = last, datetime.fromisoformat(last).timestamp()
