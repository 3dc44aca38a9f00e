"""A Step Functions task told its outcome until that is taken, and kept alive until then.

The same for tasks of an activity and for task tokens in messages. It must not know where a task came from.
"""

from __future__ import annotations

import logging

from maelstrom.model.clock import Clock
from maelstrom.model.errors import InvalidTaskToken, MaelstromError, OutputRefused, TaskGone
from maelstrom.model.source import SourceKey
from maelstrom.plan.backoff import Backoff
from maelstrom.sources.kind import Pause, Settled
from maelstrom.sources.outcome import INVALID_OUTPUT, TaskSuccess, failure
from maelstrom.sources.ports import Random, TaskFailure, TaskReports
from maelstrom.sources.record import SourceRecord

log = logging.getLogger("maelstrom.sources")

REPORT = Backoff(first=0.5, cap=20.0)
HEARTBEAT_AGAIN = Backoff(first=0.25, cap=5.0)  # under the second that HeartbeatSeconds 5 leaves beside the interval
SPREAD = 0.2  # share of the interval by which heartbeats come earlier, so that those of many tasks do not coincide

Report = TaskSuccess | TaskFailure


class Reporter:
    """Has no state: what it works on is handed to it."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random

    async def keep_alive(
        self, service: TaskReports, token: str, interval: float, record: SourceRecord, *, at_once: bool = False
    ) -> MaelstromError:
        """Heartbeats at least every `interval` seconds until the service says that the task is over: what it said.

        Ends otherwise only by cancellation. `at_once`: the first is not waited for.
        """
        if not at_once:
            await self._clock.sleep(interval * (1 - 0.5 * self._random()))
        while True:
            failures = 0
            while (error := await self.beat(service, token)) is not None:
                if isinstance(error, TaskGone | InvalidTaskToken):
                    return error
                failures += 1
                record.trouble("keep its tasks alive", error)
                await self._clock.sleep(HEARTBEAT_AGAIN.delay(failures, self._random()))
            record.well("keep its tasks alive")
            await self._clock.sleep(interval * (1 - SPREAD * self._random()))

    async def beat(self, service: TaskReports, token: str) -> MaelstromError | None:
        """One heartbeat; what was wrong with it."""
        try:
            await service.heartbeat(token)
        except MaelstromError as error:
            return error
        return None

    async def tell(
        self, service: TaskReports, token: str, report: Report, key: SourceKey, record: SourceRecord, pause: Pause
    ) -> Settled:
        """Until the service has taken it or given the task up. Raises InvalidTaskToken; only cancellation ends it else.

        After a try whose answer was lost, a task that is over was most likely ended by that very try.
        """
        failures = 0
        while True:
            try:
                await send(service, token, report)
            except OutputRefused as error:
                report = failure(INVALID_OUTPUT, f"Step Functions refuses the component's output: {error.message}")
            except TaskGone as error:
                if failures:
                    return settled_as(report)
                fields = {"source": key.full_name, "code": error.code, "reason": error.message}
                log.info("the outcome of a task came too late", extra=fields)
                return Settled.GONE
            except InvalidTaskToken:
                raise
            except MaelstromError as error:
                failures += 1
                record.trouble("report", error)
                await pause(REPORT.delay(failures, self._random()))
            else:
                record.well("report")
                if isinstance(report, TaskFailure):
                    log.info("a task was reported as failed", extra={"source": key.full_name, "error": report.error})
                return settled_as(report)


async def send(service: TaskReports, token: str, report: Report) -> None:
    """One try. Raises the AWS errors of `model.errors`."""
    if isinstance(report, TaskSuccess):
        await service.succeed(token, report.output)
    else:
        await service.fail(token, report)


def settled_as(report: Report) -> Settled:
    return Settled.SUCCEEDED if isinstance(report, TaskSuccess) else Settled.FAILED
