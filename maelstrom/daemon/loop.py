"""The event loop of all processes: uvloop where it is installed."""

from __future__ import annotations

import asyncio


def loop_runner() -> asyncio.Runner:
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
