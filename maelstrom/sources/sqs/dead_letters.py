"""Dead letter queues of SQS sources: what is in them, and the way back.

SQS cannot be looked into: to see messages is to receive them, and there is no cursor: to see more is to receive more at
once. They are hidden for a moment, then given back at once; a look that dies hides them for `LOOK_SECONDS` at most. The
way back is SQS's own move task; where the service has none, stops at a message that somebody else had sent there, or
only so many are wanted, each message is sent first and then deleted, one after the other, so that one may come twice
but none is lost. It must not know who asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from maelstrom.model.dead_letters import DeadLetter, DeadLetterQueue, Redrive
from maelstrom.model.errors import AwsRefused, BadRequest, Conflict, MaelstromError, NotFound, QueueMissing
from maelstrom.model.source import EventSource, SqsSource
from maelstrom.sources.ports import Place
from maelstrom.sources.sqs.calls import BATCH, Queues, arn_of, attributes_of, give_back, queue_name, receive, url_of

LOOK_SECONDS = 30  # messages are hidden so long if a look dies
LOOKING_SECONDS = 15.0  # a look takes no longer
MOVE_SECONDS = 60  # one message is sent and deleted well within
PROGRESS_SECONDS = 1.0
AT_ONCE = 8  # queues asked beside each other
BODY_CHARACTERS = 65_536
_NO_MOVES = re.compile(
    r"InvalidAction|UnsupportedOperation|UnknownOperation|NotImplemented|unknown action", re.IGNORECASE
)
_NO_ORIGIN = (
    "CouldNotDetermineMessageSource"  # why a task fails at a message that did not become a dead letter by itself
)
_COUNTS = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]


@dataclass(frozen=True, slots=True)
class Found:
    """A queue with a dead letter queue."""

    row: DeadLetterQueue
    arn: str
    target: str  # ARN of the dead letter queue


class DeadLetters:
    """Of all SQS sources of this node. Raises the AWS errors of `model.errors`, NotFound, BadRequest, Conflict."""

    def __init__(self, service: Queues) -> None:
        self._service = service

    async def queues(self, source: EventSource) -> list[DeadLetterQueue]:
        """Every queue of the source, by name."""
        return [found.row for found in await self._found(source)]

    async def messages(self, source: EventSource, *, id: str = "", limit: int = BATCH) -> list[DeadLetter]:
        """Up to `limit`, or the one with that id. Raises NotFound."""
        service = self._at(source)
        seen: dict[str, DeadLetter] = {}
        for arn in await self._targets(source):
            left = limit - len(seen) if not id else 1_000
            if left > 0:
                seen |= await self._look(service, arn, left, id)
            if id in seen:
                return [seen[id]]
        if id:
            raise NotFound(f"no message {id[:100]!a} was found", hint="it may be in work; look again in a minute")
        return list(seen.values())[:limit]

    async def redrive(
        self, source: EventSource, *, most: int | None = None, to: str = ""
    ) -> AsyncGenerator[Redrive, None]:
        """Progress, then one last row for each dead letter queue. Closed early, it stops moving."""
        service = self._at(source)
        found = [one for one in await self._found(source) if one.target]
        destination = await arn_of(service, await service.find(to)) if to else ""
        left = most
        for target in await self._targets(source, found):
            origins = [one.arn for one in found if one.target == target]
            moves = self._copy(service, target, destination, origins, left)
            if left is None:
                moves = self._move(service, target, destination, origins)
            async with contextlib.aclosing(moves):
                async for row in moves:
                    yield row
            if left is not None:
                left -= row.moved
                if left <= 0:
                    return

    # queues

    def _at(self, source: EventSource) -> Queues:
        return self._service.at(Place.of(_definition(source)))

    async def _found(self, source: EventSource) -> list[Found]:
        definition, service = _definition(source), self._at(source)
        if definition.nameasprefix:
            urls = await service.find_all(definition.queuename)
        else:
            urls = [await service.find(definition.queuename)]
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(url: str) -> Found:
            async with gate:
                return await _inspect(service, url)

        return list(await asyncio.gather(*(one(url) for url in sorted(urls))))

    async def _targets(self, source: EventSource, found: Sequence[Found] | None = None) -> list[str]:
        """The dead letter queues, each once. Raises NotFound if there is none."""
        found = await self._found(source) if found is None else found
        targets = list(dict.fromkeys(one.target for one in found if one.target))
        if not targets:
            raise NotFound(
                f"{source.key.full_name} has no queue with a dead letter queue",
                hint="set a RedrivePolicy on the queue (deadLetterTargetArn, maxReceiveCount)",
            )
        return targets

    # looks

    async def _look(self, service: Queues, arn: str, limit: int, id: str) -> dict[str, DeadLetter]:
        url = await url_of(service, arn)
        seen: dict[str, DeadLetter] = {}
        receipts: list[str] = []
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOKING_SECONDS):
                    while len(seen) < limit and id not in seen:
                        got = await receive(service, url, min(BATCH, limit - len(seen)), LOOK_SECONDS)
                        if not got:
                            break
                        receipts += [message["ReceiptHandle"] for message in got]
                        seen |= {message["MessageId"]: _shown(arn, message) for message in got}
        finally:
            await give_back(service, url, receipts)
        return seen

    # moves

    async def _move(
        self, service: Queues, target: str, destination: str, origins: list[str]
    ) -> AsyncGenerator[Redrive, None]:
        """By SQS itself; by copying where it cannot."""
        to = {"DestinationArn": destination} if destination else {}
        try:
            begun = await service.call("start_message_move_task", SourceArn=target, **to)
        except MaelstromError as error:
            if "already" in error.message:
                raise Conflict(
                    f"{queue_name(target)} is being redriven already", hint="wait until that is done"
                ) from error
            if not _NO_MOVES.search(error.message):
                raise
            async for row in self._copy(service, target, destination, origins, None):
                yield row
            return
        row = Redrive(queue_name(target), queue_name(destination), 0, 0, "running", "task")
        try:
            while row.state == "running":
                tasks = (await service.call("list_message_move_tasks", SourceArn=target, MaxResults=1)).get("Results")
                task = tasks[0] if tasks else {"Status": "COMPLETED"}
                row = _progress(row, task)
                if row.state == "failed":
                    break
                yield row
                if row.state == "running":
                    await asyncio.sleep(PROGRESS_SECONDS)
        finally:
            if row.state == "running":
                with contextlib.suppress(MaelstromError):
                    await service.call("cancel_message_move_task", TaskHandle=begun["TaskHandle"])
        if row.state == "failed":
            if _NO_ORIGIN not in (reason := task.get("FailureReason", "")):
                raise AwsRefused(f"the move of {row.queue} failed after {row.moved} messages: {reason}")
            async for rest in self._copy(service, target, destination, origins, None):
                yield replace(rest, moved=row.moved + rest.moved, total=row.moved + rest.total)

    async def _copy(
        self, service: Queues, target: str, destination: str, origins: list[str], most: int | None
    ) -> AsyncGenerator[Redrive, None]:
        """No more than there are at the beginning: what fails again meanwhile must not go round for ever."""
        url = await url_of(service, target)
        counts = await attributes_of(service, url, _COUNTS[:1])
        total = int(counts.get(_COUNTS[0], 0))
        most = max(total, 1) if most is None else most
        row = Redrive(queue_name(target), queue_name(destination), 0, min(total, most), "running", "copy")
        while row.moved < most:
            got = await receive(service, url, min(BATCH, most - row.moved), MOVE_SECONDS)
            if not got:
                break
            try:
                while got:
                    await self._send_on(service, url, got[0], destination or _origin(got[0], origins))
                    got.pop(0)
                    row = replace(row, moved=row.moved + 1)
            finally:
                await give_back(service, url, [message["ReceiptHandle"] for message in got])
            yield row
        yield replace(row, state="done")

    async def _send_on(self, service: Queues, url: str, message: Mapping[str, Any], destination: str) -> None:
        to = await url_of(service, destination)
        system = message.get("Attributes", {})
        more: dict[str, Any] = {}
        if message.get("MessageAttributes"):
            more["MessageAttributes"] = message["MessageAttributes"]
        if trace := system.get("AWSTraceHeader"):
            more["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": trace}}
        if to.endswith(".fifo"):
            more["MessageGroupId"] = system.get("MessageGroupId", "redriven")
            # Not the message's own: within five minutes of its first sending SQS would take it for a copy, and drop it.
            more["MessageDeduplicationId"] = f"redrive-{message['MessageId']}"
        elif group := system.get("MessageGroupId"):
            more["MessageGroupId"] = group
        await service.call("send_message", QueueUrl=to, MessageBody=message["Body"], **more)
        await service.call("delete_message", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


async def _inspect(service: Queues, url: str) -> Found:
    attributes = await attributes_of(service, url, ["QueueArn", "RedrivePolicy"])
    arn = str(attributes.get("QueueArn", ""))
    policy = json.loads(attributes.get("RedrivePolicy") or "{}")
    target = str(policy.get("deadLetterTargetArn", ""))
    row = DeadLetterQueue(queue_name(arn) or url.rpartition("/")[2])
    if target:
        counts: Mapping[str, str] = {}
        with contextlib.suppress(QueueMissing):  # a policy may name a queue that was deleted
            counts = await attributes_of(service, await url_of(service, target), _COUNTS)
        row = DeadLetterQueue(
            row.queue,
            queue_name(target),
            int(policy.get("maxReceiveCount", 0)),
            int(counts.get(_COUNTS[0], 0)),
            int(counts.get(_COUNTS[1], 0)),
        )
    return Found(row, arn, target)


def _shown(arn: str, message: Mapping[str, Any]) -> DeadLetter:
    system, body = message.get("Attributes", {}), message.get("Body", "")
    return DeadLetter(
        queue_name(arn),
        message["MessageId"],
        body[:BODY_CHARACTERS],
        len(body) > BODY_CHARACTERS,
        len(body),
        int(system.get("ApproximateReceiveCount", 0)),
        int(system.get("SentTimestamp", 0)) / 1000,
        system.get("MessageGroupId", ""),
        queue_name(system.get("DeadLetterQueueSourceArn", "")),
        {k: str(v.get("StringValue", "(bytes)")) for k, v in message.get("MessageAttributes", {}).items()},
    )


def _origin(message: Mapping[str, Any], origins: list[str]) -> str:
    known = message.get("Attributes", {}).get("DeadLetterQueueSourceArn") or (origins[0] if len(origins) == 1 else "")
    if not known:
        raise BadRequest("SQS does not say which queue a message came from", hint="say where to with --to")
    return str(known)


def _progress(row: Redrive, task: Mapping[str, Any]) -> Redrive:
    moved = int(task.get("ApproximateNumberOfMessagesMoved", row.moved))
    total = int(task.get("ApproximateNumberOfMessagesToMove") or row.total)
    state = {"RUNNING": "running", "CANCELLING": "running", "FAILED": "failed"}.get(task["Status"], "done")
    return replace(row, moved=moved, total=total, state=state)


def _definition(source: EventSource) -> SqsSource:
    if not isinstance(source.definition, SqsSource):
        raise BadRequest(f"{source.key.full_name} is no sqs source but {source.type}", hint="see `maelctl es ls`")
    return source.definition
