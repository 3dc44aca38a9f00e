"""Slots with numbers: a lease counts, the service's history wants to know who polled. Synchronous bookkeeping only."""

from __future__ import annotations

from maelstrom.sources.ports import Slot, SlotLease


class Seat:
    """One slot and its number on this node, the lowest that was free."""

    def __init__(self, slot: Slot, number: int, taken: set[int]) -> None:
        self.number = number
        self._slot = slot
        self._taken = taken
        self._given_back = False
        taken.add(number)

    async def admit(self, seconds: float) -> int:
        return await self._slot.admit(seconds)

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

    @property
    def in_use(self) -> int:
        return len(self._taken)

    def take(self, wanted: int) -> list[Seat]:
        """Up to so many; none where the lease has none to give."""
        seats: list[Seat] = []
        while len(seats) < wanted and (slot := self._lease.take()) is not None:
            seats.append(Seat(slot, self._lowest_free(), self._taken))
        return seats

    async def changed(self) -> None:
        await self._lease.changed()

    def _lowest_free(self) -> int:
        number = 0
        while number in self._taken:
            number += 1
        return number
