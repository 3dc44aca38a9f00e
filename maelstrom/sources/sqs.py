"""AWS SQS: what is particular to its messages; `poller` does the rest.

    receive   hides a message for a short time only (`HIDDEN_SECONDS`), so that those of a dead node come back soon
    keep      hides it again and again while the request is open
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
from dataclasses import dataclass, field
from typing import Protocol

from maelstrom.activation.work import WorkRequest
from maelstrom.model.clock import Clock
from maelstrom.model.errors import MaelstromError, MessageGone, QueueMissing
from maelstrom.model.source import MAX_VISIBILITY_SECONDS, EventSource, SqsSource
from maelstrom.plan.backoff import Backoff
from maelstrom.sources.kind import Answered, Outcome, Pause, Settled
from maelstrom.sources.ports import Place, QueueMessage, Random, Spawn, Sqs, Told
from maelstrom.sources.record import SourceRecord
from maelstrom.sources.sqs_batches import Batches
from maelstrom.sources.sqs_queues import MOST_WAITING, Walk
from maelstrom.sources.sqs_request import asked_pause, retry_after, series, work_request

log = logging.getLogger("maelstrom.sources")

HIDDEN_SECONDS = 60  # at a time
EXTEND_SHARE = 0.5  # of that time has passed when a message is hidden again
MOST_POLLS = 50
LAST_SECONDS = 60.0  # before SQS's 12 hours are over: the request ends, so that the message is worked once at a time
EXTEND_AGAIN = Backoff(first=0.25, cap=5.0)
DELETE_AGAIN = Backoff(first=0.25, cap=20.0)


class TaskTokens(Protocol):
    """Answers Step Functions for messages that carry a task token."""

    async def keep(self, source: EventSource, message: QueueMessage, record: SourceRecord) -> None:
        """Heartbeats until cancelled; returns when nobody waits for the task any more, or the message has no token."""
        ...

    async def settle(
        self, source: EventSource, message: QueueMessage, outcome: Answered, record: SourceRecord, pause: Pause
    ) -> Settled | None:
        """Reports until the service has taken it; the message is deleted then. None: the message has no token."""
        ...


@dataclass(eq=False, slots=True)
class Held:
    """A message that is hidden for us, and until when by our clock (monotonic)."""

    message: QueueMessage
    received: float
    until: float
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)  # one change of its visibility at a time
    settled: bool = False  # its visibility is decided: nobody hides it again


QueueKey = tuple[Place, str]


class SqsKind:
    """Implements `kind.Kind` of messages."""

    def __init__(
        self, service: Sqs, *, clock: Clock, random: Random, spawn: Spawn, tokens: TaskTokens | None = None
    ) -> None:
        self._service = service
        self._clock = clock
        self._random = random
        self._tokens = tokens
        self._walks: dict[Hashable, Walk] = {}
        self._deletions: Batches[QueueKey, str] = Batches(self._send_deletions, spawn, "delete messages")
        self._changes: Batches[QueueKey, tuple[str, int]] = Batches(self._send_changes, spawn, "hide messages")

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

    async def fetch(self, source: EventSource, wanted: int, poller: int) -> Sequence[Held]:
        definition = _definition(source)
        walk = self._walks.setdefault(self.place(source), Walk())
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
                now = self._clock.monotonic()
                hidden = min(definition.visibilitytimeout, HIDDEN_SECONDS)
                return [Held(message, now, now + hidden) for message in messages]
        return ()

    async def _receive(
        self, definition: SqsSource, walk: Walk, queue: str, wait: int, wanted: int
    ) -> Sequence[QueueMessage]:
        messages: Sequence[QueueMessage] = ()
        walk.asking(queue, wait)
        hidden = min(definition.visibilitytimeout, HIDDEN_SECONDS)
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

    def goes_on(self, source: EventSource, outcome: Outcome) -> bool:
        """Whether the message will be deleted."""
        return isinstance(outcome, Answered) and (outcome.answer.status == 200 or bool(_definition(source).tasktoken))

    def pause(self, outcome: Outcome) -> float:
        return asked_pause(outcome.answer, self._clock.now()) if isinstance(outcome, Answered) else 0.0

    def resumed(self, source: EventSource) -> None:
        if (walk := self._walks.get(self.place(source))) is not None:
            walk.restart(self._clock.monotonic())

    def request(self, source: EventSource, item: Held, epoch: int) -> WorkRequest:
        return work_request(source, _definition(source).path, item.message, epoch)

    # keep

    async def keep(self, source: EventSource, item: Held, record: SourceRecord) -> None:
        """Hides the message again and again; returns when it is not ours any more."""
        hidden = min(_definition(source).visibilitytimeout, HIDDEN_SECONDS)
        end = item.received + MAX_VISIBILITY_SECONDS - LAST_SECONDS
        while True:
            await self._clock.sleep(hidden * EXTEND_SHARE * (1 - 0.2 * self._random()))
            failures = 0
            while (error := await self._extend(source, item, hidden, end)) is not None:
                if isinstance(error, MessageGone):
                    log.info("message given up", extra={"source": source.key.full_name, "reason": error.message})
                    return
                failures += 1
                record.trouble("keep its messages hidden", error)
                await self._clock.sleep(min(EXTEND_AGAIN.delay(failures, self._random()), hidden * EXTEND_SHARE))
            record.well("keep its messages hidden")

    async def _extend(self, source: EventSource, item: Held, seconds: int, end: float) -> MaelstromError | None:
        async with item.lock:
            if item.settled:
                return None
            if self._clock.monotonic() >= end:
                return MessageGone("SQS hides a message for 12 hours at most")
            return await self._change(source, item, seconds)

    async def _change(self, source: EventSource, item: Held, seconds: int) -> MaelstromError | None:
        begun = self._clock.monotonic()
        error = await self._changes.add(self._key(source, item), (item.message.receipt, seconds))
        if error is None:
            item.until = begun + seconds
        return error

    # settle

    async def settle(
        self, source: EventSource, item: Held, outcome: Outcome, record: SourceRecord, pause: Pause
    ) -> Settled:
        if not isinstance(outcome, Answered):
            return await self._show(source, item, 0, record, pause)
        settled: Settled | None = Settled.SUCCEEDED if outcome.answer.status == 200 else None
        if self._tokens is not None and _definition(source).tasktoken:
            settled = await self._tokens.settle(source, item.message, outcome, record, pause) or settled
        if settled is not None:
            return await self._delete(source, item, settled, record, pause)
        return await self._show(source, item, self._comes_back(source, item, outcome), record, pause)

    async def _delete(
        self, source: EventSource, item: Held, settled: Settled, record: SourceRecord, pause: Pause
    ) -> Settled:
        """Until SQS has done it, or another receipt holds the message; it is kept hidden meanwhile."""
        failures = 0
        while (error := await self._deletions.add(self._key(source, item), item.message.receipt)) is not None:
            if isinstance(error, MessageGone | QueueMissing):
                fields = {"source": source.key.full_name, "message": item.message.id, "reason": error.message}
                log.warning("a message that was worked could not be deleted any more", extra=fields)
                return Settled.GONE
            failures += 1
            record.trouble("delete its messages", error)
            await pause(DELETE_AGAIN.delay(failures, self._random()))
        record.well("delete its messages")
        return settled

    def _comes_back(self, source: EventSource, item: Held, outcome: Answered) -> int | None:
        """Seconds until a message that failed is worked again; None: as it is hidden now."""
        now = self._clock.monotonic()
        longest = item.received + MAX_VISIBILITY_SECONDS - now - 1
        asked = retry_after(outcome.answer, self._clock.now())
        if asked is not None:
            return int(max(0.0, min(asked, longest)))
        usual = item.received + _definition(source).visibilitytimeout - now
        return int(min(usual, longest)) if usual > max(1.0, item.until - now) else None

    async def _show(
        self, source: EventSource, item: Held, seconds: int | None, record: SourceRecord, pause: Pause
    ) -> Settled:
        """Others see the message in so many seconds. What cannot be said in time comes true by itself, or later."""
        async with item.lock:
            item.settled = True
            failures = 0
            while seconds is not None and self._clock.monotonic() < item.until:
                error = await self._change(source, item, seconds)
                if error is None or isinstance(error, MessageGone | QueueMissing):
                    break
                failures += 1
                record.trouble("give messages back", error)
                await pause(DELETE_AGAIN.delay(failures, self._random()))
            else:
                return Settled.FAILED
            record.well("give messages back")
        return Settled.FAILED

    def _key(self, source: EventSource, item: Held) -> QueueKey:
        return Place.of(_definition(source)), item.message.queue

    async def _send_deletions(self, key: QueueKey, receipts: Sequence[str]) -> Told:
        return await self._service.at(key[0]).delete(key[1], receipts)

    async def _send_changes(self, key: QueueKey, receipts: Sequence[tuple[str, int]]) -> Told:
        return await self._service.at(key[0]).hide(key[1], receipts)


def _definition(source: EventSource) -> SqsSource:
    assert isinstance(source.definition, SqsSource)
    return source.definition
