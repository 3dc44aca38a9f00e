"""The keeper's two passes, over and over: one writes, one looks. When each is due, and what a failure delays.

They must not know what is written or seen; `tell` is called whenever that may have changed something.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from maelstrom.leases.observer import Observer
from maelstrom.leases.pauses import spread, until
from maelstrom.leases.writer import Writer
from maelstrom.model.errors import MaelstromError

log = logging.getLogger("maelstrom.leases")

FIRST_PAUSE = 0.1  # s; after each failure in a row twice as long, at most a beat
SHORTEST_PAUSE = 0.02  # s between two looks at anything that nobody has given notice of
BLIND_LOOKS = 3


class Loops:
    """`prepare`: what a look needs to be there. `trusted`: whether the own session is."""

    def __init__(
        self,
        writer: Writer,
        observer: Observer,
        *,
        prepare: Callable[[], Awaitable[None]],
        tell: Callable[[], None],
        trusted: Callable[[], bool],
        beat_seconds: float,
    ) -> None:
        self.work = asyncio.Event()  # there may be something to write
        self.news = asyncio.Event()  # there may be something to see
        self.halt = asyncio.Event()
        self._writer = writer
        self._observer = observer
        self._prepare = prepare
        self._tell = tell
        self._trusted = trusted
        self._beat_seconds = beat_seconds

    async def write(self) -> None:
        """Until the halt."""
        failures = 0
        while not self.halt.is_set():
            self.work.clear()
            try:
                busy = await self._writer.step()
            except MaelstromError as error:
                failures += 1
                if failures == 1:
                    log.warning(
                        "the database does not confirm leases", extra={"reason": str(error), "hint": error.hint}
                    )
                await until(self.halt, spread() * min(self._beat_seconds, FIRST_PAUSE * 2 ** min(failures - 1, 10)))
                continue
            if failures:
                failures = 0
                log.info("the database confirms leases again")
            if self._writer.spoke:  # others look at that, too
                self._writer.spoke = False
                self.news.set()
            if busy:
                self._tell()
            else:
                await until(self.work, max(SHORTEST_PAUSE, self._writer.due_in()))

    async def observe(self) -> None:
        """Until the halt."""
        failures = 0
        while not self.halt.is_set():
            self.news.clear()
            again = False
            try:
                await self._prepare()
                again = await self._observer.look()
                failures = 0
            except MaelstromError as error:
                failures += 1
                if failures == BLIND_LOOKS and self._trusted():  # else it is an outage, which the other pass reports
                    log.warning("what other nodes do cannot be read", extra={"reason": str(error), "hint": error.hint})
            self._tell()
            self.work.set()
            if not again:
                soon = max(SHORTEST_PAUSE, self._observer.soonest)
                await until(self.news, min(soon, self._beat_seconds * spread()))
