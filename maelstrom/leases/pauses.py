"""How the keeper's loops wait: for an event, at most so long, and spread so that nodes do not beat as one."""

from __future__ import annotations

import asyncio
import contextlib
import random


async def until(event: asyncio.Event, seconds: float) -> None:
    """Until the event is set, at most so long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def spread() -> float:
    """A factor around 1."""
    return 0.8 + 0.4 * random.random()
