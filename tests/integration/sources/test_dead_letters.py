"""Dead letter queues of a real SQS service: seen without being kept, moved back without loss and in order."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from maelstrom.model.errors import BadRequest, Conflict, NotFound
from maelstrom.model.source import EventSource, SourceKey, SqsSource
from maelstrom.sources.aws.sqs import AwsSqs
from maelstrom.sources.sqs.dead_letters import DeadLetters
from tests.fakes.sources import COMPONENT, source
from tests.support.aws import StandIn
from tests.support.wait import eventually

ATTRIBUTES = {"Kind": {"DataType": "String", "StringValue": "é"}, "N": {"DataType": "Number", "StringValue": "1"}}


@pytest.fixture
def sqs(aws: StandIn) -> Any:
    return aws.client("sqs")


@pytest.fixture
def letters() -> Iterator[DeadLetters]:
    service = AwsSqs()
    yield DeadLetters(service)
    service.close()


def queue_source(name: str, **fields: Any) -> EventSource:
    definition = SqsSource(queuename=name, path="/", **fields)
    return EventSource(SourceKey("shop", "jobs"), COMPONENT, 1, True, definition, 1)


def make(sqs: Any, name: str, dead: str = "", **attributes: str) -> str:
    """A queue, with another one for its dead letters; its URL."""
    if dead:
        url = sqs.create_queue(QueueName=dead, Attributes=attributes)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
        attributes = {**attributes, "RedrivePolicy": policy}
    made: str = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return made


def fail(sqs: Any, name: str, number: int, attributes: Any, *, first: int = 0) -> None:
    """So many messages become dead letters: they are received twice and not deleted."""
    for begin in range(0, number, 10):
        entries = [
            {"Id": str(n), "MessageBody": str(first + n), "MessageAttributes": attributes}
            for n in range(begin, min(begin + 10, number))
        ]
        sqs.send_message_batch(QueueUrl=url(sqs, name), Entries=entries)
    while sqs.receive_message(QueueUrl=url(sqs, name), MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages"):
        pass


def url(sqs: Any, name: str) -> str:
    found: str = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    return found


def everything(sqs: Any, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while got := sqs.receive_message(
        QueueUrl=url(sqs, name), MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
    ).get("Messages"):
        for message in got:  # deleted, so that a group's next is given out
            sqs.delete_message(QueueUrl=url(sqs, name), ReceiptHandle=message["ReceiptHandle"])
        found += got
    return found


async def rows(moves: AsyncIterator[Any]) -> list[Any]:
    return [row async for row in moves]


async def test_queues_are_listed_with_what_their_dead_letter_queues_hold(
    sqs: Any, letters: DeadLetters, name: str
) -> None:
    make(sqs, f"{name}-1", f"dead-{name}")
    make(sqs, f"{name}-2")
    sqs.send_message(QueueUrl=url(sqs, f"dead-{name}"), MessageBody="x")
    with_one, without = await letters.queues(queue_source(name, nameasprefix=True))
    assert (with_one.queue, with_one.dead_letters) == (f"{name}-1", f"dead-{name}")
    assert (with_one.max_receives, with_one.messages) == (2, 1)
    assert (without.queue, without.dead_letters) == (f"{name}-2", "")


async def test_messages_are_shown_and_there_again_at_once(sqs: Any, letters: DeadLetters, name: str) -> None:
    make(sqs, name, f"dead-{name}")
    ids = {}
    for number in range(23):
        answer = sqs.send_message(
            QueueUrl=url(sqs, f"dead-{name}"),
            MessageBody=f"größe {number}",
            MessageAttributes={"Kind": {"DataType": "String", "StringValue": "a"}},
        )
        ids[answer["MessageId"]] = f"größe {number}"
    found = await letters.messages(queue_source(name), limit=15)
    assert len({row.id for row in found}) == 15
    assert {row.id: row.body for row in found}.items() <= ids.items()
    assert found[0].attributes == {"Kind": "a"}
    again = await letters.messages(queue_source(name), limit=100)
    assert {row.id: row.body for row in again} == ids
    last = next(reversed(ids))
    assert [row.body for row in await letters.messages(queue_source(name), id=last)] == ["größe 22"]
    assert len(everything(sqs, f"dead-{name}")) == 23
    with pytest.raises(NotFound):
        await letters.messages(queue_source(name), id="nobody")


async def test_a_redrive_moves_everything_back_with_its_attributes(sqs: Any, letters: DeadLetters, name: str) -> None:
    make(sqs, name, f"dead-{name}")
    fail(sqs, name, 12, ATTRIBUTES)
    moves = await rows(letters.redrive(queue_source(name)))
    assert (moves[-1].moved, moves[-1].state, moves[-1].by) == (12, "done", "task")
    assert everything(sqs, f"dead-{name}") == []
    back = everything(sqs, name)
    assert sorted(int(message["Body"]) for message in back) == list(range(12))
    assert back[0]["MessageAttributes"] == ATTRIBUTES


async def test_where_the_service_has_no_move_tasks_each_is_sent_and_deleted(
    aws: StandIn, sqs: Any, letters: DeadLetters, name: str
) -> None:
    make(sqs, name, f"dead-{name}")
    fail(sqs, name, 12, ATTRIBUTES)
    aws.faults({"action": "StartMessageMoveTask", "code": "InvalidAction"})
    moves = await rows(letters.redrive(queue_source(name)))
    assert (moves[-1].moved, moves[-1].state, moves[-1].by) == (12, "done", "copy")
    assert everything(sqs, f"dead-{name}") == []
    back = everything(sqs, name)
    assert sorted(int(message["Body"]) for message in back) == list(range(12))
    assert back[0]["MessageAttributes"] == ATTRIBUTES


async def test_messages_that_somebody_had_put_there_go_back_as_well(sqs: Any, letters: DeadLetters, name: str) -> None:
    """SQS's own task stops at the first of them."""
    make(sqs, name, f"dead-{name}")
    fail(sqs, name, 3, ATTRIBUTES)
    sqs.send_message(QueueUrl=url(sqs, f"dead-{name}"), MessageBody="3")
    fail(sqs, name, 2, ATTRIBUTES, first=4)
    moves = await rows(letters.redrive(queue_source(name)))
    assert (moves[-1].moved, moves[-1].state, moves[-1].by) == (6, "done", "copy")
    assert sorted(int(message["Body"]) for message in everything(sqs, name)) == list(range(6))
    # with two queues that they may have come from there is no telling
    make(sqs, f"{name}-2", f"dead-{name}")
    sqs.send_message(QueueUrl=url(sqs, f"dead-{name}"), MessageBody="lost")
    with pytest.raises(BadRequest, match="which queue"):
        await rows(letters.redrive(queue_source(name, nameasprefix=True)))
    moves = await rows(letters.redrive(queue_source(name, nameasprefix=True), to=f"{name}-2"))
    assert (moves[-1].moved, moves[-1].to, moves[-1].by) == (1, f"{name}-2", "task")
    assert [message["Body"] for message in everything(sqs, f"{name}-2")] == ["lost"]


