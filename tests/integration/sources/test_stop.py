"""Stops, toggles and edits against a real service: no task is lost, none is reported twice."""

from __future__ import annotations

from typing import Any

from tests.fakes.sources import SOURCE, after, answer, source
from tests.integration.sources.node import node, output, run
from tests.support.aws import Machine, StandIn, one_task
from tests.support.wait import eventually


def machine_of(sfn: Any, name: str) -> Machine:
    return Machine(sfn, name, one_task(sfn.create_activity(name=name)["activityArn"]))


async def test_a_stop_works_what_the_open_poll_brings(aws: StandIn, sfn: Any, name: str) -> None:
    machine = machine_of(sfn, name)
    async with node(source(activityname=name), handle=after(0.5, answer(b'"worked"'))) as n:
        before = aws.calls().get("GetActivityTask", 0)
        await eventually(lambda: aws.calls().get("GetActivityTask", 0) > before)
        stop = n.tasks.spawn(n.owner.stop(20), "stop")
        execution = machine.start({})
        assert await output(machine, execution) == "worked"
        await stop
        assert aws.calls()["GetActivityTask"] - before <= 2
        assert n.tasks.names() == []


async def test_what_is_worked_when_the_grace_ends_is_reported_as_stopped(sfn: Any, name: str) -> None:
    machine = machine_of(sfn, name)
    async with node(source(activityname=name), handle=after(60)) as n:
        execution = machine.start({})
        await eventually(lambda: n.worker.open == 1)
        await n.owner.stop(1)
        assert n.worker.exchanges[0].cancelled
        assert (await output(machine, execution))["error"] == "Maelstrom.Stopped"


async def test_a_task_that_comes_after_the_end_is_reported_as_stopped(aws: StandIn, sfn: Any, name: str) -> None:
    machine = machine_of(sfn, name)
    before = aws.calls().get("GetActivityTask", 0)
    async with node(source(activityname=name), handle=lambda r: answer()) as n:
        await eventually(lambda: aws.calls().get("GetActivityTask", 0) > before)
        await n.owner.stop(0.2)
        outcome = await run(machine, {})
        assert outcome["error"] == "Maelstrom.Stopped"


async def test_disabled_means_no_new_polls_and_drained_when_the_open_one_is_back(
    aws: StandIn, sfn: Any, name: str
) -> None:
    machine = machine_of(sfn, name)
    enabled, disabled = source(activityname=name), source(activityname=name, enabled=False)
    async with node(enabled, handle=lambda r: answer(b"1")) as n:
        await n.polls(1)
        n.view.put(disabled)
        await eventually(lambda: n.owner.drained(SOURCE))
        before = aws.calls()["GetActivityTask"]
        execution = machine.start({})
        await eventually(lambda: "ActivityScheduled" in machine.events(execution))
        n.view.put(enabled)
        assert await output(machine, execution) == 1
        assert aws.calls()["GetActivityTask"] > before


async def test_an_outage_of_the_service_is_survived(sfn: Any, name: str, aws: StandIn) -> None:
    machine = machine_of(sfn, name)
    aws.faults({"action": "GetActivityTask", "status": 503, "times": 2})
    async with node(source(activityname=name, maxconcurrency=3), handle=lambda r: answer(b"1")) as n:
        await eventually(lambda: n.owner.statuses()[SOURCE].state == "degraded")
        assert await run(machine, {}) == 1
        await eventually(lambda: n.owner.statuses()[SOURCE].state == "ok")
