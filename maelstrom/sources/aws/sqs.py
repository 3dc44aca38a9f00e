"""The calls of SQS, by boto3 in threads: polls that stay open never keep a deletion waiting for one."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from maelstrom.model.errors import AwsUnavailable, MaelstromError, MessageGone
from maelstrom.sources.aws.clients import CALL_SECONDS, Accounts, Client, Lanes
from maelstrom.sources.aws.errors import refusal
from maelstrom.sources.ports import HERE, Place, QueueMessage, Told

log = logging.getLogger("maelstrom.sources")

POLL_SECONDS = 35.0  # without an answer: SQS holds a poll for 20 s at most
POLL_THREADS = 4096  # an open poll is a thread that sleeps in the kernel, some 60 KB
CALL_THREADS = 32
PAGE_SIZE = 1000
SYSTEM_ATTRIBUTES = ["ApproximateReceiveCount", "SentTimestamp", "MessageGroupId"]

# How a receipt that has run out is refused, beside the codes of its own that it has in some cases.
EXPIRED = ("receipt handle", "visibility timeout change", "is not valid")


class AwsSqs:
    """Implements `ports.Sqs` for one place: the daemon's own, or what `at` gives, by the same threads."""

    def __init__(self, accounts: Accounts | None = None, place: Place = HERE, *, lanes: Lanes | None = None) -> None:
        self.accounts = accounts or Accounts()
        self._lanes = lanes or Lanes("aws-sqs", polls=POLL_THREADS, calls=CALL_THREADS)
        self._places: dict[Place, AwsSqs] = {place: self}
        self._poll_client = Client(self.accounts, "sqs", place, POLL_SECONDS, self._lanes.most_polls)
        self._call_client = Client(self.accounts, "sqs", place, CALL_SECONDS, self._lanes.most_calls)

    def at(self, place: Place) -> AwsSqs:
        if place not in self._places:
            self._places[place] = AwsSqs(self.accounts, place, lanes=self._lanes)
        return self._places[place]

    def close(self) -> None:
        self._lanes.close()

    async def find(self, name: str) -> str:
        answer = await self._lanes.call(lambda: self._call_client.call("get_queue_url", QueueName=name))
        return str(answer["QueueUrl"])

    async def find_all(self, prefix: str) -> list[str]:
        return await self._lanes.call(lambda: self._list(prefix))

    async def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Any other call, for people's errands."""
        return await self._lanes.call(lambda: self._call_client.call(method, **arguments))

    async def receive(self, queue: str, *, most: int, wait: int, visibility: int) -> Sequence[QueueMessage]:
        future = self._lanes.poll(lambda: self._receive(queue, most, wait, visibility))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if not future.cancel():  # it runs, or has just returned
                future.add_done_callback(self._too_late)
            raise

    async def delete(self, queue: str, receipts: Sequence[str]) -> Told:
        entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(receipts)]
        return await self._lanes.call(lambda: self._batch("delete_message_batch", queue, entries))

    async def hide(self, queue: str, receipts: Sequence[tuple[str, int]]) -> Told:
        return await self._lanes.call(lambda: self._hide(queue, receipts))

    # in threads

    def _list(self, prefix: str) -> list[str]:
        urls: list[str] = []
        more: dict[str, Any] = {}
        while True:
            page = self._call_client.call("list_queues", QueueNamePrefix=prefix, MaxResults=PAGE_SIZE, **more)
            urls += page.get("QueueUrls", ())
            if not page.get("NextToken"):
                return urls
            more = {"NextToken": page["NextToken"]}

    def _receive(self, queue: str, most: int, wait: int, visibility: int) -> Sequence[QueueMessage]:
        answer = self._poll_client.call(
            "receive_message",
            QueueUrl=queue,
            MaxNumberOfMessages=most,
            WaitTimeSeconds=wait,
            VisibilityTimeout=visibility,
            MessageSystemAttributeNames=SYSTEM_ATTRIBUTES,
            MessageAttributeNames=["All"],
        )
        return [_message(queue, message) for message in answer.get("Messages", ())]

    def _hide(self, queue: str, receipts: Sequence[tuple[str, int]]) -> Told:
        entries = [
            {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
            for number, (receipt, seconds) in enumerate(receipts)
        ]
        return self._batch("change_message_visibility_batch", queue, entries)

    def _batch(self, method: str, queue: str, entries: list[dict[str, Any]]) -> Told:
        answer = self._call_client.call(method, QueueUrl=queue, Entries=entries)
        told: dict[str, MaelstromError | None] = {entry["Id"]: None for entry in answer.get("Successful", ())}
        for entry in answer.get("Failed", ()):
            told[entry["Id"]] = _entry_error(method, entry)
        return [told.get(entry["Id"], AwsUnavailable(f"{method}: not answered")) for entry in entries]

    def _too_late(self, late: Future[Sequence[QueueMessage]]) -> None:
        """A thread of its own: the loop must not block, if this is the loop, and lanes and loop may be closed."""
        if late.exception() is None and (messages := late.result()):
            threading.Thread(target=self._give_back, args=(messages,), name="aws-late", daemon=True).start()

    def _give_back(self, messages: Sequence[QueueMessage]) -> None:
        try:
            self._hide(messages[0].queue, [(message.receipt, 0) for message in reversed(messages)])
        except MaelstromError as error:
            log.warning("messages that came too late come back by themselves", extra={"reason": error.message})


def _entry_error(method: str, entry: dict[str, Any]) -> MaelstromError:
    code, message = entry.get("Code", ""), entry.get("Message", "")
    if entry.get("SenderFault") and any(words in message.lower() for words in EXPIRED):
        return MessageGone(f"{method}: {code}: {message}")
    return refusal("sqs", method, code, message, 400 if entry.get("SenderFault") else 500)


def _message(queue: str, message: dict[str, Any]) -> QueueMessage:
    system = message.get("Attributes", {})
    attributes = {
        name: attribute.get("StringValue", attribute.get("BinaryValue", ""))
        for name, attribute in message.get("MessageAttributes", {}).items()
    }
    return QueueMessage(
        queue,
        message["MessageId"],
        message["ReceiptHandle"],
        message.get("Body", ""),
        int(system.get("ApproximateReceiveCount", 1)),
        int(system.get("SentTimestamp", 0)) / 1000,
        system.get("MessageGroupId", ""),
        attributes,
    )
