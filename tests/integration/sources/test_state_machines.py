"""State machines on a service that obeys AWS's rules, their tasks worked by this node's sources."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from maelstrom.activation.work import WorkAnswer, WorkRequest
from maelstrom.model.source import SourceKey
from tests.fakes.sources import after, answer, source
from tests.integration.sources.node import as_json, node, output, run
from tests.support.aws import Machine, StandIn, activity_state, one_task
from tests.support.wait import eventually


def arn_of(sfn: Any, name: str) -> str:
    arn: str = sfn.create_activity(name=name)["activityArn"]
    return arn


async def test_the_example_split_and_sum(sfn: Any, name: str) -> None:
    """Two activities of one component; the second gets what the first has made."""

    def component(request: WorkRequest) -> WorkAnswer:
        data = json.loads(request.body)
        if request.path == "/split":
            return answer(as_json([int(n) for n in data["numbers"].split(",")]))
        return answer(as_json({"sum": sum(data)}))

    split, total = f"{name}-split", f"{name}-sum"
    sources = (
        source(activityname=split, path="/split"),
        source(key=SourceKey("shop", "sum"), id=2, activityname=total, path="/sum"),
    )
    states = {"Split": activity_state(arn_of(sfn, split), Next="Sum"), "Sum": activity_state(arn_of(sfn, total))}
    machine = Machine(sfn, name, {"StartAt": "Split", "States": states})
    async with node(*sources, handle=component) as n:
        execution = machine.start({"numbers": "1,2,39"})
        assert await output(machine, execution) == {"sum": 42}
        started = [e for e in machine.history(execution) if e["type"] == "ActivityStarted"]
        assert [e["activityStartedEventDetails"]["workerName"] for e in started] == [
            "node-1/shop_split-0",
            "node-1/shop_sum-0",
        ]
        assert sum(s.counts.succeeded for s in n.owner.statuses().values()) == 2


async def test_a_missing_activity_is_created_by_the_source(sfn: Any, name: str) -> None:
    async with node(source(activityname=name), handle=lambda r: answer(b'"made"')):
        arn = f"arn:aws:states:eu-west-1:000000000000:activity:{name}"
        await eventually(lambda: arn in {a["activityArn"] for a in sfn.list_activities(maxResults=1000)["activities"]})
        assert await run(Machine(sfn, name, one_task(arn)), {}) == "made"


async def test_retry_and_catch_select_the_components_own_error(sfn: Any, name: str) -> None:
    """Busy twice, then sold out: Retry takes the first, Catch the second."""
    answers = [
        answer(b"", 503, step_func_error="Shop.Busy"),
        answer(b"", 503, step_func_error="Shop.Busy"),
        answer(b"", 422, step_func_error="Shop.SoldOut", step_func_cause="keine Größe 😀 mehr"),
    ]
    work = activity_state(
        arn_of(sfn, name),
        Next="Sorry",
        Retry=[{"ErrorEquals": ["Shop.Busy"], "IntervalSeconds": 1, "MaxAttempts": 3, "BackoffRate": 1}],
        Catch=[{"ErrorEquals": ["Shop.SoldOut"], "Next": "Sorry", "ResultPath": "$.why"}],
    )
    machine = Machine(sfn, name, {"StartAt": "Work", "States": {"Work": work, "Sorry": {"Type": "Pass", "End": True}}})
    async with node(source(activityname=name), handle=lambda r: answers.pop(0)) as n:
        assert await run(machine, {"item": 7}) == {
            "item": 7,
            "why": {"Error": "Shop.SoldOut", "Cause": "keine Größe 😀 mehr"},
        }
        assert len(n.worker.exchanges) == 3


async def test_a_map_of_20_is_worked_two_at_a_time(sfn: Any, name: str) -> None:
    machine = Machine(
        sfn,
        name,
        {
            "StartAt": "Each",
            "States": {
                "Each": {"Type": "Map", "MaxConcurrency": 4, "Iterator": one_task(arn_of(sfn, name)), "End": True}
            },
        },
    )

    async def twice(request: WorkRequest) -> WorkAnswer:
        await asyncio.sleep(0.05)
        return answer(as_json(json.loads(request.body) * 2))

    async with node(source(activityname=name, maxconcurrency=2), handle=twice) as n:
        assert await run(machine, list(range(20))) == [2 * i for i in range(20)]
        assert n.worker.peak == 2
        assert len(n.worker.exchanges) == 20
        assert n.desk.leases[1].peak == 2


async def test_parallel_choice_and_wait(sfn: Any, name: str) -> None:
    def component(request: WorkRequest) -> WorkAnswer:
        return answer(as_json(len(json.loads(request.body)["words"])))

    work = one_task(arn_of(sfn, name))
    states = {
        "Both": {"Type": "Parallel", "Branches": [work, work], "Next": "Many"},
        "Many": {
            "Type": "Choice",
            "Choices": [{"Variable": "$[0]", "NumericGreaterThan": 2, "Next": "Pause"}],
            "Default": "Few",
        },
        "Pause": {"Type": "Wait", "Seconds": 1, "Next": "End"},
        "Few": {"Type": "Fail", "Error": "TooFew"},
        "End": {"Type": "Pass", "End": True},
    }
    machine = Machine(sfn, name, {"StartAt": "Both", "States": states})
    async with node(source(activityname=name, maxconcurrency=2), handle=component):
        many, few = machine.start({"words": ["a", "b", "c"]}), machine.start({"words": ["a"]})
        assert await output(machine, many) == [3, 3]
        assert (await output(machine, few))["error"] == "TooFew"


async def test_heartbeats_carry_work_that_is_longer_than_heartbeatseconds(sfn: Any, name: str) -> None:
    machine = Machine(sfn, name, one_task(arn_of(sfn, name), HeartbeatSeconds=2))
    async with node(source(activityname=name, heartbeatseconds=1), handle=after(4, answer(b'"done"'))):
        assert await run(machine, {}) == "done"


async def test_a_state_that_times_out_cancels_the_components_request(sfn: Any, name: str) -> None:
    machine = Machine(sfn, name, one_task(arn_of(sfn, name), TimeoutSeconds=1))
    async with node(source(activityname=name, heartbeatseconds=1), handle=after(60)) as n:
        assert (await run(machine, {}))["error"] == "States.Timeout"
        await eventually(lambda: n.worker.exchanges[0].cancelled)
        counts = next(iter(n.owner.statuses().values())).counts
        await eventually(lambda: (counts.gone, counts.in_flight) == (1, 0))


async def test_an_execution_stopped_in_mid_task_cancels_the_components_request(sfn: Any, name: str) -> None:
    machine = Machine(sfn, name, one_task(arn_of(sfn, name)))
    async with node(source(activityname=name, heartbeatseconds=1), handle=after(60)) as n:
        execution = machine.start({})
        await eventually(lambda: n.worker.open == 1)
        machine.stop(execution)
        await eventually(lambda: n.worker.exchanges[0].cancelled)
        n.worker.handle = lambda request: answer(b'"next"')
        assert await run(machine, {}) == "next"


async def test_a_component_that_takes_too_long_fails_the_task_with_504(sfn: Any, name: str) -> None:
    machine = Machine(sfn, name, one_task(arn_of(sfn, name)))
    async with node(source(activityname=name), handle=after(60), seconds=1):
        outcome = await run(machine, {})
        assert outcome["error"] == "maelstrom_504"
        assert outcome["cause"].startswith("504 deadline")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "empty body"),
        (b"hello", "not JSON"),
        (b'{"a": NaN}', "not JSON"),
        (b'"\xe9"', "not UTF-8"),
        (b'"' + b"x" * 262_143 + b'"', "262145 bytes"),
    ],
)
async def test_an_output_that_is_none_fails_with_the_reason(sfn: Any, name: str, body: bytes, why: str) -> None:
    machine = Machine(sfn, name, one_task(arn_of(sfn, name)))
    async with node(source(activityname=name), handle=lambda r: answer(body)):
        outcome = await run(machine, {})
        assert outcome["error"] == "Maelstrom.InvalidOutput"
        assert why in outcome["cause"]


async def test_the_largest_output_is_a_success(sfn: Any, name: str) -> None:
    machine = Machine(sfn, name, one_task(arn_of(sfn, name)))
    body = '"' + "é" * 131_071 + '"'
    async with node(source(activityname=name), handle=lambda r: answer(body.encode())):
        assert await run(machine, {}) == "é" * 131_071


async def test_error_and_cause_over_the_limits_are_cut_to_what_aws_takes(sfn: Any, name: str) -> None:
    machine = Machine(sfn, name, one_task(arn_of(sfn, name)))
    long = answer(b"", 500, step_func_error="x" + "😀" * 300, step_func_cause="x" + "😀" * 40_000)
    async with node(source(activityname=name), handle=lambda r: long):
        outcome = await run(machine, {})
        assert outcome["error"] == "x" + "😀" * 255
        assert outcome["cause"] == "x" + "😀" * 32_767


async def test_other_statuses_fail_with_status_and_body(sfn: Any, name: str) -> None:
    machine = Machine(sfn, name, one_task(arn_of(sfn, name)))
    async with node(source(activityname=name), handle=lambda r: answer(b"no such thing", 404)):
        outcome = await run(machine, {})
        assert outcome["error"] == "maelstrom_404"
        assert "404" in outcome["cause"]
        assert "no such thing" in outcome["cause"]


async def test_throttled_and_failing_calls_are_survived_and_the_task_is_reported_once(
    aws: StandIn, sfn: Any, name: str
) -> None:
    machine = Machine(sfn, name, one_task(arn_of(sfn, name)))
    aws.faults(
        {"action": "ListActivities", "code": "ThrottlingException", "times": 1},
        {"action": "GetActivityTask", "code": "ThrottlingException", "times": 1},
        {"action": "SendTaskSuccess", "code": "ThrottlingException", "times": 1},
        {"action": "SendTaskSuccess", "code": "InternalFailure", "status": 500, "times": 1, "after": True},
    )
    async with node(source(activityname=name), handle=lambda r: answer(b"1")) as n:
        assert await run(machine, {}) == 1
        counts = next(iter(n.owner.statuses().values())).counts
        await eventually(lambda: counts.succeeded == 1)
        assert (counts.throttled, counts.received, counts.failed) == (3, 1, 0)


async def test_a_second_activity_of_the_same_name_is_shared_by_two_machines(sfn: Any, name: str) -> None:
    arn = arn_of(sfn, name)
    machines = [Machine(sfn, f"{name}-{i}", one_task(arn)) for i in range(2)]

    def echo(request: WorkRequest) -> WorkAnswer:
        return answer(request.body)

    async with node(source(activityname=name), handle=echo):
        assert [await run(machine, {"m": i}) for i, machine in enumerate(machines)] == [{"m": 0}, {"m": 1}]
