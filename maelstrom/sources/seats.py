"""Slots with numbers: a lease counts, the service's history wants to know who polled. Who needs one may wait for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from maelstrom.sources.kind import NotNow
from maelstrom.sources.ports import Slot, SlotLease

LOOK_SECONDS = 1.0  # between two looks at whether what waits for the end of a rest may stay
SPARE_SECONDS = 0.01  # a rest is looked at when it is over for certain, not just before


class Seat:
    """One slot and its number on this node, the lowest that was free."""

    def __init__(self, slot: Slot, number: int, taken: set[int], lease: SlotLease) -> None:
        self.number = number
        self._lease = lease
        self._slot = slot
        self._taken = taken
        self._given_back = False
        taken.add(number)

    @property
    def allowed_seconds(self) -> float:
        """The longest request that may be admitted now."""
        return self._lease.allowed_seconds

    async def admit(self, seconds: float) -> int:
        return await self._slot.admit(seconds)

    async def defer(self, task: str, seconds: float) -> bool:
        return await self._slot.defer(task, seconds)

    def give_back(self) -> None:
        """A second call does nothing."""
        if not self._given_back:
            self._given_back = True
            self._taken.discard(self.number)
            self._slot.give_back()


class Seats:
    """All seats of one source."""

    def __init__(self, lease: SlotLease) -> None:
        self._lease = lease
        self._taken: set[int] = set()
        self._waiting: deque[asyncio.Future[Seat]] = deque()

    @property
    def in_use(self) -> int:
        return len(self._taken)

    def take(self, wanted: int) -> list[Seat]:
        """Up to so many; none where the lease has none to give."""
        seats: list[Seat] = []
        while len(seats) < wanted and (slot := self._lease.take()) is not None:
            seats.append(Seat(slot, self._lowest_free(), self._taken, self._lease))
        return seats

    def release(self, seat: Seat) -> None:
        """To who waits for one, else back to the lease."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                return waiting.set_result(seat)
        return seat.give_back()

    async def released(self, seconds: float) -> Seat | None:
        """The next one that somebody releases within so many seconds."""
        waiting: asyncio.Future[Seat] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            await asyncio.wait({waiting}, timeout=seconds)
        except asyncio.CancelledError:
            if waiting.done():
                self.release(waiting.result())
            raise
        finally:
            waiting.cancel()
        return None if waiting.cancelled() else waiting.result()

    async def rested(self, stays: Callable[[], bool]) -> None:
        """Until the source rests no more: a fetch that was open when rest was asked for may bring items all the same,
        which are kept so long. Raises NotNow where they must not stay.
        """
        while (seconds := self._lease.paused_seconds()) > 0:
            if not stays():
                raise NotNow
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(seconds + SPARE_SECONDS, LOOK_SECONDS)):
                    await self._lease.changed()

    async def changed(self) -> None:
        await self._lease.changed()

    def _lowest_free(self) -> int:
        number = 0
        while number in self._taken:
            number += 1
        return number
