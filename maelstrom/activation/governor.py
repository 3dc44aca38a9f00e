"""How many starts run at a time on this node, and who is next: thirty at once would each take twelve times as long.

People before queues before nobody; among equals first come, first served. What nobody waits for leaves the engine room
for somebody who may come. Owns no tasks; a start that is cancelled gives its turn back.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from maelstrom.activation.urgency import Urgency

TURN_SECONDS = 5.0  # what takes longer (a pull, a slow boot) holds nobody up: it is hardly the engine's work


class Governor:
    """Turns to start a container. The engine works mostly on its own: twice the cores keep it busy.

    Starts for queues or for nobody use a part of the turns only, and a single one while people's starts run.
    """

    def __init__(self, cores: int = 0) -> None:
        cores = cores or os.cpu_count() or 1
        self._turns = {
            Urgency.PEOPLE: max(4, 2 * cores),
            Urgency.QUEUES: max(2, cores),
            Urgency.NOBODY: max(1, cores // 2),
        }
        self._waiting: dict[_Start, None] = {}  # in the order of their arrival
        self._running: dict[_Start, None] = {}

    @asynccontextmanager
    async def turn(self, urgency: Callable[[], Urgency]) -> AsyncIterator[None]:
        """`urgency` is asked again while the start waits; tell `look` when it has risen."""
        start = _Start(urgency)
        self._waiting[start] = None
        self.look()
        try:
            await start.begun.wait()
            over = asyncio.get_running_loop().call_later(TURN_SECONDS, self._end, start)
            try:
                yield
            finally:
                over.cancel()
        finally:
            self._waiting.pop(start, None)
            self._end(start)

    def look(self) -> None:
        """Gives the turns that are free."""
        while self._waiting:
            start = min(self._waiting, key=lambda waiting: waiting.urgency())
            if not self._free(start.urgency()):
                return
            del self._waiting[start]
            self._running[start] = None
            start.begun.set()

    def _free(self, urgency: Urgency) -> bool:
        """Whether one more of these may run beside those that do, of which the less urgent ones leave it room."""
        running = [start.urgency() for start in self._running]
        if len(running) >= self._turns[Urgency.PEOPLE]:
            return False
        if urgency is Urgency.PEOPLE:
            return True
        turns = 1 if Urgency.PEOPLE in running else self._turns[urgency]
        return sum(1 for other in running if other is not Urgency.PEOPLE) < turns

    def _end(self, start: _Start) -> None:
        if start in self._running:
            del self._running[start]
            self.look()


class _Start:
    """One start that has a turn or waits for it."""

    def __init__(self, urgency: Callable[[], Urgency]) -> None:
        self.urgency = urgency
        self.begun = asyncio.Event()
