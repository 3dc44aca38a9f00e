"""Cron on this node: what is known of each cron source, the runs that are open here, and the planner, which is at work
on the one node that has the role.

When it loses the role it plans no more; what it has begun goes on (see `cron_runs`).
"""

from __future__ import annotations

import asyncio
import logging
from zoneinfo import ZoneInfo

from maelstrom.model.cron import Opened
from maelstrom.model.errors import Draining, MaelstromError
from maelstrom.model.source import EventSource, SourceKey
from maelstrom.model.stored import Snapshot
from maelstrom.sources.cron_clock import ClusterClock
from maelstrom.sources.cron_planner import Planner, new_tick
from maelstrom.sources.cron_ports import Ledger, Role
from maelstrom.sources.cron_runs import Runs, Task
from maelstrom.sources.delivery import Means
from maelstrom.sources.ports import Random, View
from maelstrom.sources.record import SourceRecord, SourceStatus

log = logging.getLogger("maelstrom.sources")

REPORT_SHARE, REPORT_SECONDS = 0.25, 2.0  # of a grace, and at most: left to record what is cut


class Cron:
    """`start`, then `run` until the end; `stop` within a grace."""

    def __init__(self, ledger: Ledger, role: Role, *, view: View, means: Means, random: Random, zone: ZoneInfo) -> None:
        self._ledger = ledger
        self._view = view
        self._means = means
        self._clock = ClusterClock(ledger, means.clock)
        self._runs = Runs(ledger, self._clock, means, random)
        self._planner = Planner(
            ledger, role, self._clock, self._runs, self._planned, view=view, means=means, random=random, zone=zone
        )
        self._records: dict[SourceKey, SourceRecord] = {}
        self._stopping = False

    def start(self) -> None:
        self._view.subscribe(self._follow)
        self._follow(self._view.snapshot)

    async def run(self) -> None:
        """Until stopped."""
        try:
            if buried := await self._ledger.bury_former(self._clock.guess()):
                log.warning("runs ended with a former process of this node", extra={"runs": buried})
        except MaelstromError as error:
            log.warning("runs of a former process are waited for", extra={"reason": error.message})
        await self._planner.run()

    # what the API and the metrics ask

    def statuses(self) -> dict[SourceKey, SourceStatus]:
        """All cron sources of the view, as this node sees them."""
        return {key: record.status() for key, record in self._records.items()}

    async def run_now(self, source: EventSource) -> str:
        """Begins a run on this node, whoever plans; its id. Raises Conflict where the source forbids it now."""
        if self._stopping:
            raise Draining("the node stops")
        tick = new_tick(self._means, source, int(await self._clock.now()))
        promised_at = self._means.clock.monotonic()
        opened = await self._ledger.open_manual(tick, self._clock.guess())
        self._begin(source, opened, promised_at, by_hand=True)
        return tick.id

    # the view

    def _follow(self, snapshot: Snapshot) -> None:
        cron = {key: source for key, source in snapshot.sources.items() if source.type == "cron"}
        for key in self._records.keys() - cron.keys():
            del self._records[key]
        for source in cron.values():
            self._record(source).enabled(source.enabled)
        self._planner.wake()

    def _record(self, source: EventSource) -> SourceRecord:
        record = self._records.get(source.key)
        if record is None:
            record = self._records[source.key] = SourceRecord(source.key, self._means.clock.now)
        return record

    # runs

    def _planned(self, source: EventSource, opened: Opened, promised_at: float) -> None:
        self._begin(source, opened, promised_at, by_hand=False)

    def _begin(self, source: EventSource, opened: Opened, promised_at: float, *, by_hand: bool) -> None:
        record, tick = self._record(source), opened.tick
        record.counts.received += 1
        if opened.older is None:
            record.counts.skipped += 1
            log.info("a cron run was skipped, an earlier one is open", extra={"source": source.key.full_name})
            return

        def wanted() -> bool:
            return by_hand or self._wanted(source)

        self._runs.begin(Task(tick.id, tick.planned, source, opened.older, promised_at, record, wanted))

    def _wanted(self, source: EventSource) -> bool:
        now = self._view.snapshot.sources.get(source.key)
        return now is not None and now.id == source.id and now.enabled and not self._stopping

    # stop

    async def stop(self, grace: float) -> None:
        """Seconds for everything: nothing new begins, what is open may end; then it is cut and recorded."""
        self._stopping = True
        self._planner.stop()
        report = min(REPORT_SECONDS, grace * REPORT_SHARE)
        await self._runs.stop(asyncio.get_running_loop().time() + grace - report, report)
