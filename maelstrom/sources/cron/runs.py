"""The runs that this node has open: each begun, tried again, ended early, and its end recorded.

    replaced runs end ─ try ─ 2xx? ─ pause ─ try … ─ record          beside it: is it to be replaced itself?

A run goes on where its node no longer plans; what becomes of it is recorded all the same. It must not know what is
planned, nor when.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from maelstrom.activation.work import WorkAnswer
from maelstrom.model.cron import Ended, OpenRun, Outcome, Tick
from maelstrom.model.errors import MaelstromError
from maelstrom.model.source import EventSource
from maelstrom.plan.backoff import Backoff
from maelstrom.plan.cron import Waits
from maelstrom.sources.cron.clock import ClusterClock
from maelstrom.sources.cron.ports import Ledger
from maelstrom.sources.cron.recorder import Recorder
from maelstrom.sources.cron.request import definition, outcome, request
from maelstrom.sources.delivery import DEFAULT_SECONDS, Means
from maelstrom.sources.ports import Random
from maelstrom.sources.record import SourceRecord

log = logging.getLogger("maelstrom.sources")

SPARE_SECONDS = 5.0  # between the writing of a promise and the sending of the request that it covers
RETRY = Backoff(first=1.0, cap=60.0)
CONFIRM = Backoff(first=0.5, cap=20.0)
LOOK_SECONDS = 1.0  # between looks at whether a run is to be replaced, or the one that it replaces has ended

REPLACED = "replaced by a later run"
STOPPED = "its node was stopped"
GIVEN_UP = "others took it for over: its node had stood still for too long"


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be run. `refused`: why it is not to begin any more, or empty. `ended` is told the outcome."""

    id: str
    planned: int
    source: EventSource
    older: tuple[OpenRun, ...]
    promise_ms: int
    promised_at: float  # by the steady clock, before the promise was written
    record: SourceRecord
    refused: Callable[[], str]
    ended: Callable[[Outcome], None]


def new_tick(means: Means, source: EventSource, planned: int) -> Tick:
    """Its promise is how long a try may leave the run without a sign: with the pause before the next one."""
    promise = round((_deadline(means, source) + _beside(source)) * 1000)
    return Tick(uuid.uuid4().hex, source.id, planned, definition(source).overlap, promise)


def _beside(source: EventSource) -> float:
    """Seconds of a promise that are not the try's."""
    return SPARE_SECONDS + (RETRY.cap if definition(source).retries else 0.0)


def _deadline(means: Means, source: EventSource) -> float:
    """Seconds of one try."""
    own = definition(source).maxdurationseconds
    if own is not None:
        return float(own)
    component = means.component(source.component)
    return DEFAULT_SECONDS if component is None else float(component.definition.maxdurationseconds)


