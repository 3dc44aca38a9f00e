"""Work for an SQS source: messages, sent as fast as they are taken; each has ended once the queue has none left."""

from __future__ import annotations

import itertools
import json
import threading

from tests.cluster.checks import Outcome
from tests.support.aws import StandIn

WAITING = 10  # messages, at least, that wait to be received
BATCH = 10  # most that one call sends
LOOK_SECONDS = 0.3
COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")


class Queue:
    """`start` feeds a queue until `finish`; then `outcomes` has one entry for each of `items`."""

    def __init__(self, aws: StandIn, name: str) -> None:
        self._client = aws.client("sqs")
        self._name = name
        self._url = ""
        self._numbers = itertools.count()
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._feed, name=f"feed {name}", daemon=True)
        self.items: list[str] = []
        self.outcomes: list[Outcome] = []
        self.failure: BaseException | None = None

    def start(self) -> None:
        self._url = self._client.create_queue(QueueName=self._name)["QueueUrl"]
        self._thread.start()

    def enough(self) -> None:
        """No new messages."""
        self._enough.set()

    def finish(self, within: float) -> None:
        """Until the queue is empty: what was deleted does not come back."""
        self.enough()
        self._thread.join(within)
        assert not self._thread.is_alive(), f"not ended within {within:g} s: {self._counts()} of {self._name}"
        if self.failure is not None:
            raise self.failure
        self.outcomes = [Outcome(item) for item in self.items]

    def _feed(self) -> None:
        try:
            while any(counts := self._counts()) or not self._enough.is_set():
                if counts[0] < WAITING and not self._enough.is_set():
                    for _ in range(WAITING // BATCH):
                        self._send()
                threading.Event().wait(LOOK_SECONDS)
        except Exception as error:  # noqa: BLE001 - raised again in `finish`
            self.failure = error

    def _send(self) -> None:
        batch = [f"{self._name}-{next(self._numbers)}" for _ in range(BATCH)]
        entries = [{"Id": item.rpartition("-")[2], "MessageBody": json.dumps({"item": item})} for item in batch]
        failed = self._client.send_message_batch(QueueUrl=self._url, Entries=entries).get("Failed")
        assert not failed, failed
        self.items += batch

    def _counts(self) -> list[int]:
        found = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=list(COUNTS))["Attributes"]
        return [int(found.get(name, 0)) for name in COUNTS]
