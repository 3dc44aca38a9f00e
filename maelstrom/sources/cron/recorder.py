"""Writes how runs ended, many at a time: a thousand that end at once must not be a thousand transactions."""

from __future__ import annotations

import asyncio
import logging

from maelstrom.model.cron import Ended
from maelstrom.model.errors import MaelstromError
from maelstrom.plan.backoff import Backoff
from maelstrom.sources.cron.ports import Ledger
from maelstrom.sources.delivery import Means
from maelstrom.sources.ports import Random

log = logging.getLogger("maelstrom.sources")

AT_ONCE = 200
AGAIN = Backoff(first=0.5, cap=20.0)


class Recorder:
    """What comes while one write is under way goes into the next."""

    def __init__(self, ledger: Ledger, means: Means, random: Random) -> None:
        self._ledger = ledger
        self._means = means
        self._random = random
        self._waiting: list[tuple[Ended, asyncio.Future[None]]] = []
        self._writing = False

    async def record(self, ended: Ended) -> None:
        """Until the ledger has it; only cancellation ends it before."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((ended, written))
        if not self._writing:
            self._writing = True
            self._means.spawn(self._write(), "record cron runs")
        await written

    async def _write(self) -> None:
        failures = 0
        try:
            while self._waiting:
                few = self._waiting[:AT_ONCE]
                try:
                    await self._ledger.close([ended for ended, _ in few])
                except MaelstromError as error:
                    failures += 1
                    if failures == 1:
                        log.warning("outcomes of cron runs cannot be recorded yet", extra={"reason": error.message})
                    await self._means.clock.sleep(AGAIN.delay(failures, self._random()))
                    continue
                failures = 0
                del self._waiting[: len(few)]
                for _, written in few:
                    if not written.done():
                        written.set_result(None)
        finally:
            self._writing = False
