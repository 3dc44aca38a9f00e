"""Work for a Step Functions source: executions of many items, started as fast as they end, and what became of them.

A state machine tries each item again whatever happens to it on the way; only the component's own refusal is final.
"""

from __future__ import annotations

import itertools
import json
import threading
from typing import Any

from tests.cluster.checks import Outcome
from tests.cluster.ledger import FAILING
from tests.support.aws import ROLE, StandIn, activity_state

BATCH = 10  # items of one execution
OPEN = 10  # of them at a time
AHEAD = 2  # executions that run at a time: more items wait than any limit lets through
LOOK_SECONDS = 0.3


class Steps:
    """`start` feeds an activity until `finish`; then `outcomes` has one entry for each of `items`."""

    def __init__(self, aws: StandIn, activity: str, *, task_seconds: int, heartbeat_seconds: int) -> None:
        self._client = aws.client()
        self._activity = activity
        self._seconds = {"TimeoutSeconds": task_seconds, "HeartbeatSeconds": heartbeat_seconds}
        self._numbers = itertools.count()
        self._running: dict[str, list[str]] = {}
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._feed, name=f"feed {activity}", daemon=True)
        self._machine = ""
        self.items: list[str] = []
        self.outcomes: list[Outcome] = []
        self.failure: BaseException | None = None

    def start(self) -> None:
        arn = self._client.create_activity(name=self._activity)["activityArn"]
        definition = json.dumps(_machine(arn, self._seconds))
        created = self._client.create_state_machine(name=self._activity, definition=definition, roleArn=ROLE)
        self._machine = created["stateMachineArn"]
        self._thread.start()

    def enough(self) -> None:
        """No new items."""
        self._enough.set()

    def finish(self, within: float) -> None:
        """Until everything that was started has ended."""
        self.enough()
        self._thread.join(within)
        assert not self._thread.is_alive(), f"not ended within {within:g} s: {self._left()} items of {self._activity}"
        if self.failure is not None:
            raise self.failure

    def _left(self) -> int:
        return len(self.items) - len(self.outcomes)

    def _feed(self) -> None:
        try:
            while self._running or not self._enough.is_set():
                while len(self._running) < AHEAD and not self._enough.is_set():
                    self._begin()
                for execution in list(self._running):
                    self._look(execution)
                threading.Event().wait(LOOK_SECONDS)
        except Exception as error:  # noqa: BLE001 - raised again in `finish`
            self.failure = error

    def _begin(self) -> None:
        batch = [f"{self._activity}-{next(self._numbers)}" for _ in range(BATCH)]
        self.items += batch
        data = json.dumps({"items": [{"item": item} for item in batch]})
        execution = self._client.start_execution(stateMachineArn=self._machine, input=data)["executionArn"]
        self._running[execution] = batch

    def _look(self, execution: str) -> None:
        seen = self._client.describe_execution(executionArn=execution)
        if seen["status"] == "RUNNING":
            return
        assert seen["status"] == "SUCCEEDED", f"every item has its own end: {seen}"
        for item in json.loads(seen["output"]):
            self.outcomes.append(Outcome(item["item"], item.get("why", {}).get("Error", "")))
        del self._running[execution]


def _machine(activity: str, seconds: dict[str, int]) -> dict[str, Any]:
    work = activity_state(
        activity,
        **seconds,
        Retry=[
            {"ErrorEquals": [f"maelstrom_{FAILING}"], "MaxAttempts": 0},
            {"ErrorEquals": ["States.ALL"], "MaxAttempts": 1000, "IntervalSeconds": 1, "BackoffRate": 1.0},
        ],
        Catch=[{"ErrorEquals": ["States.ALL"], "ResultPath": "$.why", "Next": "Refused"}],
    )
    each = {"StartAt": "Work", "States": {"Work": work, "Refused": {"Type": "Pass", "End": True}}}
    everything = {"Type": "Map", "MaxConcurrency": OPEN, "ItemsPath": "$.items", "Iterator": each, "End": True}
    return {"StartAt": "All", "States": {"All": everything}}
