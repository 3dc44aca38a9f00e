"""The fake of AWS Step Functions, by which sources are tested in virtual time, does what the real client does."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any, Protocol

import pytest

from maelstrom.model.errors import ActivityMissing, InvalidTaskToken, OutputRefused, TaskGone
from maelstrom.sources.aws.step_functions import AwsStepFunctions
from maelstrom.sources.ports import StepFunctions, TaskFailure
from tests.fakes.sources import FakeStepFunctions
from tests.support.aws import Machine, StandIn, one_task
from tests.support.wait import eventually

UNCLAIMED = TaskFailure("Maelstrom.Stopped", "nobody was there")


class Side(Protocol):
    """A service and what stands behind it."""

    @property
    def service(self) -> StepFunctions: ...

    async def schedule(self, name: str, data: str) -> Any: ...

    async def outcome(self, task: Any) -> object:
        """Output as JSON text, or (error, cause); None while it is open."""
        ...

    async def delete(self, name: str) -> None: ...


class FakeSide:
    def __init__(self) -> None:
        self.service = FakeStepFunctions(poll_seconds=1)

    async def schedule(self, name: str, data: str) -> Any:
        return self.service.schedule(name, data)

    async def outcome(self, task: Any) -> object:
        if not task.reports:
            return None
        (report,) = task.reports
        return (report.error, report.cause) if isinstance(report, TaskFailure) else report

    async def delete(self, name: str) -> None:
        self.service.delete(name)


class RealSide:
    def __init__(self, service: AwsStepFunctions, stand_in: StandIn) -> None:
        self.service = service
        self._sfn = stand_in.client()
        self._machines: dict[str, Machine] = {}

    async def schedule(self, name: str, data: str) -> Any:
        machine = self._machines.get(name)
        if machine is None:
            machine = self._machines[name] = Machine(self._sfn, name, one_task(await self.service.activity(name)))
        return machine, machine.start(json.loads(data))

    async def outcome(self, task: Any) -> object:
        _, execution = task
        described = self._sfn.describe_execution(executionArn=execution)
        if described["status"] == "RUNNING":
            return None
        if described["status"] == "SUCCEEDED":
            return described["output"]
        return described["error"], described["cause"]

    async def delete(self, name: str) -> None:
        self._sfn.delete_activity(activityArn=await self.service.activity(name))


@pytest.fixture(params=["fake", "real"])
def side(request: pytest.FixtureRequest) -> Side:
    if request.param == "fake":
        return FakeSide()
    return RealSide(request.getfixturevalue("real"), request.getfixturevalue("aws"))


@pytest.fixture
def name() -> str:
    return f"a-{uuid.uuid4().hex[:10]}"


async def ended(side: Side, task: Any) -> object:
    return await eventually(lambda: side.outcome(task))


async def test_an_activity_has_one_arn_and_is_made_when_it_is_missing(side: Side, name: str) -> None:
    arn = await side.service.activity(name)
    assert arn.endswith(f":activity:{name}")
    assert await side.service.activity(name) == arn
    side.service.forget(name)
    assert await side.service.activity(name) == arn


async def test_a_poll_brings_the_task_and_success_ends_it(side: Side, name: str) -> None:
    arn = await side.service.activity(name)
    scheduled = await side.schedule(name, '{"n":1}')
    task = await side.service.poll(arn, "node/0", unclaimed=UNCLAIMED)
    assert task is not None
    assert (json.loads(task.input), task.arn) == ({"n": 1}, arn)
    await side.service.heartbeat(task.token)
    assert await side.outcome(scheduled) is None
    await side.service.succeed(task.token, '{"ok": true}')
    assert json.loads(str(await ended(side, scheduled))) == {"ok": True}


async def test_failure_carries_error_and_cause(side: Side, name: str) -> None:
    arn = await side.service.activity(name)
    scheduled = await side.schedule(name, "{}")
    task = await side.service.poll(arn, "node/0", unclaimed=UNCLAIMED)
    assert task is not None
    failure = TaskFailure("Größe.Falsch😀", "x" * 32_768)
    await side.service.fail(task.token, failure)
    assert await ended(side, scheduled) == (failure.error, failure.cause)


async def test_a_poll_brings_nothing_after_its_time(side: Side, name: str) -> None:
    arn = await side.service.activity(name)
    assert await side.service.poll(arn, "node/0", unclaimed=UNCLAIMED) is None


async def test_a_task_that_is_over_is_gone_for_every_call(side: Side, name: str) -> None:
    arn = await side.service.activity(name)
    await side.schedule(name, "{}")
    task = await side.service.poll(arn, "node/0", unclaimed=UNCLAIMED)
    assert task is not None
    await side.service.succeed(task.token, "1")
    for call in (
        side.service.succeed(task.token, "1"),
        side.service.fail(task.token, UNCLAIMED),
        side.service.heartbeat(task.token),
    ):
        with pytest.raises(TaskGone):
            await call


async def test_an_unknown_token_is_told_apart(side: Side) -> None:
    with pytest.raises(InvalidTaskToken):
        await side.service.heartbeat("nonsense")


async def test_an_output_that_is_too_long_is_refused_and_the_task_stays_open(side: Side, name: str) -> None:
    arn = await side.service.activity(name)
    scheduled = await side.schedule(name, "{}")
    task = await side.service.poll(arn, "node/0", unclaimed=UNCLAIMED)
    assert task is not None
    with pytest.raises(OutputRefused):
        await side.service.succeed(task.token, '"' + "x" * 262_143 + '"')
    await side.service.succeed(task.token, "1")
    assert await ended(side, scheduled) == "1"


async def test_a_deleted_activity_is_missing_until_it_is_looked_up_again(side: Side, name: str) -> None:
    arn = await side.service.activity(name)
    await side.delete(name)
    with pytest.raises(ActivityMissing):
        await side.service.poll(arn, "node/0", unclaimed=UNCLAIMED)
    side.service.forget(name)
    assert await side.service.poll(await side.service.activity(name), "node/0", unclaimed=UNCLAIMED) is None


async def test_what_a_cancelled_poll_brings_is_reported_as_unclaimed(side: Side, name: str) -> None:
    arn = await side.service.activity(name)
    poll = asyncio.get_running_loop().create_task(side.service.poll(arn, "node/0", unclaimed=UNCLAIMED))
    await asyncio.sleep(0.2)  # it is open
    poll.cancel()
    with pytest.raises(asyncio.CancelledError):
        await poll
    scheduled = await side.schedule(name, "{}")
    assert await ended(side, scheduled) == (UNCLAIMED.error, UNCLAIMED.cause)
