"""The local AWS service as a process of its own, and what tests ask of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

ROOT = Path(__file__).parents[2]
REGION = "eu-west-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
ROLE = "arn:aws:iam::000000000000:role/states"
EMPTY = object()  # the input {}
OVER = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


class StandIn:
    """One running service. `url` is where it listens."""

    def __init__(self, *, poll_seconds: float = 60.0, wait_seconds: float = 20.0, page_limit: int = 1000) -> None:
        seconds = ["--poll-seconds", str(poll_seconds), "--wait-seconds", str(wait_seconds)]
        options = ["--port", "0", *seconds, "--page-limit", str(page_limit), "--until-eof"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tools.aws_standin", *options],
            cwd=ROOT,
            stdin=subprocess.PIPE,  # open as long as the tests run, however they end
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **CREDENTIALS},
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:"), "the service did not start"

    def stop(self) -> int:
        """Ends it by SIGTERM; its exit code."""
        self._process.terminate()
        code = self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        return code

    @property
    def environ(self) -> dict[str, str]:
        """What a daemon needs to find it."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url}

    def client(self, service: str = "stepfunctions", *, read_timeout: float = 70) -> Any:
        """A client without retries, patient enough for a long poll."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=read_timeout, max_pool_connections=50),
        )

    def faults(self, *faults: dict[str, Any]) -> None:
        """Replaces all faults; see tools/aws_standin/faults."""
        request = urllib.request.Request(f"{self.url}/_standin/faults", json.dumps(faults).encode(), method="POST")
        urllib.request.urlopen(request, timeout=5).close()

    def calls(self) -> dict[str, int]:
        """How often each action was called so far."""
        with urllib.request.urlopen(f"{self.url}/_standin/calls", timeout=5) as answer:
            calls: dict[str, int] = json.load(answer)
        return calls


@contextlib.contextmanager
def stand_in(*, poll_seconds: float = 60.0, wait_seconds: float = 20.0, page_limit: int = 1000) -> Iterator[StandIn]:
    service = StandIn(poll_seconds=poll_seconds, wait_seconds=wait_seconds, page_limit=page_limit)
    try:
        yield service
    finally:
        service.stop()


def until(check: Callable[[], object], *, within: float = 10.0) -> None:
    """Waits, without a loop, until the check holds."""
    deadline = time.monotonic() + within
    while not check():
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(0.02)


class Machine:
    """A state machine and its executions, for short tests."""

    def __init__(self, client: Any, name: str, definition: dict[str, Any]) -> None:
        self._client = client
        self.arn: str = client.create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE)[
            "stateMachineArn"
        ]

    def start(self, data: Any = EMPTY) -> str:
        text = json.dumps({} if data is EMPTY else data)
        arn: str = self._client.start_execution(stateMachineArn=self.arn, input=text)["executionArn"]
        return arn

    def status(self, execution: str) -> str:
        status: str = self._client.describe_execution(executionArn=execution)["status"]
        return status

    def output(self, execution: str, *, within: float = 20.0) -> Any:
        """Waits for the end: the output of a success, else a dict of error and cause with the status."""
        until(lambda: self.status(execution) in OVER, within=within)
        description = self._client.describe_execution(executionArn=execution)
        if description["status"] == "SUCCEEDED":
            return json.loads(description["output"])
        return {key: description.get(key) for key in ("status", "error", "cause")}

    def run(self, data: Any = EMPTY, *, within: float = 20.0) -> Any:
        return self.output(self.start(data), within=within)

    def stop(self, execution: str) -> None:
        self._client.stop_execution(executionArn=execution)

    def history(self, execution: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self._client.get_execution_history(executionArn=execution)["events"]
        return events

    def events(self, execution: str) -> list[str]:
        return [event["type"] for event in self.history(execution)]


def activity_state(arn: str, **fields: Any) -> dict[str, Any]:
    """A Task state of an activity; ends the machine unless `Next` says otherwise."""
    return {"Type": "Task", "Resource": arn, **({} if "Next" in fields else {"End": True}), **fields}


def one_task(arn: str, **fields: Any) -> dict[str, Any]:
    """A state machine of one activity state."""
    return {"StartAt": "Work", "States": {"Work": activity_state(arn, **fields)}}
