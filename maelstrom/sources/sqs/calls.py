"""What dead letters need of SQS, call by call: arguments and answers are the service's own. ARNs name queues."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from maelstrom.model.errors import MaelstromError
from maelstrom.sources.ports import Place

BATCH = 10


class Queues(Protocol):
    """`aws.sqs.AwsSqs`: any call of SQS by boto3's name for it, and queues by name."""

    def at(self, place: Place) -> Queues: ...

    async def call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        """Raises the AWS errors of `model.errors`."""
        ...

    async def find(self, name: str) -> str: ...

    async def find_all(self, prefix: str) -> list[str]: ...


async def attributes_of(service: Queues, url: str, names: list[str]) -> Mapping[str, str]:
    found: Mapping[str, str] = (await service.call("get_queue_attributes", QueueUrl=url, AttributeNames=names)).get(
        "Attributes", {}
    )
    return found


async def arn_of(service: Queues, url: str) -> str:
    return str((await attributes_of(service, url, ["QueueArn"]))["QueueArn"])


async def url_of(service: Queues, arn: str) -> str:
    account, name = arn.split(":")[-2:]
    return str((await service.call("get_queue_url", QueueName=name, QueueOwnerAWSAccountId=account))["QueueUrl"])


async def receive(service: Queues, url: str, most: int, seconds: int) -> list[dict[str, Any]]:
    answer = await service.call(
        "receive_message",
        QueueUrl=url,
        MaxNumberOfMessages=most,
        WaitTimeSeconds=1,
        VisibilityTimeout=seconds,
        MessageSystemAttributeNames=["All"],
        MessageAttributeNames=["All"],
    )
    return list(answer.get("Messages", ()))


async def give_back(service: Queues, url: str, receipts: Sequence[str]) -> None:
    """The last first, so that groups keep their order. What cannot be given back comes back by itself."""
    for begin in range(0, len(receipts), BATCH):
        some = list(reversed(receipts))[begin : begin + BATCH]
        entries = [{"Id": str(n), "ReceiptHandle": r, "VisibilityTimeout": 0} for n, r in enumerate(some)]
        with contextlib.suppress(MaelstromError):
            await service.call("change_message_visibility_batch", QueueUrl=url, Entries=entries)


def queue_name(arn: str) -> str:
    return arn.rpartition(":")[2]
