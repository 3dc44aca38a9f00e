"""AWS SQS: what is particular to its messages; `poller` does the rest.

    receive   hides a message for a short time
    keep      hides it again and again while the request is open (`custody`)
    200       deletes it; exactly 200
    else      leaves it to its redelivery, after `visibilitytimeout` or what Retry-After says
    refused   (stop, lost lease) shows it to others at once

Messages of one group of a FIFO queue are worked one after the other; when one fails, those behind it are shown again
before it, the last one first, so that the order holds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable, Sequence
from typing import Protocol

from maelstrom.activation.work import WorkRequest
from maelstrom.model.clock import Clock
from maelstrom.model.errors import MaelstromError, QueueMissing
from maelstrom.model.source import EventSource, SqsSource
from maelstrom.sources.kind import INTERNAL, NOT_NOW, Answered, Outcome, Pause, Refused, Settled
from maelstrom.sources.ports import Deferrable, Place, QueueMessage, Random, Spawn, Sqs
from maelstrom.sources.record import SourceRecord
from maelstrom.sources.sqs.custody import Custody, Held, hidden_seconds
from maelstrom.sources.sqs.request import asked_pause, retry_after, series, task_token, work_request
from maelstrom.sources.sqs.walk import LONGEST_WAIT, MOST_WAITING, Walk

log = logging.getLogger("maelstrom.sources")

MOST_POLLS = 50


class TaskTokens(Protocol):
    """Answers Step Functions for messages that carry a task token."""

    async def keep(self, source: EventSource, message: QueueMessage, record: SourceRecord) -> None:
        """Heartbeats; returns when nobody waits for the task any more, whose message is deleted then.

        Does not return otherwise, also where the message has no token.
        """
        ...

    async def settle(
        self, source: EventSource, message: QueueMessage, outcome: Answered, record: SourceRecord, pause: Pause
    ) -> Settled | None:
        """Reports until the service has taken it; the message is deleted then. None: the message has no token."""
        ...


class SqsKind:
    """Implements `kind.Kind` of messages."""

    gives_back = True

    def __init__(
        self, service: Sqs, *, clock: Clock, random: Random, spawn: Spawn, tokens: TaskTokens | None = None
    ) -> None:
        self._service = service
        self._clock = clock
        self._spawn = spawn
        self._custody = Custody(service, clock=clock, random=random, spawn=spawn)
        self._tokens = tokens
        self._walks: dict[Hashable, Walk] = {}

    # fetch

    def batch(self, source: EventSource) -> int:
        return _definition(source).messagesperpoll

    def place(self, source: EventSource) -> tuple[Place, str, bool]:
        definition = _definition(source)
        return Place.of(definition), definition.queuename, definition.nameasprefix

    def most_fetches(self, source: EventSource) -> int:
        return MOST_POLLS

    def idle_fetches(self, source: EventSource) -> int:
        """One; of several queues one each, with at most half of the slots: the other half is for what they bring."""
        walk = self._walks.get(self.place(source))
        queues = len(walk.queues) if walk is not None else 1
        return max(1, min(queues, MOST_WAITING, (source.maxconcurrency or 1) // 2))

    def width(self, source: EventSource) -> int:
        return _definition(source).concurrencyperpoller

    def _walk(self, source: EventSource) -> Walk:
        """With each new one those go that nobody has used for long; after a long pause the list is only read anew."""
        place = self.place(source)
        if place not in self._walks:
            now = self._clock.monotonic()
            self._walks = {known: walk for known, walk in self._walks.items() if not walk.left(now)}
            self._walks[place] = Walk()
        return self._walks[place]

    async def fetch(self, source: EventSource, wanted: int, poller: int) -> Sequence[Held]:
        definition = _definition(source)
        walk = self._walk(source)
        first = not walk.queues
        if walk.stale(self._clock.monotonic()):
            await self._read(definition, walk)
        for _ in range(2 * len(walk.queues) + 1):  # a round at most, and what others move on meanwhile
            if not walk.queues:
                break
            queue, wait = walk.next(self._clock.monotonic())
            if first and wait and len(walk.queues) > 1:
                break  # now that they are known, each can have a fetch of its own
            if (messages := await self._receive(definition, walk, queue, wait, wanted)) or wait:
                now, visibility = self._clock.monotonic(), definition.visibilitytimeout
                until = now + hidden_seconds(visibility)
                place = Place.of(definition)
                return [Held(message, place, visibility, now, until) for message in messages]
        return ()

    async def _receive(
        self, definition: SqsSource, walk: Walk, queue: str, wait: int, wanted: int
    ) -> Sequence[QueueMessage]:
        messages: Sequence[QueueMessage] = ()
        walk.asking(queue, wait)
        hidden = hidden_seconds(definition.visibilitytimeout)
        service = self._service.at(Place.of(definition))
        try:
            messages = await service.receive(queue, most=min(wanted, 10), wait=wait, visibility=hidden)
        except QueueMissing:
            walk.gone(queue)
            if not definition.nameasprefix:
                raise
        finally:
            walk.asked(queue, wait, brought=bool(messages), now=self._clock.monotonic())
        return messages

    async def _read(self, definition: SqsSource, walk: Walk) -> None:
        """The list of queues; one that was read before is used on while it cannot be read again."""
        if walk.reading and walk.queues:
            return
        service = self._service.at(Place.of(definition))
        walk.reading = True
        try:
            if definition.nameasprefix:
                urls = await service.find_all(definition.queuename)
            else:
                urls = walk.queues or [await service.find(definition.queuename)]
        except MaelstromError as error:
            if not walk.queues:
                raise
            log.warning("the list of queues is not read again", extra={"reason": error.message})
            urls = walk.queues
        finally:
            walk.reading = False
        if not urls:
            walk.queues = []
            raise QueueMissing(f"no queue's name begins with {definition.queuename}")
        walk.found(urls, self._clock.monotonic())

    def in_order(self, items: Sequence[Held]) -> Sequence[Sequence[Held]]:
        held = {item.message.receipt: item for item in items}
        return [[held[message.receipt] for message in one] for one in series(item.message for item in items)]

    def goes_on(self, source: EventSource, item: Held, outcome: Outcome) -> bool:
        """Whether the message will be deleted."""
        if not isinstance(outcome, Answered) or outcome.answer.code == "draining":
            return False
        return outcome.answer.status == 200 or task_token(item.message.body, _definition(source).tasktoken) is not None

    def pause(self, outcome: Outcome) -> float:
        return asked_pause(outcome.answer, self._clock.now()) if isinstance(outcome, Answered) else 0.0

    def resumed(self, source: EventSource) -> None:
        if (walk := self._walks.get(self.place(source))) is not None:
            walk.restart(self._clock.monotonic())

    def request(self, source: EventSource, item: Held, epoch: int) -> WorkRequest:
        definition = _definition(source)
        return work_request(source, definition.path, item.message, epoch, definition.tasktoken)

    # keep

    async def keep(self, source: EventSource, item: Held, record: SourceRecord) -> None:
        """Hides the message again and again; returns when it is not ours any more, or nobody waits for its task."""
        with record.holding(item.message.sent_at):
            if self._tokens is None or not _definition(source).tasktoken:
                await self._custody.keep(item, source.key, record)
            else:
                await self._keep_task(self._tokens, source, item, record)

    async def _keep_task(self, tokens: TaskTokens, source: EventSource, item: Held, record: SourceRecord) -> None:
        name = source.key.full_name
        hiding = self._spawn(self._custody.keep(item, source.key, record), f"hide {name}")
        beating = self._spawn(tokens.keep(source, item.message, record), f"beat {name}")
        try:
            await asyncio.wait({hiding, beating}, return_when=asyncio.FIRST_COMPLETED)
            if not hiding.done() and beating.exception() is not None:  # which is logged by its owner
                await asyncio.wait({hiding})
            if not hiding.done():
                await self._custody.delete(item, source.key, record, self._clock.sleep)
        finally:
            hiding.cancel()
            beating.cancel()

    # settle

    async def defer(
        self, source: EventSource, item: Held, outcome: Outcome, slot: Deferrable, record: SourceRecord
    ) -> None:
        """A message is answered at once: 202 is no promise here."""

    async def settle(
        self, source: EventSource, item: Held, outcome: Outcome, record: SourceRecord, pause: Pause
    ) -> Settled:
        if not isinstance(outcome, Answered) or outcome.answer.code == "draining":
            if not isinstance(outcome, Refused) or outcome.error != INTERNAL:  # which would only happen again at once
                # not at once where polls are open that would only receive it again
                await self._custody.show(item, LONGEST_WAIT if outcome == NOT_NOW else 0, record, pause)
            return Settled.FAILED
        settled: Settled | None = Settled.SUCCEEDED if outcome.answer.status == 200 else None
        if self._tokens is not None and _definition(source).tasktoken:
            settled = await self._tokens.settle(source, item.message, outcome, record, pause) or settled
        if settled is not None:
            return settled if await self._custody.delete(item, source.key, record, pause) else Settled.GONE
        if (seconds := self._comes_back(item, outcome)) is not None:
            await self._custody.show(item, seconds, record, pause)
        return Settled.FAILED

    def _comes_back(self, item: Held, outcome: Answered) -> int | None:
        """Seconds until a message that failed is worked again; None: as it is hidden now."""
        now = self._clock.monotonic()
        longest = item.end - now - 1
        asked = retry_after(outcome.answer, self._clock.now())
        if asked is not None:
            return int(max(0.0, min(asked, longest)))
        usual = item.received + item.visibility - now
        return int(min(usual, longest)) if usual > max(1.0, item.until - now) else None


def _definition(source: EventSource) -> SqsSource:
    assert isinstance(source.definition, SqsSource)
    return source.definition
