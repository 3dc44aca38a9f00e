"""AWS Step Functions activities: what is particular to them; `poller` does the rest.

One task is one request. Exactly one report follows, unless AWS gives the task up first; heartbeats keep it alive from
its arrival until the report is accepted. Facts of the AWS side: spec of event sources, 6.2.
"""

from __future__ import annotations

import asyncio
import logging
import re
import string
from collections.abc import Sequence
from urllib.parse import quote

from maelstrom.activation.work import WorkRequest
from maelstrom.model.clock import Clock
from maelstrom.model.errors import ActivityMissing, InvalidTaskToken
from maelstrom.model.source import EventSource, StepFunctionsSource
from maelstrom.sources.kind import Answered, Outcome, Pause, Refused, Settled
from maelstrom.sources.outcome import failure, verdict
from maelstrom.sources.ports import ActivityTask, Deferrable, Place, Random, StepFunctions, TaskFailure
from maelstrom.sources.record import SourceRecord
from maelstrom.sources.step_functions.later import LaterAnswers
from maelstrom.sources.step_functions.reports import Reporter

log = logging.getLogger("maelstrom.sources")

STOPPED = TaskFailure("Maelstrom.Stopped", "the node that worked on the task was stopped")
MOST_POLLS = 200  # AWS allows 1,000 per activity, of all nodes; each that brings a task makes way for the next
WORKER_CHARACTERS = 80
_UNFIT_FOR_A_NAME = re.compile(r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class StepFunctionsKind:
    """Implements `kind.Kind` of activity tasks."""

    gives_back = False  # a task is handed out once

    def __init__(self, service: StepFunctions, later: LaterAnswers, *, node: str, clock: Clock, random: Random) -> None:
        self._service = service
        self._later = later
        self._node = node
        self._reporter = Reporter(clock, random)

    def _of(self, source: EventSource) -> StepFunctions:
        return self._service.at(Place.of(_definition(source)))

    # fetch

    def batch(self, source: EventSource) -> int:
        return 1

    def place(self, source: EventSource) -> tuple[Place, str]:
        return Place.of(_definition(source)), _definition(source).activityname

    def most_fetches(self, source: EventSource) -> int:
        return MOST_POLLS

    def idle_fetches(self, source: EventSource) -> int:
        return MOST_POLLS

    def width(self, source: EventSource) -> int:
        return _definition(source).concurrencyperpoller

    async def fetch(self, source: EventSource, wanted: int, poller: int) -> Sequence[ActivityTask]:
        name, service = _definition(source).activityname, self._of(source)
        arn = await service.activity(name)
        try:
            task = await service.poll(arn, worker_name(self._node, source, poller), unclaimed=STOPPED)
        except ActivityMissing:
            service.forget(name)
            raise
        return () if task is None else (task,)

    def in_order(self, items: Sequence[ActivityTask]) -> Sequence[Sequence[ActivityTask]]:
        return [(item,) for item in items]

    def goes_on(self, source: EventSource, item: ActivityTask, outcome: Outcome) -> bool:
        return True

    def pause(self, outcome: Outcome) -> float:
        return 0.0

    def resumed(self, source: EventSource) -> None:
        """Nothing to begin anew."""

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
        service = self._of(source)
        with self._later.in_work(source.key, item.token, service, record) as task:
            error = await self._reporter.keep_alive(service, item.token, interval, record)
            if task.told is not None:
                await asyncio.Event().wait()  # its component has answered it by other ways, and may still be at work
        log.info("task given up by AWS", extra={"source": source.key.full_name, "reason": error.message})

    # settle

    async def settle(
        self, source: EventSource, item: ActivityTask, outcome: Outcome, record: SourceRecord, pause: Pause
    ) -> Settled:
        """Reports until AWS has accepted it or given the task up; only cancellation ends it before."""
        if (told := self._later.told(item.token)) is not None:
            return told
        report = verdict(outcome.answer) if isinstance(outcome, Answered) else failure(outcome.error, outcome.reason)
        try:
            return await self._reporter.tell(self._of(source), item.token, report, source.key, record, pause)
        except InvalidTaskToken as error:
            fields = {"source": source.key.full_name, "code": error.code, "reason": error.message}
            log.error("AWS does not know a task that it gave out", extra=fields)
            return Settled.GONE

    async def defer(
        self, source: EventSource, item: ActivityTask, outcome: Outcome, slot: Deferrable, record: SourceRecord
    ) -> Settled | Refused | None:
        """A 202 where the source takes promises: its slot is deferred, with heartbeats until it is."""
        definition = _definition(source)
        if not definition.answers_later or not isinstance(outcome, Answered) or outcome.answer.status != 202:
            return None
        settled = await self._later.defer(
            slot,
            float(definition.answerseconds),
            key=source.key,
            token=item.token,
            service=self._of(source),
            record=record,
        )
        return settled or Refused("Maelstrom.LeaseLost", "the component will answer later, but its slot cannot wait")


def worker_name(node: str, source: EventSource, poller: int) -> str:
    """`<node>/<project>_<source>-<poller>`, as the execution history shows it; a long one is cut before the number."""
    number = f"-{poller}"
    name = _UNFIT_FOR_A_NAME.sub("-", f"{node}/{source.key.full_name}")
    return name[: WORKER_CHARACTERS - len(number)] + number


def _definition(source: EventSource) -> StepFunctionsSource:
    assert isinstance(source.definition, StepFunctionsSource)
    return source.definition
