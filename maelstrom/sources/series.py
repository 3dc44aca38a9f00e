"""Items of one fetch that are worked one after the other, under one seat; most often it is a single one.

    arrive (all are kept) ─ first: work, settle ─ second: work, settle ─ …
                                  └─ fails: those behind it are refused, the last one first, and then it is settled

So whoever gets them next gets them in their order. It must not know what the items are, nor when fetches are opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from maelstrom.sources.delivery import Delivery
from maelstrom.sources.kind import Outcome, Pause, Refused, Settled
from maelstrom.sources.seats import Seat

Item = TypeVar("Item")

OUT_OF_TURN = Refused("Maelstrom.OutOfTurn", "the item before it was not done")


class Series(Generic[Item]):
    """`run` does it all and raises nothing but cancellation, which leaves the items to the service."""

    def __init__(self, deliveries: Sequence[Delivery[Item]]) -> None:
        self._deliveries = list(deliveries)
        self._seat: Seat | None = None
        self._stopped = False

    async def run(
        self,
        seat: Callable[[], Awaitable[Seat]],
        rested: Callable[[], Awaitable[None]],
        release: Callable[[Seat], None],
        pause: Pause,
        heard: Callable[[Outcome | None], None],
    ) -> None:
        """`seat` waits for the one that they are worked under; at the end it is released. `rested` waits before each
        until it may be worked, or raises NotNow. `heard` gets each outcome.
        """

        async def taken() -> Seat:
            if self._seat is None:
                self._seat = await seat()
            await rested()
            return self._seat

        try:
            for delivery in self._deliveries:
                delivery.begin()
            for number, delivery in enumerate(self._deliveries):
                if not await self._one(delivery, self._deliveries[number + 1 :], taken, pause, heard):
                    break
        finally:
            for delivery in self._deliveries:
                delivery.end()
            if self._seat is not None:
                release(self._seat)

    async def _one(
        self,
        delivery: Delivery[Item],
        behind: Sequence[Delivery[Item]],
        seat: Callable[[], Awaitable[Seat]],
        pause: Pause,
        heard: Callable[[Outcome | None], None],
    ) -> bool:
        """Whether the next one may follow."""
        outcome = await delivery.work(seat)
        heard(outcome)
        goes_on = not self._stopped and delivery.goes_on(outcome)
        if not goes_on:
            await _refuse(behind, pause)
        settled = await delivery.settle(outcome, pause)
        delivery.end()
        if goes_on and settled is Settled.GONE:
            await _refuse(behind, pause)
            return False
        return goes_on

    def stop(self) -> None:
        """No time is left: what is being worked is reported as stopped, what has been answered as answered."""
        self._stopped = True
        for delivery in self._deliveries:
            delivery.stop()


async def _refuse(behind: Sequence[Delivery[Item]], pause: Pause) -> None:
    await asyncio.gather(*(delivery.settle(OUT_OF_TURN, pause) for delivery in reversed(behind)))
