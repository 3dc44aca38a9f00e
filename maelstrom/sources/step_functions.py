"""AWS Step Functions activities: what is particular to them; `poller` does the rest.

One task is one request. Exactly one report follows, unless AWS gives the task up first; heartbeats keep it alive from
its arrival until the report is accepted. Facts of the AWS side: spec of event sources, 6.2.
"""

from __future__ import annotations

import logging
import re
import string
from collections.abc import Sequence
from urllib.parse import quote

from maelstrom.activation.work import WorkRequest
from maelstrom.model.clock import Clock
from maelstrom.model.errors import ActivityMissing, InvalidTaskToken, MaelstromError, OutputRefused, TaskGone
from maelstrom.model.source import EventSource, StepFunctionsSource
from maelstrom.plan.backoff import Backoff
from maelstrom.sources.kind import Answered, Outcome, Pause, Settled
from maelstrom.sources.outcome import INVALID_OUTPUT, TaskSuccess, failure, verdict
from maelstrom.sources.ports import ActivityTask, Random, StepFunctions, TaskFailure
from maelstrom.sources.record import SourceRecord

log = logging.getLogger("maelstrom.sources")

STOPPED = TaskFailure("Maelstrom.Stopped", "the node that worked on the task was stopped")
MOST_POLLS = 200  # AWS allows 1,000 per activity, of all nodes; each that brings a task makes way for the next
REPORT = Backoff(first=0.5, cap=20.0)
HEARTBEAT_AGAIN = Backoff(first=0.25, cap=5.0)  # under the second that HeartbeatSeconds 5 leaves beside the interval
SPREAD = 0.2  # share of the interval by which heartbeats come earlier, so that those of many tasks do not coincide
WORKER_CHARACTERS = 80
_UNFIT_FOR_A_NAME = re.compile(r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class StepFunctionsKind:
    """Implements `kind.Kind` of activity tasks."""

    def __init__(self, service: StepFunctions, *, node: str, clock: Clock, random: Random) -> None:
        self._service = service
        self._node = node
        self._clock = clock
        self._random = random

    # fetch

    def batch(self, source: EventSource) -> int:
        return 1

    def place(self, source: EventSource) -> str:
        return _definition(source).activityname

    def most_fetches(self, source: EventSource) -> int:
        return MOST_POLLS

    def width(self, source: EventSource) -> int:
        return _definition(source).concurrencyperpoller

    async def fetch(self, source: EventSource, wanted: int, poller: int) -> Sequence[ActivityTask]:
        name = _definition(source).activityname
        arn = await self._service.activity(name)
        try:
            task = await self._service.poll(arn, worker_name(self._node, source, poller), unclaimed=STOPPED)
        except ActivityMissing:
            self._service.forget(name)
            raise
        return () if task is None else (task,)

    def request(self, source: EventSource, item: ActivityTask, epoch: int) -> WorkRequest:
        headers = (
            ("Content-Type", "application/json"),
            ("Maelstrom-Task-Token", item.token),
            ("Maelstrom-Activity-Arn", quote(item.arn, safe=string.punctuation)),
            ("Maelstrom-Event-Source", source.key.full_name),
            ("Maelstrom-Lease-Epoch", str(epoch)),
        )
        return WorkRequest("POST", _definition(source).path, headers, item.input.encode(errors="replace"))

    # keep

    async def keep(self, source: EventSource, item: ActivityTask, record: SourceRecord) -> None:
        """Heartbeats until AWS says that the task is over; then returns. Ends otherwise only by cancellation.

        A source's interval stays what it was when the task came: AWS cannot be asked for the state's own.
        """
        interval = float(_definition(source).heartbeatseconds)
        await self._clock.sleep(interval * (1 - 0.5 * self._random()))
        while True:
            failures = 0
            while (error := await self._beat(item)) is not None:
                if isinstance(error, TaskGone | InvalidTaskToken):
                    log.info("task given up by AWS", extra={"source": source.key.full_name, "reason": error.message})
                    return
                failures += 1
                record.trouble("keep its tasks alive", error)
                await self._clock.sleep(HEARTBEAT_AGAIN.delay(failures, self._random()))
            record.well("keep its tasks alive")
            await self._clock.sleep(interval * (1 - SPREAD * self._random()))

    async def _beat(self, item: ActivityTask) -> MaelstromError | None:
        try:
            await self._service.heartbeat(item.token)
        except MaelstromError as error:
            return error
        return None

    # settle

    async def settle(
        self, source: EventSource, item: ActivityTask, outcome: Outcome, record: SourceRecord, pause: Pause
    ) -> Settled:
        """Reports until AWS has accepted it or given the task up; only cancellation ends it before."""
        report = verdict(outcome.answer) if isinstance(outcome, Answered) else failure(outcome.error, outcome.reason)
        failures = 0
        while True:
            try:
                await self._report(item, report)
            except OutputRefused as error:
                report = failure(INVALID_OUTPUT, f"Step Functions refuses the component's output: {error.message}")
            except (TaskGone, InvalidTaskToken) as error:
                return self._refused(source, error, report, unsure=failures > 0)
            except MaelstromError as error:
                failures += 1
                record.trouble("report", error)
                await pause(REPORT.delay(failures, self._random()))
            else:
                record.well("report")
                if isinstance(report, TaskFailure):
                    fields = {"source": source.key.full_name, "error": report.error}
                    log.info("a task was reported as failed", extra=fields)
                return Settled.SUCCEEDED if isinstance(report, TaskSuccess) else Settled.FAILED

    async def _report(self, item: ActivityTask, report: TaskSuccess | TaskFailure) -> None:
        if isinstance(report, TaskSuccess):
            await self._service.succeed(item.token, report.output)
        else:
            await self._service.fail(item.token, report)

    def _refused(
        self, source: EventSource, error: MaelstromError, report: TaskSuccess | TaskFailure, *, unsure: bool
    ) -> Settled:
        """After a try whose answer was lost, a task that is over was most likely ended by that very try."""
        if unsure and isinstance(error, TaskGone):
            return Settled.SUCCEEDED if isinstance(report, TaskSuccess) else Settled.FAILED
        level = logging.INFO if isinstance(error, TaskGone) else logging.ERROR
        fields = {"source": source.key.full_name, "code": error.code, "reason": error.message}
        log.log(level, "the outcome of a task came too late", extra=fields)
        return Settled.GONE


def worker_name(node: str, source: EventSource, poller: int) -> str:
    """`<node>/<project>_<source>-<poller>`, as the execution history shows it; a long one is cut before the number."""
    number = f"-{poller}"
    name = _UNFIT_FOR_A_NAME.sub("-", f"{node}/{source.key.full_name}")
    return name[: WORKER_CHARACTERS - len(number)] + number


def _definition(source: EventSource) -> StepFunctionsSource:
    assert isinstance(source.definition, StepFunctionsSource)
    return source.definition
