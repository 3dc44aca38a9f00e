"""The API calls on activities and task tokens answer as AWS documents it."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.support.aws import Machine, StandIn, one_task, stand_in, until


def code(call: Any, **arguments: Any) -> str:
    """The error code of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer: str = caught.value.response["Error"]["Code"]
    return answer


def scheduled(machine: Machine, execution: str) -> bool:
    return "ActivityScheduled" in machine.events(execution)


def token_of(sfn: Any, activity: str) -> str:
    token: str = sfn.get_activity_task(activityArn=activity)["taskToken"]
    return token


def test_an_activity_is_made_once_however_often_it_is_created(sfn: Any, name: str) -> None:
    first, second = sfn.create_activity(name=name), sfn.create_activity(name=name)
    assert first["activityArn"] == second["activityArn"]
    assert first["activityArn"].endswith(f":activity:{name}")
    assert first["creationDate"] == second["creationDate"]


@pytest.mark.parametrize("wrong", ["a b", "a/b", "a:b", "x" * 81, "a*", "a{b", 'a"', "a\tb", "a\u0085b"])
def test_illegal_names_are_refused(sfn: Any, wrong: str) -> None:
    assert code(sfn.create_activity, name=wrong) == "InvalidName"


def test_names_of_other_alphabets_are_legal(sfn: Any, name: str) -> None:
    assert sfn.create_activity(name=f"{name}-größe")["activityArn"].endswith("größe")


def test_activities_are_listed_page_by_page(sfn: Any, name: str) -> None:
    made = {sfn.create_activity(name=f"{name}-{i}")["activityArn"] for i in range(5)}
    pages: list[set[str]] = []
    token: dict[str, str] = {}
    while True:
        page = sfn.list_activities(maxResults=2, **token)
        pages.append({activity["activityArn"] for activity in page["activities"]})
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert all(len(page) <= 2 for page in pages)
    assert made <= set().union(*pages)
    assert code(sfn.list_activities, nextToken="nonsense") == "InvalidToken"


