"""Message move tasks, the way back from a dead letter queue, as the SQS API reference says; MiniStack has none.

A task moves what is visible, oldest first, as new messages: with ids and times of their own. One runs for a queue at a
time; it ends by itself, by being cancelled, or when a message's way back is not known or not there any more. What the
reference leaves open (texts of refusals, reasons of failures) is as seen at the service.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from ministack.services import sqs as engine

Members = dict[str, Any]

MOST_A_SECOND = 500
UNHURRIED = 100  # messages a second unless a call says otherwise: AWS chooses by the backlog
MOST_LISTED = 10


class Move:
    def __init__(self, source: Members, destination: str, rate: int | None) -> None:
        self.source = source
        self.destination = destination  # ARN; empty: each message's own
        self.rate = rate
        self.handle = f"{uuid.uuid4()}.{uuid.uuid4()}"
        self.status, self.reason = "RUNNING", ""
        self.moved, self.total = 0, len(_visible(source))
        self.started = time.time()

    def shown(self) -> Members:
        more: Members = {"DestinationArn": self.destination} if self.destination else {}
        if self.rate is not None:
            more["MaxNumberOfMessagesPerSecond"] = self.rate
        if self.status == "RUNNING":
            more["TaskHandle"] = self.handle
        if self.reason:
            more["FailureReason"] = self.reason
        return more | {
            "Status": self.status,
            "SourceArn": _arn(self.source),
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.total,
            "StartedTimestamp": int(self.started * 1000),
        }


class Moves:
    def __init__(self, tell: Callable[[str], None]) -> None:
        """`tell`: a queue of that URL has a new message."""
        self._tell = tell
        self._moves: list[Move] = []  # the last one first
        self._running: set[asyncio.Task[None]] = set()

    def install(self) -> None:
        engine._HANDLERS.update(
            StartMessageMoveTask=self._start, ListMessageMoveTasks=self._list, CancelMessageMoveTask=self._cancel
        )

    async def _start(self, data: Members, _url: str) -> Members:
        source = _queue(_given(data, "SourceArn"))
        if not any(_dead_letters_of(queue) == _arn(source) for queue in engine._queues.values()):
            raise engine._Err("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
        destination = data.get("DestinationArn") or ""
        if destination and _queue(destination)["is_fifo"] != source["is_fifo"]:
            raise engine._Err("InvalidParameterValue", "Source queue and destination queue must be of the same type.")
        rate = data.get("MaxNumberOfMessagesPerSecond")
        if rate is not None and not 1 <= int(rate) <= MOST_A_SECOND:
            raise engine._Err(
                "InvalidParameterValue",
                f"Value for parameter MaxNumberOfMessagesPerSecond must be 1 to {MOST_A_SECOND}.",
            )
        if any(move.source is source and move.status in ("RUNNING", "CANCELLING") for move in self._moves):
            raise engine._Err(
                "AWS.SimpleQueueService.UnsupportedOperation",
                "There is already a task running. Only one active task is allowed for a source queue arn at a given"
                " time.",
            )
        move = Move(source, destination, None if rate is None else int(rate))
        self._moves.insert(0, move)
        task = asyncio.get_running_loop().create_task(self._run(move), name="message-move")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return {"TaskHandle": move.handle}

    async def _list(self, data: Members, _url: str) -> Members:
        source = _queue(_given(data, "SourceArn"))
        most = int(data.get("MaxResults") or 1)
        if not 1 <= most <= MOST_LISTED:
            raise engine._Err("InvalidParameterValue", f"Value for parameter MaxResults must be 1 to {MOST_LISTED}.")
        return {"Results": [move.shown() for move in self._moves if move.source is source][:most]}

    async def _cancel(self, data: Members, _url: str) -> Members:
        handle = _given(data, "TaskHandle")
        move = next((move for move in self._moves if move.handle == handle and move.status == "RUNNING"), None)
        if move is None:
            raise engine._Err("ResourceNotFoundException", "Task does not exist.", 404)
        move.status = "CANCELLING"
        return {"ApproximateNumberOfMessagesMoved": move.moved}

    async def _run(self, move: Move) -> None:
        """No more than there were at the beginning: what fails again meanwhile is not moved twice."""
        while move.moved < move.total:
            await asyncio.sleep(1 / (move.rate or UNHURRIED))
            if move.status == "CANCELLING":
                move.status = "CANCELLED"
                return
            left = _visible(move.source)
            if not left:
                break
            self._one(move, left[0])
            if move.reason:
                move.status = "FAILED"
                return
        move.status = "COMPLETED"

    def _one(self, move: Move, message: Members) -> None:
        arn = move.destination or message["sys"].get("DeadLetterQueueSourceArn", "")
        destination = engine._queue_by_arn(arn) if arn else None
        if destination is None:
            move.reason = "AWS.SimpleQueueService.NonExistentQueue" if arn else "CouldNotDetermineMessageSource"
            return
        move.source["messages"] = [other for other in move.source["messages"] if other is not message]
        destination["messages"].append(_anew(message, destination))
        move.moved += 1
        self._tell(destination["url"])


def _anew(message: Members, destination: Members) -> Members:
    """The same content as a new message."""
    now = time.time()
    system = {name: value for name, value in message["sys"].items() if name != "DeadLetterQueueSourceArn"}
    moved = message | {
        "id": str(uuid.uuid4()),
        "receipt_handle": None,
        "sent_at": now,
        "visible_at": now,
        "receive_count": 0,
        "first_receive_at": None,
        "sys": system | {"SentTimestamp": str(int(now * 1000))},
    }
    moved.pop("enqueued_at", None)
    if destination["is_fifo"]:
        destination["fifo_seq"] += 1
        moved["seq"] = str(destination["fifo_seq"]).zfill(20)
    return moved


def _visible(queue: Members) -> list[Members]:
    now = time.time()
    return [message for message in queue["messages"] if message.get("visible_at", 0) <= now]


def _dead_letters_of(queue: Members) -> str:
    policy = json.loads(queue["attributes"].get("RedrivePolicy") or "{}")
    return str(policy.get("deadLetterTargetArn", ""))


def _arn(queue: Members) -> str:
    return str(queue["attributes"]["QueueArn"])


def _queue(arn: str) -> Members:
    found: Members | None = engine._queue_by_arn(arn)
    if found is None:
        raise engine._Err("ResourceNotFoundException", "The resource that you specified doesn't exist.", 404)
    return found


def _given(data: Members, name: str) -> str:
    if not data.get(name):
        raise engine._Err("MissingParameter", f"The request must contain the parameter {name}.")
    return str(data[name])
