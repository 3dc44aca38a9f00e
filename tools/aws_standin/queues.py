"""Receiving, hiding and deleting messages, as the SQS API reference and developer guide say; the rest is MiniStack's.

What differs from MiniStack: a long poll wakes when a message comes or becomes visible, and ends with its client; only a
message in flight can be hidden for longer, and for twelve hours in all; of a message's receipts the last one counts,
and an older one deletes nothing without being an error, but on FIFO queues, where one that has run out is refused.

Messages stay in MiniStack's own list, so that its other calls (counts, purge, dead-letter queues) go on working.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from ministack.services import sqs as engine

from tools.aws_standin.activities import caller, client_goes, first_of
from tools.aws_standin.moves import Moves

Members = dict[str, Any]
Message = dict[str, Any]

LONGEST_HIDDEN = 43_200  # seconds, from its receipt on
MOST_MESSAGES, LONGEST_WAIT, LARGEST_PAGE = 10, 20, 1_000
UNAVAILABLE = "Message does not exist or is not available for visibility timeout change."


class Queues:
    def __init__(self, *, page_limit: int, wait_seconds: float) -> None:
        """`page_limit`: SQS may answer fewer than were asked for, a test wants to see that. `wait_seconds`: no poll
        lasts longer, whatever it asks for.
        """
        self._page_limit = page_limit
        self._wait_seconds = wait_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news: dict[str, set[asyncio.Event]] = {}  # of the polls that wait, by the queue's URL

    def install(self) -> None:
        send = engine._act_send_message

        def send_and_tell(data: Members, url: str) -> Members:
            answer: Members = send(data, url)
            self._tell(engine._get_q(data.get("QueueUrl", url))["url"])
            return answer

        engine._act_send_message = send_and_tell  # the batch call, and state machines, come by this name
        engine._HANDLERS.update(
            SendMessage=send_and_tell,
            ReceiveMessage=self._receive,
            DeleteMessage=self._one(_delete),
            DeleteMessageBatch=self._batch(_delete, "DeleteMessageBatchRequestEntry"),
            ChangeMessageVisibility=self._one(self._change),
            ChangeMessageVisibilityBatch=self._batch(self._change, "ChangeMessageVisibilityBatchRequestEntry"),
            ListQueues=self._list,
            PurgeQueue=self._telling(engine._HANDLERS["PurgeQueue"]),
            DeleteQueue=self._telling(engine._HANDLERS["DeleteQueue"]),
        )
        Moves(self._tell).install()

    # receive

    async def _receive(self, data: Members, url: str) -> Members:
        queue = engine._get_q(data.get("QueueUrl", url))
        attributes = queue["attributes"]
        most = _within(data, "MaxNumberOfMessages", 1, 1, MOST_MESSAGES)
        asked = _within(data, "WaitTimeSeconds", attributes["ReceiveMessageWaitTimeSeconds"], 0, LONGEST_WAIT)
        wait = min(asked, self._wait_seconds)
        hidden = _within(data, "VisibilityTimeout", attributes["VisibilityTimeout"], 0, LONGEST_HIDDEN)
        names = [*(data.get("AttributeNames") or ()), *(data.get("MessageSystemAttributeNames") or ())]
        taken = _take(queue, most, hidden) or (await self._wait(queue, most, hidden, wait) if wait else [])
        answer = [_shown(message, names, data.get("MessageAttributeNames") or []) for message in taken]
        return {"Messages": answer} if answer else {}

    async def _wait(self, queue: Members, most: int, hidden: int, wait: float) -> list[Message]:
        self._loop = loop = asyncio.get_running_loop()
        until = loop.time() + wait
        news = asyncio.Event()
        polls = self._news.setdefault(queue["url"], set())
        polls.add(news)
        client_gone = loop.create_task(client_goes(caller.get()))
        try:
            while not client_gone.done() and (left := until - loop.time()) > 0:
                if engine._queues.get(queue["url"]) is not queue:
                    raise engine._Err("QueueDoesNotExist", "The specified queue does not exist.")
                news.clear()
                if taken := _take(queue, most, hidden):
                    return taken
                await first_of(news.wait(), client_gone, seconds=min(left, _next_visible(queue)))
            return []
        finally:
            polls.discard(news)
            client_gone.cancel()

    def _tell(self, url: str) -> None:
        if self._loop is not None and (polls := self._news.get(url)):
            for news in list(polls):
                self._loop.call_soon_threadsafe(news.set)

    # delete and hide

    def _change(self, queue: Members, entry: Members) -> None:
        seconds = _within(entry, "VisibilityTimeout", None, 0, LONGEST_HIDDEN)
        message = _find(queue, entry)
        now = time.time()
        if message is None:
            raise engine._Err("InvalidParameterValue", f"Reason: {UNAVAILABLE}")
        if message["visible_at"] <= now:
            raise engine._Err("MessageNotInflight", "The specified message isn't in flight.")
        if now + seconds > message["received_at"] + LONGEST_HIDDEN:
            raise engine._Err(
                "InvalidParameterValue",
                f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the"
                f" message is beyond the limit [{LONGEST_HIDDEN} seconds].",
            )
        message["visible_at"] = now + seconds
        self._tell(queue["url"])

    def _one(self, do: Callable[[Members, Members], None]) -> Callable[[Members, str], Members]:
        def call(data: Members, url: str) -> Members:
            queue = engine._get_q(data.get("QueueUrl", url))
            do(queue, data)
            self._tell(queue["url"])
            return {}

        return call

    def _batch(self, do: Callable[[Members, Members], None], kind: str) -> Callable[[Members, str], Members]:
        def call(data: Members, url: str) -> Members:
            queue = engine._get_q(data.get("QueueUrl", url))
            entries = data.get("Entries") or []
            engine._validate_batch_entries(entries, kind)
            answer: Members = {"Successful": [], "Failed": []}
            for entry in entries:
                try:
                    do(queue, entry)
                except engine._Err as error:
                    refused = {"Code": error.code, "Message": error.message, "SenderFault": True}
                    answer["Failed"].append({"Id": entry["Id"], **refused})
                else:
                    answer["Successful"].append({"Id": entry["Id"]})
            self._tell(queue["url"])
            return answer

        return call

    def _telling(self, real: Callable[[Members, str], Members]) -> Callable[[Members, str], Members]:
        def call(data: Members, url: str) -> Members:
            queue = engine._get_q(data.get("QueueUrl", url))
            answer = real(data, url)
            self._tell(queue["url"])
            return answer

        return call

    def _list(self, data: Members, _url: str) -> Members:
        prefix = data.get("QueueNamePrefix") or ""
        urls = [url for url, queue in engine._queues.items() if queue["name"].startswith(prefix)]
        if data.get("MaxResults") is None:
            return {"QueueUrls": urls[:LARGEST_PAGE]}
        size = min(_within(data, "MaxResults", None, 1, LARGEST_PAGE), self._page_limit)
        start = int(data.get("NextToken") or 0)
        page: Members = {"QueueUrls": urls[start : start + size]}
        if start + size < len(urls):
            page["NextToken"] = str(start + size)
        return page


def _take(queue: Members, most: int, hidden: int) -> list[Message]:
    """Messages that are visible; of a FIFO queue none of a group that has one in flight, and in their order."""
    engine._expire_retained(queue)
    engine._dlq_sweep(queue)
    now = time.time()
    blocked = set(_groups_in_flight(queue["messages"], now)) if queue["is_fifo"] else set()
    taken: list[Message] = []
    for message in queue["messages"]:
        if len(taken) == most:
            break
        if message.get("visible_at", 0) <= now and message.get("group_id") not in blocked:
            taken.append(message)
        elif queue["is_fifo"]:
            blocked.add(message.get("group_id"))  # a delayed one keeps its place in the group
    for message in taken:
        engine._ensure_msg_fields(message)
        message["receipt_handle"] = f"{uuid.uuid4()}.{message['id']}"
        message["received_at"], message["visible_at"] = now, now + hidden
        message["receive_count"] += 1
        message["first_receive_at"] = message["first_receive_at"] or now
    return taken


def _groups_in_flight(messages: Iterable[Message], now: float) -> Iterable[str]:
    for message in messages:
        if message["visible_at"] > now and message["receive_count"] > 0:
            yield message["group_id"]


def _next_visible(queue: Members) -> float:
    now = time.time()
    later = [message["visible_at"] for message in queue["messages"] if message.get("visible_at", 0) > now]
    return max(0.0, min(later, default=now + LONGEST_WAIT) - now) + 0.001


def _find(queue: Members, entry: Members) -> Message | None:
    """The message that the receipt holds; None: it is deleted, or another holds it. Refuses what is no receipt."""
    receipt = entry.get("ReceiptHandle") or ""
    if not receipt:
        raise engine._Err("MissingParameter", "The request must contain the parameter ReceiptHandle.")
    if len(receipt) < 73 or receipt[36] != ".":
        raise engine._Err("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
    messages: list[Message] = queue["messages"]
    return next((message for message in messages if message["receipt_handle"] == receipt), None)


def _delete(queue: Members, entry: Members) -> None:
    message = _find(queue, entry)
    if message is None:
        return
    if queue["is_fifo"] and message["visible_at"] <= time.time():
        raise engine._Err(
            "InvalidParameterValue",
            f"Value {entry['ReceiptHandle']} for parameter ReceiptHandle is invalid. Reason: The receipt handle has"
            " expired.",
        )
    queue["messages"] = [other for other in queue["messages"] if other is not message]


def _shown(message: Message, names: list[str], attribute_names: list[str]) -> Members:
    shown = {
        "MessageId": message["id"],
        "ReceiptHandle": message["receipt_handle"],
        "MD5OfBody": message["md5_body"],
        "Body": message["body"],
    }
    if system := engine._build_sys_attrs(message, names):
        shown["Attributes"] = system
    if attributes := engine._filter_msg_attrs(message["message_attributes"], attribute_names):
        shown["MessageAttributes"] = attributes
        shown["MD5OfMessageAttributes"] = engine._md5_msg_attrs(attributes)
    return shown


def _within(data: Members, name: str, default: object, least: int, most: int) -> int:
    """A number of the call, which SQS refuses out of its bounds."""
    value = data.get(name)
    if value is None:
        if default is None:
            raise engine._Err("MissingParameter", f"The request must contain the parameter {name}.")
        return int(str(default))
    if not least <= int(value) <= most:
        raise engine._Err(
            "InvalidParameterValue",
            f"Value {value} for parameter {name} is invalid. Reason: Must be between {least} and {most}, if provided.",
        )
    return int(value)
