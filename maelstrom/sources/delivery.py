"""One item from its arrival to its report: kept, admitted, worked, settled, and how that may end early.

    arrives ─ slot ─ admit ─ request ─ settle          beside it: keep
                 └─────┴────────┴── given up by the service, or the node's grace has ended: the request is cancelled

It must not know when polls are opened.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from maelstrom.activation.work import Worker
from maelstrom.model.clock import Clock
from maelstrom.model.component import Component, ComponentKey
from maelstrom.model.errors import LeaseLost
from maelstrom.model.source import AwsSource, EventSource
from maelstrom.sources.kind import INTERNAL, NOT_NOW, Answered, Kind, NotNow, Outcome, Pause, Refused, Settled
from maelstrom.sources.ports import Spawn
from maelstrom.sources.record import SourceRecord
from maelstrom.sources.seats import Seat

log = logging.getLogger("maelstrom.sources")

Item = TypeVar("Item")

DEFAULT_SECONDS = 300.0  # deadline where the component is not known any more; its request fails anyhow
STOPPED = Refused("Maelstrom.Stopped", "the node that worked on it was stopped before the component had answered")


@dataclass(frozen=True, slots=True)
class Means:
    """What deliveries of all sources share."""

    worker: Worker
    component: Callable[[ComponentKey], Component | None]
    clock: Clock
    spawn: Spawn


class End(Enum):
    """Why the work was cancelled."""

    GONE = "gone"
    STOPPED = "stopped"


class Delivery(Generic[Item]):
    """One item: `begin` when it arrives, `work`, `settle`, `end`; what comes between is the caller's."""

    def __init__(self, kind: Kind[Item], source: EventSource, item: Item, record: SourceRecord, means: Means) -> None:
        self._kind = kind
        self._source = source
        self._item = item
        self._record = record
        self._means = means
        self._seat: Seat | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._work: asyncio.Task[Outcome] | None = None
        self._end: End | None = None

    def begin(self) -> None:
        """From now on the item is kept from being given to others."""
        name = self._source.key.full_name
        self._keeper = self._means.spawn(self._kind.keep(self._source, self._item, self._record), f"keep {name}")
        self._keeper.add_done_callback(self._kept)

    async def work(self, seat: Callable[[], Awaitable[Seat]]) -> Outcome | None:
        """What to report; None if nobody waits for it. `seat` waits for the one that the item is worked under."""
        self._work = work = self._means.spawn(self._do(seat), f"work {self._source.key.full_name}")
        if self._end is not None:
            work.cancel()
        await asyncio.wait({work})
        return self._outcome(work)

    async def settle(self, outcome: Outcome | None, pause: Pause) -> Settled:
        settled = Settled.GONE if outcome is None else await self._settle(outcome, pause)
        self._count(settled)
        return settled

    def end(self) -> None:
        for task in (self._keeper, self._work):
            if task is not None:
                task.cancel()

    def goes_on(self, outcome: Outcome | None) -> bool:
        """Whether the item will be over when this is settled, so that the one behind it may follow."""
        return outcome is not None and self._kind.goes_on(self._source, self._item, outcome)

    def stop(self) -> None:
        """No time is left: what is being worked is reported as stopped, what has been answered as answered."""
        self._finish(End.STOPPED)

    async def _do(self, seat: Callable[[], Awaitable[Seat]]) -> Outcome:
        seconds = self._deadline()
        try:
            self._seat = await seat()
            seconds = min(seconds, self._seat.allowed_seconds or seconds)
            epoch = await self._seat.admit(seconds)
        except LeaseLost as error:
            return Refused("Maelstrom.LeaseLost", error.message)
        except NotNow:
            return NOT_NOW
        counts, clock = self._record.counts, self._means.clock
        begun = clock.monotonic()
        counts.begin()
        try:
            request = self._kind.request(self._source, self._item, epoch)
            return Answered(await self._means.worker.work(self._source.component, request, seconds=seconds))
        finally:
            counts.in_flight -= 1
            counts.seconds += clock.monotonic() - begun

    def _deadline(self) -> float:
        """Seconds for the request: the source's own, else its component's."""
        definition = self._source.definition
        own = definition.maxdurationseconds if isinstance(definition, AwsSource) else None
        if own is not None:
            return float(own)
        component = self._means.component(self._source.component)
        return DEFAULT_SECONDS if component is None else float(component.definition.maxdurationseconds)

    def _kept(self, keeper: asyncio.Task[None]) -> None:
        """A keeper that ends by itself says that the item is gone. One that died leaves the work alone."""
        if not keeper.cancelled() and keeper.exception() is None:
            self._finish(End.GONE)

    def _finish(self, end: End) -> None:
        if self._end is None:
            self._end = end
            if self._work is not None:
                self._work.cancel()

    def _outcome(self, work: asyncio.Task[Outcome]) -> Outcome | None:
        """What to report; None if nobody waits for it."""
        if work.cancelled():
            return None if self._end is End.GONE else STOPPED
        if (error := work.exception()) is not None:
            log.error("a delivery died", exc_info=error, extra={"source": self._source.key.full_name})
            return Refused(INTERNAL, "an internal error of the node; its log has more")
        return work.result()

    async def _settle(self, outcome: Outcome, pause: Pause) -> Settled:
        if self._seat is not None:
            deferred = await self._kind.defer(self._source, self._item, outcome, self._seat, self._record)
            if isinstance(deferred, Settled):
                return deferred
            outcome = deferred or outcome
        return await self._kind.settle(self._source, self._item, outcome, self._record, pause)

    def _count(self, settled: Settled) -> None:
        counts = self._record.counts
        if settled is Settled.SUCCEEDED:
            counts.succeeded += 1
        elif settled is not Settled.DEFERRED:
            counts.failed += 1
            counts.gone += settled is Settled.GONE
