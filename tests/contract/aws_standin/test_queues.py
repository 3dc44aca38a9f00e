"""Queues beside the activities, and the task tokens that travel through them."""

from __future__ import annotations

import json
from typing import Any

from tests.support.aws import Machine, StandIn


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
