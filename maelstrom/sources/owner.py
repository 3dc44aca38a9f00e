"""The owner of all pulled sources of this node: one poller per source, as the view says.

It must not know what a poll is, nor what AWS is: kinds are handed in.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from maelstrom.model.source import EventSource, SourceKey, SourceType
from maelstrom.model.stored import Snapshot
from maelstrom.sources.delivery import Means
from maelstrom.sources.kind import Kind
from maelstrom.sources.poller import Poller
from maelstrom.sources.ports import LeaseDesk, Random, View
from maelstrom.sources.record import SourceCounts, SourceRecord, SourceStatus

log = logging.getLogger("maelstrom.sources")

ELSEWHERE: frozenset[SourceType] = frozenset({"http", "cron"})  # worked by the gateway, and by `cron`
RESTS = "rests for another {:.0f} s, as its component asked; `maelctl es enable` ends that"
NOT_SERVED = "not served by this version"
REPORT_SHARE, REPORT_SECONDS = 0.25, 2.0  # of a grace, and at most: left for the reports of what is cut


class SourceOwner:
    """`start`, then the view drives it; `stop` ends it within a grace."""

    def __init__(
        self,
        kinds: Mapping[SourceType, Kind[Any]],
        *,
        view: View,
        leases: LeaseDesk,
        means: Means,
        random: Random,
    ) -> None:
        self._kinds = kinds
        self._view = view
        self._leases = leases
        self._means = means
        self._random = random
        self._pollers: dict[SourceKey, Poller[Any]] = {}
        self._leaving: set[Poller[Any]] = set()  # removed sources whose open polls may still bring something
        self._unsubscribe = _nothing
        self._stopping = False

    def start(self) -> None:
        self._unsubscribe = self._view.subscribe(self._follow)
        self._follow(self._view.snapshot)

    # what the API and the metrics ask

    def statuses(self) -> dict[SourceKey, SourceStatus]:
        """All sources of the view, as this node sees them."""
        return {key: self._status(source) for key, source in self._view.snapshot.sources.items()}

    def drained(self, key: SourceKey) -> bool:
        """The source is known as disabled or removed; nothing of it is in flight here, and no poll open."""
        poller = self._pollers.get(key)
        if poller is not None and (poller.source.enabled or not poller.idle):
            return False
        return all(leaving.source.key != key for leaving in self._leaving)

    def _status(self, source: EventSource) -> SourceStatus:
        poller = self._pollers.get(source.key)
        if poller is not None:
            status = replace(poller.record.status(), capacity=poller.lease.capacity)
            rest = poller.lease.paused_seconds() if status.state == "ok" else 0.0
            return replace(status, reason=RESTS.format(rest)) if rest else status
        if not source.enabled:
            return SourceStatus("disabled", "", 0.0, SourceCounts())
        if source.type in ELSEWHERE or source.type in self._kinds:
            return SourceStatus("ok", "", 0.0, SourceCounts())
        return SourceStatus("degraded", NOT_SERVED, 0.0, SourceCounts())

    # following the view

    def _follow(self, snapshot: Snapshot) -> None:
        if self._stopping:
            return
        for source in snapshot.sources.values():
            if source.type in self._kinds:
                self._follow_source(source)
        for key, poller in list(self._pollers.items()):
            source_now = snapshot.sources.get(key)
            if source_now is None or source_now.id != poller.source.id or source_now.type != poller.source.type:
                self._retire(poller)

    def _follow_source(self, source: EventSource) -> None:
        poller = self._pollers.get(source.key)
        if poller is not None and (poller.source.id, poller.source.type) != (source.id, source.type):
            self._retire(poller)
            poller = None
        if poller is None:
            poller = self._begin(source)
        elif poller.source != source:
            self._leases.hold(source)
            poller.follow(source)
        poller.record.enabled(source.enabled)

    def _begin(self, source: EventSource) -> Poller[Any]:
        record = SourceRecord(source.key, self._means.clock.now)
        lease = self._leases.hold(source)
        poller = Poller(self._kinds[source.type], source, lease, record, self._means, self._random)
        self._pollers[source.key] = poller
        poller.start()
        return poller

    def _retire(self, poller: Poller[Any]) -> None:
        """A removed source: what its open polls bring is as that of a disabled one."""
        del self._pollers[poller.source.key]
        self._leaving.add(poller)
        poller.follow(replace(poller.source, enabled=False))
        poller.hold()
        self._leases.drop(poller.lease)
        self._means.spawn(self._see_off(poller), f"see off {poller.source.key.full_name}")

    async def _see_off(self, poller: Poller[Any]) -> None:
        await poller.until_idle()
        await poller.end()
        self._leaving.discard(poller)

    # stop

    async def stop(self, grace: float) -> None:
        """Seconds for everything: open polls return, what they bring is worked; what is left then is cut and reported.

        Polls that are still open at the end are left to return by themselves, see `ports.StepFunctions.poll`.
        """
        self._stopping = True
        self._unsubscribe()
        pollers = [*self._pollers.values(), *self._leaving]
        for poller in pollers:
            poller.hold()
        deadline = asyncio.get_running_loop().time() + grace
        await _all_by(deadline - min(REPORT_SECONDS, grace * REPORT_SHARE), (p.until_idle() for p in pollers))
        left = [poller for poller in pollers if not poller.idle]
        for poller in left:
            log.warning("cut at the end of the grace", extra=_open_work(poller))
            poller.cut()
        await _all_by(deadline, (poller.until_settled() for poller in left))
        await asyncio.gather(*(poller.end() for poller in pollers))


async def _all_by(deadline: float, waits: Iterator[Any]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(deadline):
            await asyncio.gather(*waits)


def _open_work(poller: Poller[Any]) -> dict[str, Any]:
    counts = poller.record.counts
    return {"source": poller.source.key.full_name, "in_flight": counts.in_flight, "polls_open": counts.polls_open}


def _nothing() -> None:
    """Nothing to end: not started."""
