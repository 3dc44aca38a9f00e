"""Step Functions tasks that came in a message (`.waitForTaskToken`): they get what the component answers.

The message is deleted once its task has been answered, or is over: then nobody waits for its work any more. A message
without a token, or with one that AWS does not know, is a message like any other.
"""

from __future__ import annotations

import asyncio
import logging

from maelstrom.model.clock import Clock
from maelstrom.model.errors import InvalidTaskToken
from maelstrom.model.source import EventSource, SqsSource
from maelstrom.sources.kind import Answered, Pause, Settled
from maelstrom.sources.outcome import verdict
from maelstrom.sources.ports import Place, QueueMessage, Random, StepFunctions
from maelstrom.sources.record import SourceRecord
from maelstrom.sources.sqs.request import task_token
from maelstrom.sources.step_functions.reports import Reporter

log = logging.getLogger("maelstrom.sources")

HEARTBEAT_SECONDS = 4.0  # under the least HeartbeatSeconds that makes sense; AWS cannot be asked for the state's own


class MessageTasks:
    """Implements `kind.TaskTokens`."""

    def __init__(self, service: StepFunctions, *, clock: Clock, random: Random) -> None:
        self._service = service
        self._reporter = Reporter(clock, random)

    async def keep(self, source: EventSource, message: QueueMessage, record: SourceRecord) -> None:
        token, service = self._task(source, message)
        if token is not None:
            # At once: the message may have waited for longer than the task's HeartbeatSeconds leaves, or than it lives.
            error = await self._reporter.keep_alive(service, token, HEARTBEAT_SECONDS, record, at_once=True)
            if not isinstance(error, InvalidTaskToken):
                log.info("task given up by AWS", extra={"source": source.key.full_name, "reason": error.message})
                return
        await asyncio.Event().wait()

    async def settle(
        self, source: EventSource, message: QueueMessage, outcome: Answered, record: SourceRecord, pause: Pause
    ) -> Settled | None:
        token, service = self._task(source, message)
        if token is None:
            fields = {"source": source.key.full_name, "message_id": message.id}
            log.warning("a message has no task token where its source says that it has", extra=fields)
            return None
        try:
            return await self._reporter.tell(service, token, verdict(outcome.answer), source.key, record, pause)
        except InvalidTaskToken as error:
            fields = {"source": source.key.full_name, "message_id": message.id, "reason": error.message}
            log.warning("AWS does not know the task token of a message", extra=fields)
            return None

    def _task(self, source: EventSource, message: QueueMessage) -> tuple[str | None, StepFunctions]:
        definition = source.definition
        assert isinstance(definition, SqsSource)
        return task_token(message.body, definition.tasktoken), self._service.at(Place.of(definition).elsewhere)
