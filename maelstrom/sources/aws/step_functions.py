"""The calls of AWS Step Functions, by boto3 in threads: polls that stay open never keep a report waiting for one."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from typing import Any

from maelstrom.model.errors import MaelstromError
from maelstrom.sources.aws.clients import CALL_SECONDS, Accounts, Client, Lanes
from maelstrom.sources.ports import HERE, ActivityTask, Place, TaskFailure

log = logging.getLogger("maelstrom.sources")

POLL_SECONDS = 70.0  # without an answer: AWS holds a poll for 60 s and asks for at least 65 here
POLL_THREADS = 4096  # an open poll is a thread that sleeps in the kernel, some 60 KB
CALL_THREADS = 32
PAGE_SIZE = 1000


class AwsStepFunctions:
    """Implements `ports.StepFunctions` for one place: the daemon's own, or what `at` gives, by the same threads."""

    def __init__(self, accounts: Accounts | None = None, place: Place = HERE, *, lanes: Lanes | None = None) -> None:
        self.accounts = accounts or Accounts()
        self._lanes = lanes or Lanes("aws", polls=POLL_THREADS, calls=CALL_THREADS)
        self._places: dict[Place, AwsStepFunctions] = {place: self}
        self._poll_client = Client(self.accounts, "stepfunctions", place, POLL_SECONDS, self._lanes.most_polls)
        self._call_client = Client(self.accounts, "stepfunctions", place, CALL_SECONDS, self._lanes.most_calls)
        self._arns: dict[str, str] = {}
        self._lookup = asyncio.Lock()

    def at(self, place: Place) -> AwsStepFunctions:
        if place not in self._places:
            self._places[place] = AwsStepFunctions(self.accounts, place, lanes=self._lanes)
        return self._places[place]

    def close(self) -> None:
        self._lanes.close()

    async def activity(self, name: str) -> str:
        if name not in self._arns:
            async with self._lookup:  # many sources ask at the start: one look answers them all
                if name not in self._arns:
                    self._arns |= await self._lanes.call(self._list)
                if name not in self._arns:
                    answer = await self._lanes.call(lambda: self._call_client.call("create_activity", name=name))
                    self._arns[name] = answer["activityArn"]
        return self._arns[name]

    def forget(self, name: str) -> None:
        self._arns.pop(name, None)

    async def poll(self, arn: str, worker: str, *, unclaimed: TaskFailure) -> ActivityTask | None:
        future = self._lanes.poll(lambda: self._poll(arn, worker))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if not future.cancel():  # it runs, or has just returned
                future.add_done_callback(lambda late: self._too_late(late, unclaimed))
            raise

    async def succeed(self, token: str, output: str) -> None:
        await self._lanes.call(lambda: self._call_client.call("send_task_success", taskToken=token, output=output))

    async def fail(self, token: str, failure: TaskFailure) -> None:
        await self._lanes.call(lambda: self._fail(token, failure))

    async def heartbeat(self, token: str) -> None:
        await self._lanes.call(lambda: self._call_client.call("send_task_heartbeat", taskToken=token))

    # in threads

    def _poll(self, arn: str, worker: str) -> ActivityTask | None:
        answer = self._poll_client.call("get_activity_task", activityArn=arn, workerName=worker)
        token = answer.get("taskToken")
        return ActivityTask(token, answer.get("input") or "", arn) if token else None

    def _fail(self, token: str, failure: TaskFailure) -> None:
        self._call_client.call("send_task_failure", taskToken=token, error=failure.error, cause=failure.cause)

    def _too_late(self, late: Future[ActivityTask | None], unclaimed: TaskFailure) -> None:
        """A thread of its own: the loop must not block, if this is the loop, and lanes and loop may be closed."""
        if late.exception() is None and (task := late.result()) is not None:
            threading.Thread(target=self._refuse, args=(task, unclaimed), name="aws-late", daemon=True).start()

    def _refuse(self, task: ActivityTask, unclaimed: TaskFailure) -> None:
        try:
            self._fail(task.token, unclaimed)
        except MaelstromError as error:
            log.warning("a task that came too late is left to its time-out", extra={"reason": error.message})

    def _list(self) -> dict[str, str]:
        arns: dict[str, str] = {}
        more: dict[str, Any] = {}
        while True:
            page = self._call_client.call("list_activities", maxResults=PAGE_SIZE, **more)
            arns |= {activity["name"]: activity["activityArn"] for activity in page["activities"]}
            if not page.get("nextToken"):
                return arns
            more = {"nextToken": page["nextToken"]}
