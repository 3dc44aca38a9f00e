"""Cron on this node: what is known of each cron source, the runs that are open here, and the planner, which is at work
on the one node that has the role.

When it loses the role it plans no more; what it has begun goes on (see `runs`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from zoneinfo import ZoneInfo

from maelstrom.model.cron import Opened, Outcome
from maelstrom.model.errors import Draining, MaelstromError, Unavailable
from maelstrom.model.source import EventSource, SourceKey
from maelstrom.model.stored import Snapshot
from maelstrom.sources.cron.clock import ClusterClock
from maelstrom.sources.cron.planner import Planner
from maelstrom.sources.cron.ports import Ledger, Role, Tell
from maelstrom.sources.cron.runs import STOPPED, Runs, Task, new_tick
from maelstrom.sources.delivery import Means
from maelstrom.sources.ports import Random, View
from maelstrom.sources.record import SourceRecord, SourceStatus

log = logging.getLogger("maelstrom.sources")

SHOWN_CHARACTERS = 200  # of why a run failed, in the list of sources
COMPLETE = "complete its runs"
PLAN = "be planned"
PLAN_HINT = "the log of the node that plans has more; a change of the source tries again"
NOT_ENABLED = "the source was disabled or removed before it could begin"
PATIENCE_SECONDS = 10.0  # with a container engine that is away
LOOK_SECONDS = 1.0
REPORT_SHARE, REPORT_SECONDS = 0.25, 2.0  # of a grace, and at most: left to record what is cut


class Cron:
    """`start`, then `run` until the end; `stop` within a grace. `able`: whether components can be run here."""

    def __init__(
        self,
        ledger: Ledger,
        role: Role,
        *,
        view: View,
        means: Means,
        random: Random,
        zone: ZoneInfo,
        able: Callable[[], bool],
    ) -> None:
        self._ledger = ledger
        self._role = role
        self._able = able
        self._view = view
        self._means = means
        self._clock = ClusterClock(ledger, means.clock)
        self._runs = Runs(ledger, self._clock, means, random)
        self._planner = Planner(
            ledger,
            role,
            self._clock,
            self._runs,
            Tell(self._planned, self._judge, self._plannable),
            view=view,
            means=means,
            random=random,
            zone=zone,
        )
        self._records: dict[SourceKey, SourceRecord] = {}
        self._running = self._stopping = False

    def start(self) -> None:
        self._view.subscribe(self._follow)
        self._follow(self._view.snapshot)

    async def run(self) -> None:
        """Until stopped."""
        self._running = True
        try:
            if buried := await self._ledger.bury_former(self._clock.guess()):
                log.warning("runs ended with a former process of this node", extra={"runs": buried})
        except MaelstromError as error:
            log.warning("runs of a former process are waited for", extra={"reason": error.message})
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._seek_while_able(), name="cron ability")
            await self._planner.run()
            watching.cancel()

    async def _seek_while_able(self) -> None:
        """A node that can run no component leaves planning to others."""
        unable_since: float | None = None
        while True:
            now = self._means.clock.monotonic()
            if self._able():
                unable_since = None
                self._role.seek()
            elif unable_since is None:
                unable_since = now
            elif now - unable_since >= PATIENCE_SECONDS:
                self._role.rest()
            await self._means.clock.sleep(LOOK_SECONDS)

    # what the API and the metrics ask

    @property
    def last_pass(self) -> float:
        """When it last had nothing more to do, whether this node plans or not; steady clock, 0.0: not yet."""
        return self._planner.last_pass

    def statuses(self) -> dict[SourceKey, SourceStatus]:
        """All cron sources of the view, as this node sees them."""
        return {key: record.status() for key, record in self._records.items()}

    async def run_now(self, source: EventSource) -> str:
        """Begins a run on this node, whoever plans; its id. Raises Conflict where the source forbids it now."""
        if self._stopping:
            raise Draining("the node stops")
        if not self._running:
            raise Unavailable("the node has not started yet")
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

        def refused() -> str:
            return self._refused(source, by_hand)

        def ended(result: Outcome) -> None:
            self._ended(source, record, result)

        self._runs.begin(
            Task(tick.id, tick.planned, source, opened.older, tick.promise_ms, promised_at, record, refused, ended)
        )

    def _ended(self, source: EventSource, record: SourceRecord, result: Outcome) -> None:
        counts = record.counts
        counts.succeeded += result.state == "succeeded"
        counts.skipped += result.state == "skipped"
        counts.failed += result.state not in ("succeeded", "skipped")
        if result.state != "succeeded":
            fields = {"source": source.key.full_name, "state": result.state, "reason": result.reason[:200]}
            log.warning("a cron run did not succeed", extra=fields)
        if not self._planner.leads:
            return  # it may not see the next one
        if result.state == "succeeded":
            record.well(COMPLETE)
        elif result.state == "failed":
            record.trouble(COMPLETE, _failure(result.reason))

    def _judge(self, failing: dict[int, str] | None) -> None:
        """Begins to plan with what the ledger says of last runs, by source; None: it is another node's to say."""
        for key, record in self._records.items():
            record.forget(COMPLETE)
            record.forget(PLAN)
            source = self._view.snapshot.sources.get(key)
            if failing is not None and source is not None and source.id in failing:
                record.trouble(COMPLETE, _failure(failing[source.id]))

    def _plannable(self, source: EventSource, defect: str) -> None:
        record = self._record(source)
        if defect:
            record.trouble(PLAN, MaelstromError(f"it cannot be planned: {defect[:SHOWN_CHARACTERS]}", hint=PLAN_HINT))
        else:
            record.well(PLAN)

    def _refused(self, source: EventSource, by_hand: bool) -> str:
        """Asked last before each request: none begins once a node knows that the source is disabled."""
        if self._stopping:
            return STOPPED
        now = self._view.snapshot.sources.get(source.key)
        enabled = now is not None and now.id == source.id and now.enabled
        return "" if enabled or by_hand else NOT_ENABLED

    # stop

    async def stop(self, grace: float) -> None:
        """Seconds for everything: nothing new begins, what is open may end; then it is cut and recorded."""
        self._stopping = True
        self._planner.stop()
        report = min(REPORT_SECONDS, grace * REPORT_SHARE)
        await self._runs.stop(asyncio.get_running_loop().time() + grace - report, report)


def _failure(reason: str) -> MaelstromError:
    return MaelstromError(f"the last run failed: {reason[:SHOWN_CHARACTERS]}", hint="")
