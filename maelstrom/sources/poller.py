"""The loop that all pulled sources share: slot → fetch → deliver, as many fetches open as there are free slots.

A fetch that is open is never cut: it may have been handed an item already. So everything that changes (the definition,
the enabled flag, a stop) decides about the next fetch, and what the open ones bring is worked all the same. An edit of
where items come from makes the open fetches *strays*: they lend their seats to the new ones, and take one, from an open
fetch if need be, should they bring something.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from maelstrom.model.errors import LeaseLost, MaelstromError
from maelstrom.model.source import EventSource
from maelstrom.plan.backoff import Backoff
from maelstrom.sources.delivery import Delivery, Means
from maelstrom.sources.kind import Kind
from maelstrom.sources.ports import Random, SlotLease
from maelstrom.sources.record import SourceRecord
from maelstrom.sources.seats import Seat, Seats
from maelstrom.sources.trouble import Trouble

log = logging.getLogger("maelstrom.sources")

Item = TypeVar("Item")

POLL_AGAIN = Backoff(first=1.0, cap=30.0)
WELL_SECONDS = 20.0  # a fetch open for so long has reached the service: longer than all its time-outs to connect
SHORTEST_SECONDS = 0.5  # a fetch that brings nothing sooner does not wait for items: it must not be repeated at once
SEAT_SECONDS, SEAT_PATIENCE = 1.0, 10  # a stray's item looks so often for a seat, where the lease has none at all
LAST_PAUSE_SECONDS = 0.2  # between two tries of a report when no time is left


@dataclass(eq=False, slots=True)
class Fetch:
    """One open poll, and the seats for what it may bring; a stray may have lent them."""

    source: EventSource
    seats: list[Seat]
    number: int
    stray: bool = False  # where items come from has changed since
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Poller(Generic[Item]):
    """One source on this node."""

    def __init__(
        self,
        kind: Kind[Item],
        source: EventSource,
        lease: SlotLease,
        record: SourceRecord,
        means: Means,
        random: Random,
    ) -> None:
        self.source = source
        self.lease = lease
        self.record = record
        self._kind = kind
        self._means = means
        self._seats = Seats(lease)
        self._trouble = Trouble(POLL_AGAIN, random)
        self._held = False
        self._fetches: set[Fetch] = set()
        self._deliveries: dict[Delivery[Item], asyncio.Task[None]] = {}
        self._waiting: deque[asyncio.Future[Seat]] = deque()  # items of strays
        self._loops: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._cut = asyncio.Event()
        self._idle.set()

    # what the owner calls

    def start(self) -> None:
        name = self.source.key.full_name
        self._loops = [
            self._means.spawn(self._run(), f"poll {name}"),
            self._means.spawn(self._follow_lease(), f"follow the lease of {name}"),
        ]

    def follow(self, source: EventSource) -> None:
        """Another definition, or the flag: from the next fetch on, and for what the open ones bring."""
        place = self._kind.place(source)
        for fetch in self._fetches:
            fetch.stray = self._kind.place(fetch.source) != place
        self.source = source
        self._wake.set()

    def hold(self) -> None:
        """No new fetches, for good."""
        self._held = True
        self._wake.set()

    @property
    def idle(self) -> bool:
        """Nothing is in flight, waits to be reported, or may still come."""
        return not self._fetches and not self._deliveries

    async def until_idle(self) -> None:
        await self._idle.wait()

    async def until_settled(self) -> None:
        """Until everything that came has been reported; fetches may be open."""
        while self._deliveries:
            await asyncio.wait(list(self._deliveries.values()))

    def cut(self) -> None:
        """No time is left: whatever is being worked, or comes from now on, is reported as stopped."""
        self._cut.set()
        for delivery in self._deliveries:
            delivery.stop()

    async def end(self) -> None:
        """Leaves everything where it is: open fetches to their `unclaimed` ends, items to the service."""
        tasks: list[asyncio.Task[Any]] = [*self._loops, *self._deliveries.values()]
        tasks += [fetch.task for fetch in self._fetches if fetch.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # fetches

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._open_fetches()):
                    await self._wake.wait()

    async def _follow_lease(self) -> None:
        while True:
            await self._seats.changed()
            self._wake.set()

    def _open_fetches(self) -> float | None:
        """As many as there are free seats. Seconds until there is a reason to look again; None: until woken."""
        while self._may_fetch():
            pause = self._trouble.pause(self._means.clock.monotonic())
            if pause is None or pause > 0:
                return pause
            seats = self._seats.take(self._kind.batch(self.source)) or self._borrow(strays_only=True)
            if not seats:
                return None
            self._open(Fetch(self.source, seats, seats[0].number // self._kind.width(self.source)))
        return None

    def _may_fetch(self) -> bool:
        if self._held or not self.source.enabled:
            return False
        return sum(not fetch.stray for fetch in self._fetches) < self._kind.most_fetches(self.source)

    def _open(self, fetch: Fetch) -> None:
        self._trouble.opened()
        self._fetches.add(fetch)
        self._idle.clear()
        self.record.counts.polls_open += 1
        fetch.task = self._means.spawn(self._turn(fetch), f"fetch {fetch.source.key.full_name} {fetch.number}")

    async def _turn(self, fetch: Fetch) -> None:
        items: Sequence[Item] = ()
        try:
            items = await self._fetch(fetch)
        finally:
            self._fetches.discard(fetch)
            self.record.counts.polls_open -= 1
            for item in items:
                self._deliver(fetch, item)
            while fetch.seats:
                self._release(fetch.seats.pop())
            self._look()

    async def _fetch(self, fetch: Fetch) -> Sequence[Item]:
        begun = self._means.clock.monotonic()
        well = asyncio.get_running_loop().call_later(WELL_SECONDS, self._well)
        try:
            items = await self._kind.fetch(fetch.source, max(1, len(fetch.seats)), fetch.number)
        except MaelstromError as error:
            self._failed(error)
            return ()
        except Exception:
            log.exception("a fetch died", extra={"source": fetch.source.key.full_name})
            self._failed(MaelstromError("an internal error while polling"))
            return ()
        finally:
            well.cancel()
        self._well()
        if not items and not self._held:
            await self._pause(SHORTEST_SECONDS - (self._means.clock.monotonic() - begun))
        return items

    def _well(self) -> None:
        self._trouble.over()
        self.record.well("poll")
        self._wake.set()

    def _failed(self, error: MaelstromError) -> None:
        self._trouble.failed(self._means.clock.monotonic())
        self.record.trouble("poll", error)

    # deliveries

    def _deliver(self, fetch: Fetch, item: Item) -> None:
        source = fetch.source if fetch.stray else self.source
        seat = fetch.seats.pop(0) if fetch.seats else None
        delivery = Delivery(self._kind, source, item, self.record, self._means)
        self.record.counts.received += 1
        work = delivery.run(partial(self._seat_for, seat), self._release, self._pause)
        task = self._means.spawn(work, f"deliver {source.key.full_name}")
        self._deliveries[delivery] = task
        self._idle.clear()
        task.add_done_callback(partial(self._delivered, delivery))
        if self._cut.is_set():
            delivery.stop()

    def _delivered(self, delivery: Delivery[Item], _task: asyncio.Task[None]) -> None:
        del self._deliveries[delivery]
        self._look()

    # seats

    def _borrow(self, *, strays_only: bool) -> list[Seat]:
        """One seat of an open fetch, which then has none for what it may bring."""
        for fetch in self._fetches:
            if fetch.seats and (fetch.stray or not strays_only):
                return [fetch.seats.pop()]
        return []

    async def _seat_for(self, seat: Seat | None) -> Seat:
        """The fetch's own; for a stray's item a free one, that of a fetch without items yet, or the next released."""
        patience = SEAT_PATIENCE
        while seat is None:
            if seats := self._seats.take(1) or self._borrow(strays_only=False):
                return seats[0]
            if not self._seats.in_use and not patience:
                raise LeaseLost(f"the lease of {self.source.key.full_name} has no slot any more")
            patience = SEAT_PATIENCE if self._seats.in_use else patience - 1
            seat = await self._next_released(SEAT_SECONDS)
        return seat

    async def _next_released(self, seconds: float) -> Seat | None:
        waiting: asyncio.Future[Seat] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            await asyncio.wait({waiting}, timeout=seconds)
        except asyncio.CancelledError:
            if waiting.done():
                self._release(waiting.result())
            raise
        finally:
            waiting.cancel()
        return None if waiting.cancelled() else waiting.result()

    def _release(self, seat: Seat) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                return waiting.set_result(seat)
        return seat.give_back()

    async def _pause(self, seconds: float) -> None:
        if self._cut.is_set():
            await self._means.clock.sleep(min(seconds, LAST_PAUSE_SECONDS))
        elif seconds > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._cut.wait()

    def _look(self) -> None:
        """Something has ended."""
        if self.idle:
            self._idle.set()
        self._wake.set()
