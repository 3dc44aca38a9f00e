"""An SQS queue of the local service, for short tests."""

from __future__ import annotations

from typing import Any

from tests.support.aws import StandIn


class Queue:
    def __init__(self, client: Any, name: str, attributes: dict[str, str]) -> None:
        self._client = client
        self.name = name
        self.url: str = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def send(self, body: str, *, group: str = "", delay: int = 0, **attributes: Any) -> str:
        """The message's id. `attributes`: strings, or bytes for binary ones."""
        typed = {
            name: {"DataType": "Binary", "BinaryValue": value}
            if isinstance(value, bytes)
            else {"DataType": "String", "StringValue": value}
            for name, value in attributes.items()
        }
        more: dict[str, Any] = {"MessageGroupId": group} if group else {}
        if delay:
            more["DelaySeconds"] = delay
        answer = self._client.send_message(QueueUrl=self.url, MessageBody=body, MessageAttributes=typed, **more)
        sent: str = answer["MessageId"]
        return sent

    def send_many(self, bodies: list[str], *, groups: list[str] | None = None) -> None:
        for begin in range(0, len(bodies), 10):
            entries = [{"Id": str(i), "MessageBody": body} for i, body in enumerate(bodies[begin : begin + 10])]
            for i, entry in enumerate(entries):
                if groups is not None:
                    entry["MessageGroupId"] = groups[begin + i]
            answer = self._client.send_message_batch(QueueUrl=self.url, Entries=entries)
            assert not answer.get("Failed"), answer

    def counts(self) -> tuple[int, int]:
        """Messages that can be received, and those that are hidden."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def receive(self, **arguments: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client.receive_message(QueueUrl=self.url, **arguments).get("Messages", [])
        return found

    def set(self, **attributes: str) -> None:
        self._client.set_queue_attributes(QueueUrl=self.url, Attributes=attributes)

    @property
    def arn(self) -> str:
        answer = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        found: str = answer["Attributes"]["QueueArn"]
        return found

    def purge(self) -> None:
        self._client.purge_queue(QueueUrl=self.url)

    def delete(self) -> None:
        self._client.delete_queue(QueueUrl=self.url)


def queue(aws: StandIn, name: str, **attributes: str) -> Queue:
    if name.endswith(".fifo"):
        attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true", **attributes}
    return Queue(aws.client("sqs"), name, attributes)
