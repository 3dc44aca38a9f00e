"""State machines treat activity tasks as AWS documents it: timeouts, heartbeats, Retry, Catch, Map, Parallel, stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.aws import Machine, activity_state, one_task, until


class Worker:
    """Works the tasks of an activity in threads; counts how many are open at once."""

    def __init__(self, sfn: Any, activity: str, handle: Callable[[str], str | tuple[str, str]], seconds: float) -> None:
        self._sfn, self._activity, self._handle, self._seconds = sfn, activity, handle, seconds
        self._lock = threading.Lock()
        self.open = self.peak = self.done = 0
        self.stopped = False

    def run(self) -> None:
        while not self.stopped:
            task = self._sfn.get_activity_task(activityArn=self._activity)
            if not task.get("taskToken"):
                continue
            with self._lock:
                self.open += 1
                self.peak = max(self.peak, self.open)
            time.sleep(self._seconds)
            with self._lock:
                self.open -= 1
                self.done += 1
            answer = self._handle(task["input"])
            if isinstance(answer, str):
                self._sfn.send_task_success(taskToken=task["taskToken"], output=answer)
            else:
                self._sfn.send_task_failure(taskToken=task["taskToken"], error=answer[0], cause=answer[1])


@contextmanager
def working(
    sfn: Any, activity: str, handle: Callable[[str], str | tuple[str, str]], *, width: int = 1, seconds: float = 0.0
) -> Iterator[Worker]:
    worker = Worker(sfn, activity, handle, seconds)
    with ThreadPoolExecutor(width) as pool:
        for _ in range(width):
            pool.submit(worker.run)
        try:
            yield worker
        finally:
            worker.stopped = True
            sfn.delete_activity(activityArn=activity)  # ends the polls of its workers


def test_a_task_times_out_from_its_start_on(sfn: Any, name: str, activity: str) -> None:
    machine = Machine(sfn, name, one_task(activity, TimeoutSeconds=1))
    execution = machine.start()
    until(lambda: "ActivityScheduled" in machine.events(execution))
    scheduled = machine.history(execution)[-1]["timestamp"].timestamp()
    until(lambda: time.time() > scheduled + 1.2)  # the time before a worker has it does not count
    token = sfn.get_activity_task(activityArn=activity)["taskToken"]
    assert machine.output(execution)["error"] == "States.Timeout"
    with pytest.raises(ClientError, match="TaskTimedOut"):
        sfn.send_task_success(taskToken=token, output="{}")
    assert "ActivityTimedOut" in machine.events(execution)


def test_heartbeats_keep_a_task_and_their_absence_ends_it(sfn: Any, name: str, activity: str) -> None:
    machine = Machine(sfn, name, one_task(activity, HeartbeatSeconds=1))
    execution = machine.start()
    token = sfn.get_activity_task(activityArn=activity)["taskToken"]
    for _ in range(4):
        time.sleep(0.4)
        sfn.send_task_heartbeat(taskToken=token)
    assert machine.status(execution) == "RUNNING"
    assert machine.output(execution)["error"] == "States.HeartbeatTimeout"
    with pytest.raises(ClientError, match="TaskTimedOut"):
        sfn.send_task_heartbeat(taskToken=token)


def test_a_stopped_execution_ends_its_task_and_what_was_not_handed_out_yet(sfn: Any, name: str, activity: str) -> None:
    machine = Machine(sfn, name, one_task(activity))
    worked = machine.start("worked")
    token = sfn.get_activity_task(activityArn=activity)["taskToken"]
    queued = machine.start("queued")
    until(lambda: "ActivityScheduled" in machine.events(queued))
    machine.stop(worked)
    machine.stop(queued)
    with pytest.raises(ClientError, match="TaskTimedOut"):
        sfn.send_task_heartbeat(taskToken=token)
    wanted = machine.start("wanted")
    assert sfn.get_activity_task(activityArn=activity)["input"] == '"wanted"'
    assert machine.status(worked) == "ABORTED"
    machine.stop(wanted)
    assert machine.events(worked)[-1] == "ExecutionAborted"


def test_a_wait_is_cut_short_by_a_stop(sfn: Any, name: str) -> None:
    machine = Machine(sfn, name, {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 300, "End": True}}})
    execution = machine.start()
    until(lambda: "WaitStateEntered" in machine.events(execution))
    machine.stop(execution)
    assert machine.output(execution)["status"] == "ABORTED"


def test_a_state_machines_own_timeout_ends_the_execution(sfn: Any, name: str, activity: str) -> None:
    machine = Machine(sfn, name, {**one_task(activity), "TimeoutSeconds": 1})
    execution = machine.start()
    token = sfn.get_activity_task(activityArn=activity)["taskToken"]
    assert machine.output(execution)["status"] == "TIMED_OUT"
    with pytest.raises(ClientError, match="TaskTimedOut"):
        sfn.send_task_heartbeat(taskToken=token)


def test_retry_selects_by_error_name_and_backs_off(sfn: Any, name: str, activity: str) -> None:
    retry = [
        {"ErrorEquals": ["Shop.Busy"], "IntervalSeconds": 1, "BackoffRate": 5, "MaxAttempts": 2, "MaxDelaySeconds": 1}
    ]
    machine = Machine(sfn, name, one_task(activity, Retry=retry))
    with working(sfn, activity, lambda _: ("Shop.Busy", "try later")) as worker:
        assert machine.run()["error"] == "Shop.Busy"
    assert worker.done == 3


def test_other_errors_are_not_retried_and_catch_hands_on_error_and_cause(sfn: Any, name: str, activity: str) -> None:
    work = activity_state(
        activity,
        Next="Done",
        Retry=[{"ErrorEquals": ["Shop.Busy"], "IntervalSeconds": 1}],
        Catch=[
            {"ErrorEquals": ["Shop.Other"], "Next": "Other"},
            {"ErrorEquals": ["Shop.SoldOut"], "Next": "Sorry", "ResultPath": "$.why"},
        ],
    )
    ends = {end: {"Type": "Pass", "End": True} for end in ("Done", "Sorry", "Other")}
    machine = Machine(sfn, name, {"StartAt": "Work", "States": {"Work": work, **ends}})
    with working(sfn, activity, lambda _: ("Shop.SoldOut", "none left")) as worker:
        assert machine.run({"item": 7}) == {"item": 7, "why": {"Error": "Shop.SoldOut", "Cause": "none left"}}
    assert worker.done == 1


@pytest.mark.parametrize(
    ("selector", "caught"), [("States.ALL", True), ("States.Timeout", True), ("States.TaskFailed", False)]
)
def test_a_missed_heartbeat_is_a_timeout_to_catch(
    sfn: Any, name: str, activity: str, selector: str, caught: bool
) -> None:
    work = activity_state(activity, Next="End", HeartbeatSeconds=1, Catch=[{"ErrorEquals": [selector], "Next": "End"}])
    machine = Machine(sfn, name, {"StartAt": "Work", "States": {"Work": work, "End": {"Type": "Pass", "End": True}}})
    execution = machine.start()
    sfn.get_activity_task(activityArn=activity)
    machine.output(execution)
    assert machine.status(execution) == ("SUCCEEDED" if caught else "FAILED")


def test_a_map_hands_out_no_more_than_its_concurrency(sfn: Any, name: str, activity: str) -> None:
    machine = Machine(
        sfn,
        name,
        {
            "StartAt": "Each",
            "States": {"Each": {"Type": "Map", "MaxConcurrency": 3, "Iterator": one_task(activity), "End": True}},
        },
    )
    with working(sfn, activity, lambda n: n, width=6, seconds=0.05) as worker:
        assert machine.run(list(range(12))) == list(range(12))
    assert worker.peak == 3


def test_a_failed_branch_fails_its_parallel_at_once_and_ends_the_others(sfn: Any, name: str, activity: str) -> None:
    slow = sfn.create_activity(name=f"{name}-slow")["activityArn"]
    machine = Machine(
        sfn,
        name,
        {
            "StartAt": "Both",
            "States": {
                "Both": {
                    "Type": "Parallel",
                    "Branches": [one_task(slow), one_task(activity)],
                    "Catch": [{"ErrorEquals": ["Broken"], "Next": "Caught"}],
                    "End": True,
                },
                "Caught": {"Type": "Pass", "End": True},
            },
        },
    )
    execution = machine.start()
    token = sfn.get_activity_task(activityArn=slow)["taskToken"]
    failing = sfn.get_activity_task(activityArn=activity)["taskToken"]
    sfn.send_task_failure(taskToken=failing, error="Broken", cause="in two")
    assert machine.output(execution) == {"Error": "Broken", "Cause": "in two"}
    with pytest.raises(ClientError, match="TaskTimedOut"):
        sfn.send_task_success(taskToken=token, output="{}")


def test_branches_of_a_stopped_execution_go_no_further(sfn: Any, name: str, activity: str) -> None:
    both = {"Type": "Parallel", "Branches": [one_task(activity), one_task(activity)], "Next": "After"}
    machine = Machine(sfn, name, {"StartAt": "Both", "States": {"Both": both, "After": {"Type": "Pass", "End": True}}})
    execution = machine.start()
    sfn.get_activity_task(activityArn=activity)
    sfn.get_activity_task(activityArn=activity)
    machine.stop(execution)
    assert machine.output(execution)["status"] == "ABORTED"
    assert machine.events(execution)[-1] == "ExecutionAborted"


def test_choice_and_wait_lead_on(sfn: Any, name: str) -> None:
    machine = Machine(
        sfn,
        name,
        {
            "StartAt": "Big",
            "States": {
                "Big": {
                    "Type": "Choice",
                    "Choices": [{"Variable": "$.n", "NumericGreaterThan": 5, "Next": "Pause"}],
                    "Default": "Small",
                },
                "Pause": {"Type": "Wait", "Seconds": 1, "Next": "Yes"},
                "Yes": {"Type": "Pass", "Result": "big", "End": True},
                "Small": {"Type": "Pass", "Result": "small", "End": True},
            },
        },
    )
    assert machine.run({"n": 9}) == "big"
    assert machine.run({"n": 1}) == "small"


@pytest.mark.parametrize(
    "wrong",
    [
        {"StartAt": "Nowhere", "States": {"A": {"Type": "Pass", "End": True}}},
        {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}},
        {"StartAt": "A", "States": {"A": {"Type": "Map", "Iterator": {"StartAt": "X", "States": {}}, "End": True}}},
        {"States": {}},
    ],
)
def test_definitions_that_lead_nowhere_are_refused(sfn: Any, name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="InvalidDefinition"):
        Machine(sfn, name, wrong)


def test_starting_the_same_execution_again_is_the_same_while_it_runs(sfn: Any, name: str, activity: str) -> None:
    machine = Machine(sfn, name, one_task(activity))
    first = sfn.start_execution(stateMachineArn=machine.arn, name="once", input='{"a": 1}')
    again = sfn.start_execution(stateMachineArn=machine.arn, name="once", input='{"a": 1}')
    assert first["executionArn"] == again["executionArn"]
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        sfn.start_execution(stateMachineArn=machine.arn, name="once", input='{"a": 2}')
    machine.stop(first["executionArn"])