async def test_a_redrive_that_is_stopped_cancels_the_task_and_a_second_one_is_refused_meanwhile(
    sqs: Any, letters: DeadLetters, name: str
) -> None:
    make(sqs, name, f"dead-{name}")
    fail(sqs, name, 200, ATTRIBUTES)  # two seconds of a task
    async with aclosing(letters.redrive(queue_source(name))) as moves:
        async for row in moves:
            assert (row.state, row.total, row.by) == ("running", 200, "task")
            with pytest.raises(Conflict, match="already"):
                await rows(letters.redrive(queue_source(name)))
            break
    dead = sqs.get_queue_attributes(QueueUrl=url(sqs, f"dead-{name}"), AttributeNames=["QueueArn"])["Attributes"]
    await eventually(
        lambda: sqs.list_message_move_tasks(SourceArn=dead["QueueArn"])["Results"][0]["Status"] == "CANCELLED"
    )
    found = everything(sqs, name) + everything(sqs, f"dead-{name}")
    assert sorted(int(message["Body"]) for message in found) == list(range(200))


async def test_a_redrive_stops_after_so_many_and_goes_where_it_is_told(
    sqs: Any, letters: DeadLetters, name: str
) -> None:
    make(sqs, name, f"dead-{name}")
    make(sqs, f"{name}-other")
    for number in range(5):
        sqs.send_message(QueueUrl=url(sqs, f"dead-{name}"), MessageBody=f"{number}")
    moves = await rows(letters.redrive(queue_source(name), most=3, to=f"{name}-other"))
    assert (moves[-1].moved, moves[-1].to, moves[-1].by) == (3, f"{name}-other", "copy")
    assert len(everything(sqs, f"{name}-other")) == 3
    assert len(everything(sqs, f"dead-{name}")) == 2


async def test_fifo_messages_keep_their_groups_and_their_order(sqs: Any, letters: DeadLetters, name: str) -> None:
    make(sqs, f"{name}.fifo", f"dead-{name}.fifo", FifoQueue="true")
    for number in range(6):
        for queue in (f"{name}.fifo", f"dead-{name}.fifo"):  # as if it had been sent and had failed a moment ago
            sqs.send_message(
                QueueUrl=url(sqs, queue),
                MessageBody=f"{number}",
                MessageGroupId=f"g{number % 2}",
                MessageDeduplicationId=f"d{number}",
            )
    everything(sqs, f"{name}.fifo")
    moves = await rows(letters.redrive(queue_source(f"{name}.fifo"), most=100))
    assert moves[-1].moved == 6
    back = [(m["Attributes"]["MessageGroupId"], m["Body"]) for m in everything(sqs, f"{name}.fifo")]
    assert [body for group, body in back if group == "g0"] == ["0", "2", "4"]
    assert [body for group, body in back if group == "g1"] == ["1", "3", "5"]


async def test_a_redrive_that_is_stopped_loses_nothing(sqs: Any, letters: DeadLetters, name: str) -> None:
    make(sqs, name, f"dead-{name}")
    for number in range(25):
        sqs.send_message(QueueUrl=url(sqs, f"dead-{name}"), MessageBody=f"{number}")
    async with aclosing(letters.redrive(queue_source(name), most=25)) as moves:
        async for row in moves:
            assert row.moved
            break
    found = everything(sqs, name) + everything(sqs, f"dead-{name}")
    assert sorted(int(message["Body"]) for message in found) == list(range(25))


async def test_a_source_without_dead_letters_says_so(sqs: Any, letters: DeadLetters, name: str) -> None:
    make(sqs, name)
    for call in (letters.messages(queue_source(name)), rows(letters.redrive(queue_source(name)))):
        with pytest.raises(NotFound, match="no queue with a dead letter queue"):
            await call
    with pytest.raises(NotFound):
        await letters.queues(queue_source(f"{name}-missing"))
    with pytest.raises(BadRequest):
        await letters.queues(source())
