"""Queues beside the activities, and the task tokens that travel through them."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from tests.support.aws import Machine, StandIn, until
from tests.support.queues import Queue, queue


def test_a_message_travels(service: StandIn, name: str) -> None:
    sqs = service.client("sqs")
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="größe")
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)["Messages"]
    assert message["Body"] == "größe"
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)


def test_a_token_sent_by_queue_ends_its_state(service: StandIn, sfn: Any, name: str) -> None:
    sqs = service.client("sqs")
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    machine = Machine(
        sfn,
        name,
        {
            "StartAt": "Ask",
            "States": {
                "Ask": {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                    "Parameters": {"QueueUrl": queue, "MessageBody": {"token.$": "$$.Task.Token"}},
                    "End": True,
                }
            },
        },
    )
    execution = machine.start()
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    token = json.loads(message["Body"])["token"]
    sfn.send_task_heartbeat(taskToken=token)
    sfn.send_task_success(taskToken=token, output='{"answer": 42}')
    assert machine.output(execution) == {"answer": 42}


# The rules of the SQS developer guide and API reference that a consumer depends on.


def refused(call: Any, **arguments: Any) -> str:
    """The code with which SQS refuses a call."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    code: str = caught.value.response["Error"]["Code"]
    return code.rpartition(".")[2]


@pytest.fixture
def sqs(service: StandIn) -> Any:
    return service.client("sqs")


@pytest.fixture
def work(service: StandIn, name: str) -> Queue:
    return queue(service, name)


@pytest.fixture
def fifo(service: StandIn, name: str) -> Queue:
    return queue(service, f"{name}.fifo")


def bodies(messages: list[dict[str, Any]]) -> list[str]:
    return [message["Body"] for message in messages]


def test_a_received_message_is_hidden_for_its_time_and_counted(work: Queue) -> None:
    work.send("a", kind="x", raw=b"\x00\xff")
    names = {"MessageSystemAttributeNames": ["All"], "MessageAttributeNames": ["All"]}
    (first,) = work.receive(VisibilityTimeout=1, **names)
    assert first["Attributes"]["ApproximateReceiveCount"] == "1"
    assert first["MessageAttributes"]["kind"]["StringValue"] == "x"
    assert first["MessageAttributes"]["raw"]["BinaryValue"] == b"\x00\xff"
    assert work.receive() == []
    assert work.counts() == (0, 1)
    (second,) = work.receive(WaitTimeSeconds=3, **names)
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    assert second["Attributes"]["SentTimestamp"] == first["Attributes"]["SentTimestamp"]
    assert second["ReceiptHandle"] != first["ReceiptHandle"]


def test_at_most_ten_messages_at_a_time_and_none_twice(work: Queue) -> None:
    work.send_many([str(number) for number in range(25)])
    batches = [work.receive(MaxNumberOfMessages=10) for _ in range(4)]
    assert [len(batch) for batch in batches] == [10, 10, 5, 0]
    assert len({body for batch in batches for body in bodies(batch)}) == 25


@pytest.mark.parametrize(
    "arguments",
    [{"MaxNumberOfMessages": 11}, {"MaxNumberOfMessages": 0}, {"WaitTimeSeconds": 21}, {"VisibilityTimeout": 43_201}],
)
def test_what_a_receive_asks_for_has_bounds(sqs: Any, work: Queue, arguments: dict[str, int]) -> None:
    assert refused(sqs.receive_message, QueueUrl=work.url, **arguments) == "InvalidParameterValue"


def test_a_long_poll_is_answered_by_an_arrival(work: Queue) -> None:
    with ThreadPoolExecutor() as threads:
        poll = threads.submit(work.receive, WaitTimeSeconds=20)
        until(lambda: poll.running())
        begun = time.monotonic()
        work.send("a")
        assert bodies(poll.result()) == ["a"]
        assert time.monotonic() - begun < 5


def test_a_long_poll_is_answered_by_what_becomes_visible_again(sqs: Any, work: Queue) -> None:
    work.send("a")
    (held,) = work.receive(VisibilityTimeout=300)
    with ThreadPoolExecutor() as threads:
        poll = threads.submit(work.receive, WaitTimeSeconds=20)
        sqs.change_message_visibility(QueueUrl=work.url, ReceiptHandle=held["ReceiptHandle"], VisibilityTimeout=1)
        assert bodies(poll.result()) == ["a"]


def test_a_delayed_message_comes_later(work: Queue) -> None:
    work.send("a", delay=1)
    assert work.receive() == []
    assert bodies(work.receive(WaitTimeSeconds=5)) == ["a"]


def test_a_client_that_has_gone_gets_nothing(service: StandIn, work: Queue) -> None:
    impatient = service.client("sqs", read_timeout=0.5)
    with pytest.raises(ReadTimeoutError):
        impatient.receive_message(QueueUrl=work.url, WaitTimeSeconds=20)
    work.send("a")
    assert bodies(work.receive(WaitTimeSeconds=2)) == ["a"]


def test_only_a_message_in_flight_is_hidden_for_longer(sqs: Any, work: Queue) -> None:
    work.send("a")
    (held,) = work.receive(VisibilityTimeout=1)
    change = {"QueueUrl": work.url, "ReceiptHandle": held["ReceiptHandle"]}
    sqs.change_message_visibility(**change, VisibilityTimeout=60)
    assert work.receive(WaitTimeSeconds=2) == []
    sqs.change_message_visibility(**change, VisibilityTimeout=0)
    assert refused(sqs.change_message_visibility, **change, VisibilityTimeout=60) == "MessageNotInflight"
    (again,) = work.receive()
    assert refused(sqs.change_message_visibility, **change, VisibilityTimeout=9) == "InvalidParameterValue"
    change["ReceiptHandle"] = again["ReceiptHandle"]
    assert refused(sqs.change_message_visibility, **change, VisibilityTimeout=43_201) == "InvalidParameterValue"
    sqs.delete_message(**change)
    assert refused(sqs.change_message_visibility, **change, VisibilityTimeout=9) == "InvalidParameterValue"
    change["ReceiptHandle"] = "nonsense"
    assert refused(sqs.change_message_visibility, **change, VisibilityTimeout=9) == "ReceiptHandleIsInvalid"