def test_a_waiting_poll_is_answered_at_once_when_work_comes(sfn: Any, name: str, activity: str) -> None:
    machine = Machine(sfn, name, one_task(activity))
    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(sfn.get_activity_task, activityArn=activity, workerName="node-1/0")
        execution = machine.start({"n": "größe"})
        task = poll.result(10)
    assert json.loads(task["input"]) == {"n": "größe"}
    sfn.send_task_success(taskToken=task["taskToken"], output='{"ok": true}')
    assert machine.output(execution) == {"ok": True}
    assert machine.events(execution) == [
        "ExecutionStarted",
        "TaskStateEntered",
        "ActivityScheduled",
        "ActivityStarted",
        "ActivitySucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ]
    started = machine.history(execution)[3]
    assert started["activityStartedEventDetails"] == {"workerName": "node-1/0"}


def test_a_poll_without_work_comes_back_empty_after_its_time() -> None:
    with stand_in(poll_seconds=0.3) as service:
        sfn = service.client()
        arn = sfn.create_activity(name="idle")["activityArn"]
        assert "taskToken" not in sfn.get_activity_task(activityArn=arn)
        assert service.stop() == 0


def test_a_task_is_not_given_to_a_client_that_has_gone(service: StandIn, sfn: Any, name: str, activity: str) -> None:
    address = urlsplit(service.url)
    body = json.dumps({"activityArn": activity}).encode()
    gone = socket.create_connection((address.hostname, address.port), timeout=5)
    before = service.calls().get("GetActivityTask", 0)
    gone.sendall(
        b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AWSStepFunctions.GetActivityTask\r\n"
        b"Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/states/aws4_request\r\n"
        b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    until(lambda: service.calls().get("GetActivityTask", 0) > before)
    gone.close()
    machine = Machine(sfn, name, one_task(activity))
    execution = machine.start()
    sfn.send_task_success(taskToken=token_of(sfn, activity), output="1")
    assert machine.output(execution) == 1


def test_tasks_are_handed_out_once_and_in_order(sfn: Any, name: str, activity: str) -> None:
    machine = Machine(sfn, name, one_task(activity))
    for n in range(3):
        execution = machine.start(n)
        until(partial(scheduled, machine, execution))
    tasks = [sfn.get_activity_task(activityArn=activity) for _ in range(3)]
    assert [json.loads(task["input"]) for task in tasks] == [0, 1, 2]
    assert len({task["taskToken"] for task in tasks}) == 3


def test_a_task_can_be_ended_only_once(sfn: Any, name: str, activity: str) -> None:
    machine = Machine(sfn, name, one_task(activity))
    execution = machine.start()
    token = token_of(sfn, activity)
    sfn.send_task_success(taskToken=token, output="[]")
    assert code(sfn.send_task_success, taskToken=token, output="[]") == "TaskTimedOut"
    assert code(sfn.send_task_failure, taskToken=token) == "TaskTimedOut"
    assert code(sfn.send_task_heartbeat, taskToken=token) == "TaskTimedOut"
    assert machine.output(execution) == []


@pytest.mark.parametrize(("token", "expected"), [("nonsense", "InvalidToken"), ("AQ" + "0" * 96, "TaskDoesNotExist")])
def test_unknown_tokens_are_told_apart_from_ended_ones(sfn: Any, token: str, expected: str) -> None:
    assert code(sfn.send_task_success, taskToken=token, output="{}") == expected
    assert code(sfn.send_task_failure, taskToken=token) == expected
    assert code(sfn.send_task_heartbeat, taskToken=token) == expected


@pytest.mark.parametrize("output", ["", "nonsense", "{", "NaN", '{"a": Infinity}'])
def test_output_must_be_json_and_the_task_stays_open(sfn: Any, name: str, activity: str, output: str) -> None:
    machine = Machine(sfn, name, one_task(activity))
    execution = machine.start()
    token = token_of(sfn, activity)
    assert code(sfn.send_task_success, taskToken=token, output=output) == "InvalidOutput"
    sfn.send_task_success(taskToken=token, output="0")
    assert machine.output(execution) == 0


def test_limits_are_counted_as_documented(sfn: Any, name: str, activity: str) -> None:
    machine = Machine(sfn, name, one_task(activity))
    execution = machine.start()
    token = token_of(sfn, activity)
    too_long = '"' + "é" * (262_144 // 2) + '"'  # bytes, not characters
    assert code(sfn.send_task_success, taskToken=token, output=too_long) == "ValidationException"
    assert code(sfn.send_task_failure, taskToken=token, error="é" * 257) == "ValidationException"
    assert code(sfn.send_task_failure, taskToken=token, cause="é" * 32_769) == "ValidationException"
    assert code(sfn.get_activity_task, activityArn=activity, workerName="w" * 81) == "ValidationException"
    sfn.send_task_failure(taskToken=token, error="é" * 256, cause="é" * 32_768)
    outcome = machine.output(execution)
    assert outcome == {"status": "FAILED", "error": "é" * 256, "cause": "é" * 32_768}


def test_the_largest_output_passes(sfn: Any, name: str, activity: str) -> None:
    machine = Machine(sfn, name, one_task(activity))
    execution = machine.start()
    output = '"' + "x" * (262_144 - 2) + '"'
    sfn.send_task_success(taskToken=token_of(sfn, activity), output=output)
    assert len(machine.output(execution)) == 262_142


def test_polling_needs_an_activity_that_exists(sfn: Any, name: str, activity: str) -> None:
    assert code(sfn.get_activity_task, activityArn="nonsense") == "InvalidArn"
    sfn.delete_activity(activityArn=activity)
    assert code(sfn.get_activity_task, activityArn=activity) == "ActivityDoesNotExist"
    outcome = Machine(sfn, name, one_task(activity)).run()
    assert outcome["error"] == "States.Runtime"


def test_input_over_the_limit_and_what_is_no_json_is_refused(sfn: Any, name: str, activity: str) -> None:
    machine = Machine(sfn, name, one_task(activity))
    for text in ('"' + "x" * 262_143 + '"', "nonsense"):
        arguments = {"stateMachineArn": machine.arn, "input": text}
        assert code(sfn.start_execution, **arguments) == "InvalidExecutionInput"


def test_faults_come_as_asked_for_and_the_call_may_have_been_done(
    service: StandIn, sfn: Any, name: str, activity: str
) -> None:
    machine = Machine(sfn, name, one_task(activity))
    execution = machine.start()
    token = token_of(sfn, activity)
    service.faults(
        {"action": "SendTaskSuccess", "code": "ThrottlingException"},
        {"action": "SendTaskSuccess", "status": 500, "after": True},
    )
    assert code(sfn.send_task_success, taskToken=token, output="1") == "ThrottlingException"
    assert code(sfn.send_task_success, taskToken=token, output="1") == "InternalFailure"
    assert code(sfn.send_task_success, taskToken=token, output="1") == "TaskTimedOut"
    assert machine.output(execution) == 1
