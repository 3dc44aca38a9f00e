"""Named roles: what one process of the cluster does at a time, such as firing schedules.

A role is a lease of capacity 1 on a row of its own, which no list of sources shows: the same rows, statements, rules.
Whoever comes first has it until he leaves, is buried, or loses his rows; there are no shares. It must not know what a
role is for.
"""

from __future__ import annotations

import asyncio

from maelstrom.leases.lease import Holder, Lease, Slot
from maelstrom.model.errors import LeaseLost


class Role:
    """`keeper.role(name)`: one per name. This process seeks it until the keeper leaves, unless it rests."""

    def __init__(self, name: str, holder: Holder) -> None:
        self.name = name
        self._holder = holder
        self.lease: Lease | None = None  # from when its row is known
        self._given = asyncio.Event()
        self._resting = False

    @property
    def held(self) -> bool:
        """No other process holds it now, nor will before this one could know: true from here until trust ends.

        To be asked before each act; one that takes long, or must not come late, asks `confirm`.
        """
        lease = self.lease
        if lease is None or self._holder.stopped or not self._holder.trusts(self._holder.clock.monotonic()):
            return False
        return lease.capacity > 0 and not lease.term.shut

    @property
    def epoch(self) -> int:
        """Rises over the cluster with each new holder; 0 before the first."""
        return 0 if self.lease is None else self.lease.epoch

    async def confirm(self) -> int:
        """The epoch; the database has said within the last second that the role is ours. Raises LeaseLost."""
        slot = await self._slot()
        try:
            return await slot.admit(0.0)
        finally:
            slot.give_back()

    async def changed(self) -> None:
        """Until `held` may have another value; that trust ran out is told to nobody."""
        if self.lease is None:
            await self._given.wait()
        else:
            await self.lease.changed()

    def rest(self) -> None:
        """Gives it up, and seeks it no more until `seek`: this process could do nothing with it."""
        self._rest(True)

    def seek(self) -> None:
        self._rest(False)

    def give(self, lease: Lease) -> None:
        """Its row is there: for the keeper."""
        self.lease = lease
        lease.term.closing = lease.term.closing or self._resting
        self._given.set()

    def _rest(self, resting: bool) -> None:
        if self.lease is not None and self._resting != resting:
            self.lease.term.closing = resting
            self.lease.term.seeks = True
            self.lease.tell()
            self._holder.wake()
        self._resting = resting

    async def _slot(self) -> Slot:
        while self.lease is not None and self.held:
            if (slot := self.lease.take()) is not None:
                return slot
            await self.lease.changed()
        raise LeaseLost(f"the role {self.name} is not held")
