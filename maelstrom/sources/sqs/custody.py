"""Messages that this node holds: hidden from others while they are worked, then deleted, or shown again.

A message is hidden for `HIDDEN_SECONDS` at a time, so that those of a dead node come back soon, whatever the source's
`visibilitytimeout` is. It must not know why a message is deleted or shown.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from maelstrom.model.clock import Clock
from maelstrom.model.errors import MaelstromError, MessageGone, QueueMissing
from maelstrom.model.source import MAX_VISIBILITY_SECONDS, SourceKey
from maelstrom.plan.backoff import Backoff
from maelstrom.sources.ports import Place, QueueMessage, Random, Spawn, Sqs, Told
from maelstrom.sources.record import SourceRecord
from maelstrom.sources.sqs.batches import Batches

log = logging.getLogger("maelstrom.sources")

HIDDEN_SECONDS = 60  # at a time
EXTEND_SHARE = 0.5  # of that time has passed when a message is hidden again
LAST_SECONDS = 60.0  # before SQS's 12 hours are over: the request ends, so that the message is worked once at a time
EXTEND_AGAIN = Backoff(first=0.25, cap=5.0)
TELL_AGAIN = Backoff(first=0.25, cap=20.0)
OVER = (MessageGone, QueueMissing)  # there is nothing more to say of a message


@dataclass(eq=False, slots=True)
class Held:
    """A message that is hidden for us, and until when by our clock (monotonic)."""

    message: QueueMessage
    place: Place
    visibility: int  # seconds: the source's `visibilitytimeout`
    received: float
    until: float
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)  # one change of its visibility at a time
    settled: bool = False  # its visibility is decided: nobody hides it again

    @property
    def key(self) -> tuple[Place, str]:
        return self.place, self.message.queue

    @property
    def step(self) -> int:
        """Seconds for which it is hidden at a time."""
        return hidden_seconds(self.visibility)

    @property
    def end(self) -> float:
        """When SQS would show it to others whatever we say."""
        return self.received + MAX_VISIBILITY_SECONDS


def hidden_seconds(visibility: int) -> int:
    return min(visibility, HIDDEN_SECONDS)


class Custody:
    """What is said to SQS of messages that are held; those of the same moment share calls."""

    def __init__(self, service: Sqs, *, clock: Clock, random: Random, spawn: Spawn) -> None:
        self._service = service
        self._clock = clock
        self._random = random
        self._deletions: Batches[tuple[Place, str], str] = Batches(self._send_deletions, spawn, "delete messages")
        self._changes: Batches[tuple[Place, str], tuple[str, int]] = Batches(self._send_changes, spawn, "hide messages")

    async def keep(self, held: Held, key: SourceKey, record: SourceRecord) -> None:
        """Hides it again and again; returns when it is not ours any more."""
        while True:
            await self._clock.sleep(held.step * EXTEND_SHARE * (1 - 0.2 * self._random()))
            failures = 0
            while (error := await self._extend(held)) is not None:
                if isinstance(error, OVER):
                    log.info("message given up", extra={"source": key.full_name, "reason": error.message})
                    return
                failures += 1
                record.trouble("keep its messages hidden", error)
                await self._clock.sleep(min(EXTEND_AGAIN.delay(failures, self._random()), held.step * EXTEND_SHARE))
            record.well("keep its messages hidden")

    async def delete(
        self, held: Held, key: SourceKey, record: SourceRecord, pause: Callable[[float], Awaitable[None]]
    ) -> bool:
        """Until SQS has done it; it is kept hidden meanwhile. False: another receipt holds the message."""
        failures = 0
        while (error := await self._deletions.add(held.key, held.message.receipt)) is not None:
            if isinstance(error, OVER):
                fields = {"source": key.full_name, "message_id": held.message.id, "reason": error.message}
                log.warning("a message that was worked could not be deleted any more", extra=fields)
                return False
            failures += 1
            record.trouble("delete its messages", error)
            await pause(TELL_AGAIN.delay(failures, self._random()))
        record.well("delete its messages")
        return True

    async def show(
        self, held: Held, seconds: int, record: SourceRecord, pause: Callable[[float], Awaitable[None]]
    ) -> None:
        """Others see it in so many seconds. What cannot be said in time comes true by itself, or later."""
        async with held.lock:
            held.settled = True
            failures = 0
            while self._clock.monotonic() < held.until:
                error = await self._change(held, seconds)
                if error is None or isinstance(error, OVER):
                    break
                failures += 1
                record.trouble("give messages back", error)
                await pause(TELL_AGAIN.delay(failures, self._random()))
            record.well("give messages back")

    async def _extend(self, held: Held) -> MaelstromError | None:
        async with held.lock:
            if held.settled:
                return None
            if self._clock.monotonic() >= held.end - LAST_SECONDS:
                return MessageGone("SQS hides a message for 12 hours at most")
            return await self._change(held, held.step)

    async def _change(self, held: Held, seconds: int) -> MaelstromError | None:
        begun = self._clock.monotonic()
        error = await self._changes.add(held.key, (held.message.receipt, seconds))
        if error is None:
            held.until = begun + seconds
        return error

    async def _send_deletions(self, key: tuple[Place, str], receipts: Sequence[str]) -> Told:
        return await self._service.at(key[0]).delete(key[1], receipts)

    async def _send_changes(self, key: tuple[Place, str], receipts: Sequence[tuple[str, int]]) -> Told:
        return await self._service.at(key[0]).hide(key[1], receipts)
