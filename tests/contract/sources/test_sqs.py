"""The fake of SQS, by which sources are tested in virtual time, does what the real client does."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from maelstrom.model.errors import (
    AwsNotConfigured,
    AwsRefused,
    AwsThrottled,
    AwsUnavailable,
    MaelstromError,
    MessageGone,
    QueueMissing,
)
from maelstrom.sources.aws.clients import Lanes
from maelstrom.sources.aws.sqs import AwsSqs
from maelstrom.sources.ports import Place, Sqs
from tests.fakes.queues import FakeSqs
from tests.support.aws import StandIn
from tests.support.queues import queue
from tests.support.wait import eventually


class Side(Protocol):
    """A service and what stands behind it."""

    @property
    def service(self) -> Sqs: ...

    def make(self, name: str) -> None: ...

    def send(self, name: str, body: str, group: str = "") -> None: ...


class FakeSide:
    def __init__(self) -> None:
        self.service = FakeSqs()

    def make(self, name: str) -> None:
        self.service.make(name)

    def send(self, name: str, body: str, group: str = "") -> None:
        self.service.send(name, body, group=group)


class RealSide:
    def __init__(self, service: AwsSqs, aws: StandIn) -> None:
        self.service = service
        self._aws = aws

    def make(self, name: str) -> None:
        queue(self._aws, name)

    def send(self, name: str, body: str, group: str = "") -> None:
        queue(self._aws, name).send(body, group=group)


@pytest.fixture
async def real_sqs(aws: StandIn, environ: pytest.MonkeyPatch) -> AsyncIterator[AwsSqs]:
    environ.setenv("AWS_ENDPOINT_URL", aws.url)
    service = AwsSqs(lanes=Lanes("sqs", polls=8, calls=4))
    yield service
    service.close()


@pytest.fixture(params=["fake", "real"])
def side(request: pytest.FixtureRequest) -> Side:
    if request.param == "fake":
        return FakeSide()
    return RealSide(request.getfixturevalue("real_sqs"), request.getfixturevalue("aws"))


@pytest.fixture
def name() -> str:
    return f"q-{uuid.uuid4().hex[:10]}"


async def test_a_queue_is_found_by_name_or_missing(side: Side, name: str) -> None:
    with pytest.raises(QueueMissing):
        await side.service.find(name)
    side.make(name)
    assert (await side.service.find(name)).endswith(f"/{name}")


async def test_queues_are_found_by_prefix_on_all_pages(side: Side, name: str) -> None:
    assert await side.service.find_all(name) == []
    for number in range(90):  # more than two pages
        side.make(f"{name}-{number}")
    side.make(f"x-{name}")
    found = await side.service.find_all(name)
    assert {url.rpartition("/")[2] for url in found} == {f"{name}-{number}" for number in range(90)}


async def test_what_is_received_is_hidden_and_deleted_once(side: Side, name: str) -> None:
    side.make(name)
    url = await side.service.find(name)
    assert await side.service.receive(url, most=10, wait=0, visibility=60) == []
    for body in ("a", "b"):
        side.send(name, body)
    found = await side.service.receive(url, most=10, wait=2, visibility=60)
    assert sorted(message.body for message in found) == ["a", "b"]
    assert {(message.queue, message.receives) for message in found} == {(url, 1)}
    assert await side.service.receive(url, most=10, wait=0, visibility=60) == []
    receipts = [message.receipt for message in found]
    assert list(await side.service.hide(url, [(receipt, 0) for receipt in receipts])) == [None, None]
    again = await side.service.receive(url, most=10, wait=2, visibility=60)
    assert {message.receives for message in again} == {2}
    assert list(await side.service.delete(url, [message.receipt for message in again])) == [None, None]
    assert await side.service.receive(url, most=10, wait=0, visibility=60) == []


async def test_a_poll_waits_for_an_arrival(side: Side, name: str) -> None:
    side.make(name)
    url = await side.service.find(name)
    poll = asyncio.get_running_loop().create_task(side.service.receive(url, most=1, wait=20, visibility=60))
    await asyncio.sleep(0.1)
    side.send(name, "a")
    assert [message.body for message in await asyncio.wait_for(poll, 5)] == ["a"]


async def test_a_receipt_that_does_not_hold_its_message_any_more_hides_nothing(side: Side, name: str) -> None:
    side.make(name)
    url = await side.service.find(name)
    side.send(name, "a")
    (old,) = await side.service.receive(url, most=1, wait=2, visibility=0)
    (new,) = await side.service.receive(url, most=1, wait=2, visibility=60)
    gone, done = await side.service.hide(url, [(old.receipt, 60), (new.receipt, 60)])
    assert isinstance(gone, MessageGone)
    assert done is None


async def test_a_receipt_of_a_fifo_queue_that_has_run_out_is_gone(side: Side, name: str) -> None:
    side.make(f"{name}.fifo")
    url = await side.service.find(f"{name}.fifo")
    side.send(f"{name}.fifo", "a", "g")
    (held,) = await side.service.receive(url, most=1, wait=2, visibility=0)
    assert held.group == "g"
    (gone,) = await side.service.delete(url, [held.receipt])
    assert isinstance(gone, MessageGone)


async def test_a_missing_queue_is_said_by_every_call(side: Side, name: str) -> None:
    side.make(name)
    url = (await side.service.find(name)) + "-none"
    with pytest.raises(QueueMissing):
        await side.service.receive(url, most=1, wait=0, visibility=60)
    with pytest.raises(QueueMissing):
        await side.service.hide(url, [("x", 1)])


# the real one alone


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"code": "RequestThrottled"}, AwsThrottled),
        ({"code": "ThrottlingException"}, AwsThrottled),
        ({"code": "OverLimit"}, AwsThrottled),
        ({"code": "InternalFailure", "status": 500}, AwsUnavailable),
        ({"code": "AccessDeniedException"}, AwsRefused),
        ({"code": "com.amazonaws.sqs#QueueDoesNotExist"}, QueueMissing),
        ({"code": "AWS.SimpleQueueService.NonExistentQueue"}, QueueMissing),
        ({"code": "InvalidClientTokenId"}, AwsNotConfigured),
        ({"code": "ReceiptHandleIsInvalid"}, MessageGone),
    ],
)
async def test_each_refusal_has_its_meaning(
    aws: StandIn, real_sqs: AwsSqs, fault: dict[str, object], expected: type[MaelstromError]
) -> None:
    aws.faults({"action": "DeleteMessageBatch", **fault})
    with pytest.raises(expected) as caught:
        await real_sqs.delete("http://q/1/a", ["x"])
    assert type(caught.value) is expected
    if expected is AwsRefused:
        assert "allow sqs:GetQueueUrl" in caught.value.hint


async def test_a_cancelled_poll_gives_back_what_it_brings(aws: StandIn, real_sqs: AwsSqs, name: str) -> None:
    work = queue(aws, name)
    url = await real_sqs.find(name)
    before = aws.calls().get("ReceiveMessage", 0)
    poll = asyncio.get_running_loop().create_task(real_sqs.receive(url, most=1, wait=20, visibility=300))
    await eventually(lambda: aws.calls().get("ReceiveMessage", 0) > before)
    poll.cancel()
    work.send("a")
    await eventually(lambda: asyncio.to_thread(lambda: bool(work.receive(VisibilityTimeout=0))))


async def test_a_place_has_its_own_region_address_and_role(
    aws: StandIn, environ: pytest.MonkeyPatch, name: str
) -> None:
    environ.delenv("AWS_DEFAULT_REGION")
    environ.setenv("AWS_ENDPOINT_URL_STS", aws.url)
    service = AwsSqs(lanes=Lanes("sqs", polls=8, calls=4))
    with pytest.raises(AwsNotConfigured, match="region"):
        await service.find(name)
    queue(aws, name)
    there = Place("eu-west-1", aws.url)
    assert await service.at(there).find(name)
    assert service.at(there) is service.at(Place("eu-west-1", aws.url))
    with pytest.raises(QueueMissing):  # another account has no such queue
        await service.at(Place("eu-west-1", aws.url, "arn:aws:iam::111122223333:role/reader")).find(name)
    service.close()


async def test_a_role_that_cannot_be_assumed_is_said_and_hinders_nobody_else(
    aws: StandIn, environ: pytest.MonkeyPatch, real_sqs: AwsSqs, name: str
) -> None:
    queue(aws, name)
    environ.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    with pytest.raises(AwsUnavailable):
        await real_sqs.at(Place("", "", "arn:aws:iam::111122223333:role/reader")).find(name)
    assert await real_sqs.find(name)
