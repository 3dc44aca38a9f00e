"""The loop that all pulled sources share: slot → fetch → deliver, as many fetches open as there are free slots.

A fetch that is open is never cut: it may have been handed an item already. So everything that changes (the definition,
the enabled flag, a stop) decides about the next fetch, and what the open ones bring is worked all the same, unless it
is left to a later one because its source is disabled. An edit of where items come from makes the open fetches *strays*:
they lend their seats to the new ones, and take one, from an open fetch if need be, should they bring something.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from maelstrom.model.errors import LeaseLost, MaelstromError
from maelstrom.model.source import EventSource
from maelstrom.sources.breadth import Breadth
from maelstrom.sources.delivery import Delivery, Means
from maelstrom.sources.fetch import Fetch
from maelstrom.sources.health import Health
from maelstrom.sources.kind import Answered, Kind, NotNow, Outcome
from maelstrom.sources.ports import Random, SlotLease
from maelstrom.sources.record import SourceRecord
from maelstrom.sources.seats import Seat, Seats
from maelstrom.sources.series import Series

log = logging.getLogger("maelstrom.sources")

Item = TypeVar("Item")

FAULT = MaelstromError("an internal error while polling")
WELL_SECONDS = 20.0  # a fetch open for so long has reached the service: longer than all its time-outs to connect
SHORTEST_SECONDS = 0.5  # a fetch that brings nothing sooner does not wait for items: it must not be repeated at once
SEAT_SECONDS, SEAT_PATIENCE = 1.0, 10  # a stray's item looks so often for a seat, where the lease has none at all
LAST_PAUSE_SECONDS = 0.2  # between two tries of a report when no time is left
RETURN_SECONDS = 0.25  # in which what was given back comes to an own fetch that is open, if it does
LINGER_SECONDS = 0.004  # seats that become free meanwhile share a fetch, where one may bring several items


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
        self._health = Health(source.key.full_name, lease, record, random, means.spawn)
        self._held = False
        self._fetches: set[Fetch] = set()
        self._breadth = Breadth()
        self._freed_at: float | None = None  # when the first seat became free that no fetch has taken since
        self._deliveries: dict[Series[Item], asyncio.Task[None]] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._cut = asyncio.Event()
        self._idle.set()

    # what the owner calls

    def start(self) -> None:
        name = self.source.key.full_name
        self._loops = [
            self._means.spawn(self._kept(self._run), f"poll {name}"),
            self._means.spawn(self._kept(self._follow_lease), f"follow the lease of {name}"),
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
            if open_ones := [fetch.task for fetch in self._fetches if fetch.task is not None]:
                # what was given back may come at once to who still asks: this very node
                await asyncio.wait(open_ones, timeout=RETURN_SECONDS, return_when=asyncio.FIRST_COMPLETED)

    def cut(self) -> None:
        """No time is left: whatever is being worked, or comes from now on, is reported as stopped."""
        self._cut.set()
        for series in self._deliveries:
            series.stop()

    async def end(self) -> None:
        """Leaves everything where it is: open fetches to their `unclaimed` ends, items to the service."""
        tasks = [*self._loops, *self._deliveries.values(), *(fetch.task for fetch in self._fetches if fetch.task)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # fetches

    async def _kept(self, loop: Callable[[], Awaitable[None]]) -> None:
        """A fault of ours is shown, and the source goes on: it must not stand still unseen."""
        while True:
            try:
                await loop()
            except Exception:
                log.exception("a loop of the source died", extra={"source": self.source.key.full_name})
                self._health.failed(FAULT, self._means.clock.monotonic())
                await self._means.clock.sleep(SHORTEST_SECONDS)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            if (pause := self._open_fetches()) is not None and pause <= LINGER_SECONDS:
                await asyncio.sleep(pause)  # what becomes free meanwhile is looked at together
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()

    async def _follow_lease(self) -> None:
        while True:
            await self._seats.changed()
            self._wake.set()

    def _open_fetches(self) -> float | None:
        """As many as there are free seats. Seconds until there is a reason to look again; None: until woken."""
        while self._may_fetch():
            now = self._means.clock.monotonic()
            pause = self._pause_before_fetch(now)
            if pause is None or pause > 0:
                return pause
            seats = self._seats.take(self._batch()) or self._borrow(strays_only=True)
            self._freed_at = None
            if not seats:
                return self.lease.paused_seconds() or None
            self._open(Fetch(self.source, seats, seats[0].number // self._kind.width(self.source), begun=now))
        return None

    def _may_fetch(self) -> bool:
        if self._held or not self.source.enabled:
            return False
        most = self._breadth.allowed(self._kind.idle_fetches(self.source), self._kind.most_fetches(self.source))
        return sum(not fetch.stray for fetch in self._fetches) < (1 if self._health.ailing else most)

    def _pause_before_fetch(self, now: float) -> float | None:
        """Seconds until a new poll may be opened; None while an open one is the try."""
        pause = self._health.pause(now)
        if self._freed_at is not None and self._deliveries and self._kind.batch(self.source) > 1 and pause == 0:
            return max(0.0, self._freed_at + LINGER_SECONDS - now)
        return pause

    def _batch(self) -> int:
        """One, where nothing comes and several places are watched: what comes at one needs seats, too."""
        if self._health.ailing or (self._breadth.idle and self._kind.idle_fetches(self.source) > 1):
            return 1
        return self._kind.batch(self.source)

    def _open(self, fetch: Fetch) -> None:
        self._health.fetching()
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
            for series in self._kind.in_order(items):
                self._deliver(fetch, series)
            while fetch.seats:
                self._seats.release(fetch.seats.pop())
            self._look()

    async def _fetch(self, fetch: Fetch) -> Sequence[Item]:
        well = asyncio.get_running_loop().call_later(WELL_SECONDS, self._well)
        try:
            items = await self._kind.fetch(fetch.source, max(1, len(fetch.seats)), fetch.number)
        except MaelstromError as error:
            self._health.failed(error, self._means.clock.monotonic())
            return ()
        except Exception:
            log.exception("a fetch died", extra={"source": fetch.source.key.full_name})
            self._health.failed(FAULT, self._means.clock.monotonic())
            return ()
        finally:
            well.cancel()
        self._well()
        seconds = self._means.clock.monotonic() - fetch.begun
        if items:
            self._breadth.brought(seconds)
        else:
            self._breadth.empty()
            if not self._held:
                await self._pause(SHORTEST_SECONDS - seconds)
        return items

    def _well(self) -> None:
        self._health.reached()
        self._wake.set()

    # deliveries

    def _deliver(self, fetch: Fetch, items: Sequence[Item]) -> None:
        source = fetch.source if fetch.stray else self.source
        seat = fetch.seats.pop(0) if fetch.seats else None
        series = Series([Delivery(self._kind, source, item, self.record, self._means) for item in items])
        self.record.counts.received += len(items)
        work = series.run(partial(self._seat_for, seat), self._wanted, self._seats.release, self._pause, self._heard)
        task = self._means.spawn(work, f"deliver {source.key.full_name}")
        self._deliveries[series] = task
        self._idle.clear()
        task.add_done_callback(partial(self._delivered, series))
        if self._cut.is_set():
            series.stop()

    def _delivered(self, series: Series[Item], _task: asyncio.Task[None]) -> None:
        del self._deliveries[series]
        if self._freed_at is None:
            self._freed_at = self._means.clock.monotonic()
        self._look()

    def _heard(self, outcome: Outcome | None) -> None:
        """What an answer says of all items of the source."""
        if isinstance(outcome, Answered):
            self._health.answered(outcome.answer, self._means.clock.monotonic())
            if seconds := self._kind.pause(outcome):
                self._kind.resumed(self.source)
                self._health.rest(seconds)

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
            seat = await self._seats.released(SEAT_SECONDS)
        return seat

    async def _wanted(self) -> None:
        """Before each item: raises NotNow where it is to be left to whoever polls later."""
        await self._seats.rested(lambda: self.source.enabled and not self._held)
        if self._kind.gives_back and not self.source.enabled:
            raise NotNow

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
