"""This node's own copy of the registry: what the warm path reads, so that no request waits for a database.

A loop reads everything anew when the counter has risen. While the database is away the last good copy stays. It must
not know who uses it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable

from maelstrom.model.errors import MaelstromError
from maelstrom.model.stored import Snapshot
from maelstrom.registry.registry import Registry

log = logging.getLogger("maelstrom.registry")

WHOLE_SECONDS = 60.0  # at the latest everything is read again, even if the counter stands still
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0

Subscriber = Callable[[Snapshot], None]


class View:
    """`snapshot` is replaced as a whole, never changed; `last_pass` (monotonic) and `last_error` are for health."""

    def __init__(
        self,
        registry: Registry,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._registry = registry
        self._monotonic = monotonic
        self._random = random
        self._subscribers: list[Subscriber] = []
        self._pass = asyncio.Lock()
        self._whole_at: float | None = None
        self.snapshot = Snapshot()
        self.last_pass: float | None = None
        self.last_error: MaelstromError | None = None

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Called with each new snapshot, in order, in the loop's thread; must be quick. Returns what ends it."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    async def refresh(self) -> Snapshot:
        """One pass now, whatever the counter says. Raises what the registry raises."""
        return await self._read(whole=True)

    async def run(self) -> None:
        """Follows the registry until cancelled. Database errors are logged once per outage and waited out."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._registry.changes.run(), name="registry-notices")
            tasks.create_task(self._follow(), name="registry-view")

    async def _follow(self) -> None:
        failures = 0
        while True:
            try:
                await self._read(whole=False)
            except MaelstromError as error:
                failures += 1
                if failures == 1:
                    log.warning("the registry cannot be read, the last copy stays", extra=_reason(error))
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 10))
                await asyncio.sleep(pause * (0.5 + self._random()))
                continue
            if failures:
                log.info("the registry is read again", extra={"failures": failures})
                failures = 0
            await anext(self._registry.changes)

    async def _read(self, *, whole: bool) -> Snapshot:
        async with self._pass:
            try:
                if whole or self._whole_is_due() or await self._registry.revision() != self.snapshot.revision:
                    snapshot = await self._registry.snapshot()
                    self._whole_at = self._monotonic()
                    self._take(snapshot)
            except MaelstromError as error:
                self.last_error = error
                raise
            self.last_error = None
            self.last_pass = self._monotonic()
            return self.snapshot

    def _whole_is_due(self) -> bool:
        return self._whole_at is None or self._monotonic() - self._whole_at >= WHOLE_SECONDS

    def _take(self, snapshot: Snapshot) -> None:
        if snapshot == self.snapshot:
            return
        self.snapshot = snapshot
        for callback in tuple(self._subscribers):
            try:
                callback(snapshot)
            except Exception:
                log.exception("a subscriber failed to take over a change")


def _reason(error: MaelstromError) -> dict[str, str]:
    return {"code": error.code, "reason": error.message}