def test_only_the_last_receipt_deletes_and_an_older_one_is_no_error(sqs: Any, work: Queue) -> None:
    work.send("a")
    (old,) = work.receive(VisibilityTimeout=0)
    (new,) = work.receive(VisibilityTimeout=0)
    sqs.delete_message(QueueUrl=work.url, ReceiptHandle=old["ReceiptHandle"])
    assert work.counts() == (1, 0)
    for _ in range(2):  # a second time is no error either
        sqs.delete_message(QueueUrl=work.url, ReceiptHandle=new["ReceiptHandle"])
    assert work.counts() == (0, 0)


def test_a_batch_tells_of_each_entry(sqs: Any, work: Queue) -> None:
    work.send_many(["a", "b"])
    a, b = work.receive(MaxNumberOfMessages=10)
    entries = [{"Id": "1", "ReceiptHandle": a["ReceiptHandle"]}, {"Id": "2", "ReceiptHandle": "nonsense"}]
    answer = sqs.delete_message_batch(QueueUrl=work.url, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ["1"]
    assert [(e["Id"], e["Code"], e["SenderFault"]) for e in answer["Failed"]] == [("2", "ReceiptHandleIsInvalid", True)]
    change = [{"Id": "1", "ReceiptHandle": b["ReceiptHandle"], "VisibilityTimeout": 0}]
    assert len(sqs.change_message_visibility_batch(QueueUrl=work.url, Entries=change)["Successful"]) == 1
    assert bodies(work.receive()) == ["b"]
    eleven = [{"Id": str(i), "ReceiptHandle": b["ReceiptHandle"]} for i in range(11)]
    assert refused(sqs.delete_message_batch, QueueUrl=work.url, Entries=eleven) == "TooManyEntriesInBatchRequest"
    assert refused(sqs.delete_message_batch, QueueUrl=work.url, Entries=[]) == "EmptyBatchRequest"


def test_a_group_of_a_fifo_queue_is_locked_while_one_of_it_is_in_flight(sqs: Any, fifo: Queue) -> None:
    fifo.send_many(["a1", "a2", "b1", "a3"], groups=["a", "a", "b", "a"])
    first = fifo.receive(MaxNumberOfMessages=2)
    assert bodies(first) == ["a1", "a2"]
    assert bodies(fifo.receive(MaxNumberOfMessages=10)) == ["b1"]
    for held in reversed(first):
        change = {"ReceiptHandle": held["ReceiptHandle"], "VisibilityTimeout": 0}
        sqs.change_message_visibility(QueueUrl=fifo.url, **change)
    assert bodies(fifo.receive(MaxNumberOfMessages=10)) == ["a1", "a2", "a3"]


def test_a_fifo_queue_takes_a_message_once_within_five_minutes(fifo: Queue) -> None:
    assert fifo.send("a", group="g") == fifo.send("a", group="g")
    assert bodies(fifo.receive(MaxNumberOfMessages=10)) == ["a"]


def test_a_receipt_of_a_fifo_queue_that_has_run_out_deletes_nothing(sqs: Any, fifo: Queue) -> None:
    fifo.send("a", group="g")
    (held,) = fifo.receive(VisibilityTimeout=0)
    receipt = held["ReceiptHandle"]
    assert refused(sqs.delete_message, QueueUrl=fifo.url, ReceiptHandle=receipt) == "InvalidParameterValue"
    assert fifo.counts() == (1, 0)


def test_a_message_that_was_received_too_often_goes_to_the_dead_letter_queue(service: StandIn, name: str) -> None:
    dead = queue(service, f"{name}-dead")
    policy = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 2})
    work = queue(service, name, RedrivePolicy=policy)
    work.send("a")
    for _ in range(2):
        assert bodies(work.receive(VisibilityTimeout=0)) == ["a"]
    assert work.receive() == []
    (moved,) = dead.receive(MessageSystemAttributeNames=["All"])
    assert moved["Attributes"]["ApproximateReceiveCount"] == "3"


def test_queues_are_listed_by_prefix_and_in_pages(sqs: Any, service: StandIn, name: str) -> None:
    made = {queue(service, f"{name}-{number}").url for number in range(5)}
    queue(service, f"x-{name}")
    found, more = [], {}
    while True:
        page = sqs.list_queues(QueueNamePrefix=name, MaxResults=2, **more)
        found.append(page["QueueUrls"])
        if "NextToken" not in page:
            break
        more = {"NextToken": page["NextToken"]}
    assert [len(urls) for urls in found] == [2, 2, 1]
    assert {url for urls in found for url in urls} == made
    assert sqs.list_queues(QueueNamePrefix=f"{name}-none").get("QueueUrls", []) == []


def test_a_queue_that_is_deleted_ends_its_polls(sqs: Any, work: Queue) -> None:
    with ThreadPoolExecutor() as threads:
        poll = threads.submit(work.receive, WaitTimeSeconds=20)
        until(lambda: poll.running())
        work.delete()
        with pytest.raises(ClientError, match="does not exist"):
            poll.result()
    assert refused(sqs.get_queue_url, QueueName=work.name) in ("QueueDoesNotExist", "NonExistentQueue")
