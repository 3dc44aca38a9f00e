"""The cluster's wall clock, as this process follows it: the ledger's, asked now and then, carried on by a steady one.

It says which planned times have come, and nothing else. A step of it is noticed when it is next asked.
"""

from __future__ import annotations

from maelstrom.model.clock import Clock
from maelstrom.sources.cron.ports import Ledger

ASK_SECONDS = 10.0
BACK_SECONDS = 1.0  # a clock that is set back by less only makes the next times come later


class ClusterClock:
    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._offset: float | None = None
        self._asked = 0.0
        self.stepped_back = False  # since whoever looks at it has set it to False

    async def now(self) -> float:
        """Seconds since 1970, asked for anew after a while. Raises what the ledger raises."""
        before = self._clock.monotonic()
        if self._offset is None or before - self._asked >= ASK_SECONDS:
            told = await self._ledger.clock()
            # Counted from after the answer: never earlier than it is.
            offset = told - self._clock.monotonic()
            if self._offset is not None and offset < self._offset - BACK_SECONDS:
                self.stepped_back = True
            self._offset, self._asked = offset, before
        return self._offset + self._clock.monotonic()

    def guess(self) -> float:
        """For people's eyes, without asking."""
        return self._clock.now() if self._offset is None else self._offset + self._clock.monotonic()