class Runs:
    """All of this node."""

    def __init__(self, ledger: Ledger, clock: ClusterClock, means: Means, random: Random) -> None:
        self.ledger = ledger
        self.clock = clock
        self.means = means
        self.random = random
        self.recorder = Recorder(ledger, means, random)
        self._open: dict[str, Run] = {}
        self._watching = False

    def __contains__(self, id: str) -> bool:
        return id in self._open

    def begin(self, task: Task) -> None:
        run = self._open[task.id] = Run(self, task)
        self.means.spawn(self._see_through(run), f"cron {task.source.key.full_name}")
        if definition(task.source).overlap == "replace" and not self._watching:
            self._watching = True
            self.means.spawn(self._watch(), "cron replacements")

    def end(self, ids: Iterable[str], reason: str) -> list[Run]:
        """Cancels those of them that are open here."""
        found = [run for id in ids if (run := self._open.get(id)) is not None]
        for run in found:
            run.end(reason)
        return found

    async def stop(self, until: float, report: float) -> None:
        """`until`: by the loop's clock; then what is open is cut, and so many seconds are left to record it."""
        await self._all_ended(until)
        for run in list(self._open.values()):
            log.warning(
                "cut at the end of the grace", extra={"source": run.task.source.key.full_name, "run": run.task.id}
            )
            run.end(STOPPED)
        await self._all_ended(until + report)

    async def _all_ended(self, until: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while self._open:
                    await next(iter(self._open.values())).recorded.wait()

    async def _see_through(self, run: Run) -> None:
        try:
            await run.run()
        finally:
            del self._open[run.task.id]
            run.recorded.set()

    async def _watch(self) -> None:
        """Ends own runs that another node replaces, as long as there are any that can be."""
        try:
            while any(definition(run.task.source).overlap == "replace" for run in self._open.values()):
                await self.means.clock.sleep(LOOK_SECONDS)
                try:
                    self.end(await self.ledger.to_cancel(), REPLACED)
                except MaelstromError as error:
                    log.debug("whether runs are replaced cannot be read: %s", error.message)
        finally:
            self._watching = False


class Run:
    """One run on this node. `worked` is set when its last request has ended, `recorded` when the ledger knows."""

    def __init__(self, runs: Runs, task: Task) -> None:
        self.task = task
        self.worked = asyncio.Event()
        self.recorded = asyncio.Event()
        self._runs = runs
        self._means = runs.means
        self._seconds = task.promise_ms / 1000 - _beside(task.source)  # the component's may be another one by now
        self._promised_at = task.promised_at
        self._work: asyncio.Task[Outcome] | None = None
        self._end = ""

    def end(self, reason: str) -> None:
        if not self._end:
            self._end = reason
            if self._work is not None:
                self._work.cancel()

    async def run(self) -> None:
        self._work = work = self._means.spawn(self._do(), f"work {self.task.source.key.full_name}")
        if self._end:
            work.cancel()
        try:
            await asyncio.wait({work})
        finally:
            work.cancel()
            self.worked.set()
        result = self._outcome(work)
        self.task.ended(result)
        await self._runs.recorder.record(Ended(self.task.id, result, self._runs.clock.guess()))

    async def _do(self) -> Outcome:
        task = self.task
        await self._older_ended()
        retries = definition(task.source).retries
        attempt = 1
        while True:
            if not await self._promised(attempt):
                replaced = definition(task.source).overlap == "replace"
                return Outcome("cancelled", reason=REPLACED) if replaced else Outcome("lost", reason=GIVEN_UP)
            if reason := task.refused():
                return Outcome("skipped", reason=reason)
            result = outcome(await self._exchange(attempt))
            if result.state == "succeeded" or attempt > retries:
                return result
            log.info("a cron run is tried again", extra={"source": task.source.key.full_name, "reason": result.reason})
            await self._means.clock.sleep(RETRY.delay(attempt, self._runs.random()))
            if task.refused():
                return result
            attempt += 1

    async def _exchange(self, attempt: int) -> WorkAnswer:
        task, counts, clock = self.task, self.task.record.counts, self._means.clock
        begun = clock.monotonic()
        counts.begin()
        try:
            sent = request(task.source, task.id, task.planned, attempt)
            return await self._means.worker.work(task.source.component, sent, seconds=self._seconds)
        finally:
            counts.in_flight -= 1
            counts.seconds += clock.monotonic() - begun

    async def _promised(self, attempt: int) -> bool:
        """Whether the ledger has a promise that covers a request that is sent now. False: others gave the run up."""
        clock, failures = self._means.clock, 0
        written = attempt == 1 and definition(self.task.source).overlap != "replace"  # with the run itself
        while not written or clock.monotonic() - self._promised_at > SPARE_SECONDS:
            before = clock.monotonic()
            try:
                if not await self._runs.ledger.attempt(self.task.id, attempt, self.task.promise_ms):
                    return False
            except MaelstromError:
                failures += 1
                await clock.sleep(CONFIRM.delay(failures, self._runs.random()))
                continue
            self._promised_at, written = before, True
        return True

    async def _older_ended(self) -> None:
        """Own ones are cancelled here; others were told to end, and are over with their promise at the latest. Those
        that had not begun never will.
        """
        own = self._runs.end([run.id for run in self.task.older], REPLACED)
        ids = {run.id for run in self.task.older if run.attempt} - {run.task.id for run in own}
        for run in own:
            await run.worked.wait()
        waits, clock, ledger = Waits(), self._means.clock, self._runs.ledger
        while ids:
            try:
                waits.see([run for run in await ledger.open_runs() if run.id in ids], clock.monotonic())
                if over := waits.over(clock.monotonic()):
                    await ledger.give_up(over, self._runs.clock.guess())
                if waits.soonest() is None:
                    return
            except MaelstromError as error:
                log.debug("whether replaced runs have ended cannot be read: %s", error.message)
            await clock.sleep(LOOK_SECONDS)

    def _outcome(self, work: asyncio.Task[Outcome]) -> Outcome:
        if work.cancelled():
            return Outcome("cancelled", reason=self._end or STOPPED)
        if (error := work.exception()) is not None:
            log.error("a cron run died", exc_info=error, extra={"source": self.task.source.key.full_name})
            return Outcome("failed", reason="an internal error of the node; its log has more")
        return work.result()
