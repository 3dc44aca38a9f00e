"""Message move tasks as the SQS API reference describes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.aws import StandIn, until
from tests.support.queues import Queue, queue


@pytest.fixture
def sqs(service: StandIn) -> Any:
    return service.client("sqs")


@pytest.fixture
def dead(service: StandIn, name: str) -> Queue:
    return queue(service, f"{name}-dead")


@pytest.fixture
def work(service: StandIn, name: str, dead: Queue) -> Queue:
    made = queue(service, name)
    made.set(RedrivePolicy=json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 1}))
    return made


def fail(work: Queue, number: int) -> None:
    """So many messages become dead letters of the queue."""
    work.send_many([str(n) for n in range(number)])
    got = 0
    while got < number:
        got += len(work.receive(MaxNumberOfMessages=10, VisibilityTimeout=0))
    assert work.receive() == []


def tasks(sqs: Any, dead: Queue, **arguments: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sqs.list_message_move_tasks(SourceArn=dead.arn, **arguments)["Results"]
    return found


def ended(sqs: Any, dead: Queue) -> dict[str, Any]:
    """The last task, once it is over."""
    until(lambda: tasks(sqs, dead)[0]["Status"] not in ("RUNNING", "CANCELLING"))
    return tasks(sqs, dead)[0]


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    code: str = caught.value.response["Error"]["Code"]
    return code.rpartition(".")[2]


def received(work: Queue, **arguments: Any) -> Iterator[dict[str, Any]]:
    while got := work.receive(MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"], **arguments):
        yield from got


def test_dead_letters_go_back_to_where_they_came_from_as_new_messages(sqs: Any, work: Queue, dead: Queue) -> None:
    fail(work, 12)
    (before, *_) = dead.receive(VisibilityTimeout=0, MessageSystemAttributeNames=["All"])
    assert before["Attributes"]["DeadLetterQueueSourceArn"] == work.arn
    sqs.start_message_move_task(SourceArn=dead.arn)
    task = ended(sqs, dead)
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 12)
    assert task["ApproximateNumberOfMessagesToMove"] == 12
    assert "DestinationArn" not in task
    assert "TaskHandle" not in task  # of running ones only
    assert dead.counts() == (0, 0)
    back = list(received(work))
    assert [message["Body"] for message in back] == [str(number) for number in range(12)]
    assert back[0]["MessageId"] != before["MessageId"]
    assert back[0]["Attributes"]["ApproximateReceiveCount"] == "1"
    assert "DeadLetterQueueSourceArn" not in back[0]["Attributes"]


def test_they_may_go_elsewhere_at_a_rate_of_ones_own(
    service: StandIn, sqs: Any, name: str, work: Queue, dead: Queue
) -> None:
    other = queue(service, f"{name}-other")
    fail(work, 3)
    sqs.start_message_move_task(SourceArn=dead.arn, DestinationArn=other.arn, MaxNumberOfMessagesPerSecond=500)
    task = ended(sqs, dead)
    assert (task["DestinationArn"], task["MaxNumberOfMessagesPerSecond"]) == (other.arn, 500)
    assert other.counts() == (3, 0)
    assert work.counts() == (0, 0)


def test_one_runs_at_a_time_and_can_be_cancelled(sqs: Any, work: Queue, dead: Queue) -> None:
    fail(work, 10)
    handle = sqs.start_message_move_task(SourceArn=dead.arn, MaxNumberOfMessagesPerSecond=4)["TaskHandle"]
    assert tasks(sqs, dead)[0]["TaskHandle"] == handle
    assert refused(sqs.start_message_move_task, SourceArn=dead.arn) == "UnsupportedOperation"
    until(lambda: tasks(sqs, dead)[0]["ApproximateNumberOfMessagesMoved"] > 0)
    moved = sqs.cancel_message_move_task(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"]
    task = ended(sqs, dead)
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("CANCELLED", moved)
    assert (work.counts()[0], dead.counts()[0]) == (moved, 10 - moved)  # what was moved stays moved
    assert refused(sqs.cancel_message_move_task, TaskHandle=handle) == "ResourceNotFoundException"
    sqs.start_message_move_task(SourceArn=dead.arn)
    assert ended(sqs, dead)["Status"] == "COMPLETED"
    assert [task["Status"] for task in tasks(sqs, dead, MaxResults=10)] == ["COMPLETED", "CANCELLED"]


def test_a_task_fails_where_the_way_back_is_not_known_or_gone(sqs: Any, work: Queue, dead: Queue) -> None:
    dead.send("a")  # by somebody, not by SQS
    sqs.start_message_move_task(SourceArn=dead.arn)
    task = ended(sqs, dead)
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    assert dead.counts() == (1, 0)


def test_only_dead_letter_queues_have_tasks_and_what_is_asked_for_has_bounds(
    service: StandIn, sqs: Any, name: str, work: Queue, dead: Queue
) -> None:
    start = sqs.start_message_move_task
    assert refused(start, SourceArn=work.arn) == "InvalidParameterValue"
    assert refused(start, SourceArn=f"{work.arn}-missing") == "ResourceNotFoundException"
    assert refused(start, SourceArn=dead.arn, DestinationArn=f"{work.arn}-no") == "ResourceNotFoundException"
    assert refused(start, SourceArn=dead.arn, MaxNumberOfMessagesPerSecond=501) == "InvalidParameterValue"
    fifo = queue(service, f"{name}.fifo")
    assert refused(start, SourceArn=dead.arn, DestinationArn=fifo.arn) == "InvalidParameterValue"
    assert refused(sqs.list_message_move_tasks, SourceArn=dead.arn, MaxResults=11) == "InvalidParameterValue"
    assert tasks(sqs, dead) == []
