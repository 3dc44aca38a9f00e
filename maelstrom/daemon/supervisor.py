"""The one owner of tasks: loops that must always run, and the named tasks that they start.

A loop that dies is started again with back-off and is visible in `/healthz` and the metrics; a task that dies is
logged. At the end all are cancelled and awaited. It must not know what the tasks do.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from maelstrom.model.errors import MaelstromError
from maelstrom.plan.backoff import Backoff

log = logging.getLogger("maelstrom.daemon")

RESTART = Backoff(first=0.5, cap=30.0)
STEADY_SECONDS = 60.0  # a loop that ran so long begins its back-off anew


@dataclass(slots=True)
class LoopState:
    """One loop as health and metrics show it."""

    name: str
    running: bool = True
    restarts: int = 0
    last_error: str = ""


class Supervisor:
    """Starts, watches and ends tasks."""

    def __init__(self) -> None:
        self.loops: dict[str, LoopState] = {}
        self.ending = False  # loops may end by themselves from now on
        self._loop_tasks: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def keep(self, name: str, run: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Keeps an endless loop running until the end."""
        state = self.loops[name] = LoopState(name)
        task = asyncio.create_task(self._keep(state, run), name=name)
        self._loop_tasks[name] = task
        return task

    async def _keep(self, state: LoopState, run: Callable[[], Awaitable[None]]) -> None:
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            begun = clock()
            try:
                await run()
                if self.ending:
                    return
                log.error("%s: ended by itself, which it must not", state.name)
                state.last_error = "ended by itself"
            except Exception as error:
                log.exception("%s: died", state.name)
                state.last_error = f"{type(error).__name__}: {error}"
            failures = 0 if clock() - begun > STEADY_SECONDS else failures + 1
            state.running = False
            state.restarts += 1
            await asyncio.sleep(RESTART.delay(failures, random.random()))
            state.running = True

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Runs something once. Who needs its result awaits the task; an error that nobody expected is logged."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, MaelstromError):
            log.error("%s: internal error", task.get_name(), exc_info=error)

    async def settle(self, seconds: float) -> list[str]:
        """Waits for the tasks that run now to end by themselves; the names of those that did not."""
        tasks = set(self._tasks)
        if tasks and seconds > 0:
            _, tasks = await asyncio.wait(tasks, timeout=seconds)
        return sorted(task.get_name() for task in tasks)

    async def end_loops(self, *names: str) -> None:
        """These, or all of them."""
        await _cancel([task for name, task in self._loop_tasks.items() if not names or name in names])

    async def end(self) -> None:
        """Cancels whatever is left and waits for it."""
        await self.end_loops()
        while self._tasks:
            await _cancel(list(self._tasks))


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
