"""Step Functions tasks worked by real containers, against a service that obeys AWS's rules."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp

from tests.e2e.conftest import StartDaemon
from tests.e2e.test_http import running
from tests.support.aws import Machine, StandIn, activity_state, one_task
from tests.support.daemon import Daemon
from tests.support.wait import eventually


def project(image: str, tag: str, *, seconds: int = 30, **sources: dict[str, Any]) -> str:
    """`sources`: name → fields of its awsstepfunc; the activity's name is `<tag>-<name>`. `seconds`: the deadline."""
    eventsources = {
        name: {"awsstepfunc": {"activityname": f"{tag}-{name}", **fields}} for name, fields in sources.items()
    }
    component = {
        "image": image,
        "httphealthcheckpath": "/health",
        "maxconcurrency": 10,
        "maxinstances": 1,
        "stopgraceseconds": 5,
        "maxdurationseconds": seconds,
        "eventsources": {"site": {"http": {"pathprefix": "/"}}, **eventsources},
    }
    return json.dumps({"name": "calc", "components": {"worker": component}})


def machine(aws: StandIn, name: str, definition: dict[str, Any]) -> Machine:
    return Machine(aws.client(), name, definition)


def arn(aws: StandIn, name: str) -> str:
    """The activity's ARN; the activity is made here if the daemon has not made it yet."""
    made: str = aws.client().create_activity(name=name)["activityArn"]
    return made


async def output(of: Machine, data: Any, within: float = 30.0) -> Any:
    return await asyncio.to_thread(of.run, data, within=within)


async def test_a_task_starts_the_component_from_zero_and_its_answer_is_the_output(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ).start()
    daemon.put(project(image, cluster, split={"path": "/step/split"}, sum={"path": "/step/sum"}))
    split, total = arn(aws, f"{cluster}-split"), arn(aws, f"{cluster}-sum")
    both = machine(
        aws,
        f"{cluster}-calc",
        {
            "StartAt": "Split",
            "States": {"Split": activity_state(split, Next="Sum"), "Sum": activity_state(total)},
        },
    )
    assert running(cluster) == []
    answer = await output(both, {"numbers": "1,2,3"})
    assert answer == {"sum": 6} or answer == 6
    assert len(running(cluster)) == 1
    rows = {row["name"]: row for row in daemon.ask("es", "ls", "--type", "awsstepfunc")}
    assert {name: row["state"] for name, row in rows.items()} == {"split": "ok", "sum": "ok"}
    assert [row["maxconcurrency"] for row in rows.values()] == [1, 1]


async def test_a_components_own_error_is_what_retry_and_catch_see(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ).start()
    path = "/step/fail?status=422&error=Bad.Input&cause=no%20numbers"
    daemon.put(project(image, cluster, check={"path": path}, plain={"path": "/status?code=500&body=oops"}))
    caught = {
        "StartAt": "Check",
        "States": {
            "Check": activity_state(
                arn(aws, f"{cluster}-check"),
                Next="Never",
                Catch=[{"ErrorEquals": ["Bad.Input"], "ResultPath": "$.why", "Next": "Caught"}],
            ),
            "Caught": {"Type": "Pass", "End": True},
            "Never": {"Type": "Fail"},
        },
    }
    result = await output(machine(aws, f"{cluster}-catch", caught), {"a": 1})
    assert result["why"] == {"Error": "Bad.Input", "Cause": "no numbers"}
    plain = await output(machine(aws, f"{cluster}-plain", one_task(arn(aws, f"{cluster}-plain"))), {})
    assert (plain["status"], plain["error"]) == ("FAILED", "maelstrom_500")
    assert "oops" in plain["cause"]


async def test_the_limit_of_a_source_holds_whatever_the_service_has_waiting(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ).start()
    daemon.put(project(image, cluster, work={"path": "/sleep?s=0.2", "maxconcurrency": 2}))
    each = activity_state(arn(aws, f"{cluster}-work"))
    mapped = {
        "StartAt": "All",
        "States": {
            "All": {
                "Type": "Map",
                "MaxConcurrency": 4,
                "ItemsPath": "$.items",
                "Iterator": {"StartAt": "Each", "States": {"Each": each}},
                "End": True,
            }
        },
    }
    result = await output(machine(aws, f"{cluster}-map", mapped), {"items": list(range(20))}, within=60)
    assert len(result) == 20
    async with aiohttp.ClientSession() as session, session.get(f"{daemon.public}/conc") as response:
        assert (await response.json())["peak"] == 2
    audit = daemon.ask("es", "audit", "work")
    assert (audit["limit"], audit["max_inflight"], audit["inflight"]) == (2, 2, 0)
    assert [lease["node"] for lease in audit["leases"]] == ["one"]


async def test_heartbeats_keep_a_task_that_is_longer_than_its_heartbeat(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ).start()
    daemon.put(project(image, cluster, slow={"path": "/sleep?s=4", "heartbeatseconds": 1}))
    slow = machine(aws, f"{cluster}-slow", one_task(arn(aws, f"{cluster}-slow"), HeartbeatSeconds=2))
    assert (await output(slow, {})).get("slept") is not None


async def test_a_task_that_the_service_gives_up_is_cancelled_in_the_component(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ).start()
    daemon.put(project(image, cluster, hang={"path": "/hang", "heartbeatseconds": 1}))
    stuck = machine(aws, f"{cluster}-hang", one_task(arn(aws, f"{cluster}-hang")))
    execution = stuck.start({})

    def inflight() -> int:
        (row,) = daemon.ask("es", "ls", "--type", "awsstepfunc")
        count: int = row["inflight"]
        return count

    await eventually(lambda: asyncio.to_thread(lambda: inflight() == 1), within=30, every=0.2)
    stuck.stop(execution)
    await eventually(lambda: asyncio.to_thread(lambda: inflight() == 0), within=30, every=0.2)


async def test_a_killed_daemon_reports_nothing_as_done_and_its_successor_goes_on(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ).start()
    daemon.put(project(image, cluster, seconds=6, work={"path": "/sleep?s=3"}))
    work = machine(aws, f"{cluster}-work", one_task(arn(aws, f"{cluster}-work"), TimeoutSeconds=5))
    first = work.start({})
    await eventually(lambda: "ActivityStarted" in work.events(first), within=20)
    daemon.kill()
    await asyncio.to_thread(daemon.start)
    lost = await asyncio.to_thread(work.output, first, within=30)
    assert lost["error"] == "States.Timeout"
    # without a time-out of its own: the lost request's slot is waited out first
    again = machine(aws, f"{cluster}-again", one_task(arn(aws, f"{cluster}-work")))
    assert (await output(again, {}, within=60)).get("slept") is not None


async def test_a_stop_works_what_it_has_and_fails_what_does_not_end_in_time(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ={**aws.environ, "MAEL_SHUTDOWN_GRACE_SECONDS": "4"}).start()
    daemon.put(project(image, cluster, quick={"path": "/sleep?s=1"}, hang={"path": "/hang"}))
    quick = machine(aws, f"{cluster}-quick", one_task(arn(aws, f"{cluster}-quick")))
    hang = machine(aws, f"{cluster}-hang", one_task(arn(aws, f"{cluster}-hang")))
    executions = quick.start({}), hang.start({})
    for one, execution in zip((quick, hang), executions, strict=True):
        await eventually(lambda one=one, execution=execution: "ActivityStarted" in one.events(execution), within=20)
    assert await asyncio.to_thread(daemon.terminate) == 0
    assert "slept" in await asyncio.to_thread(quick.output, executions[0])
    stopped = await asyncio.to_thread(hang.output, executions[1])
    assert stopped["error"] == "Maelstrom.Stopped"


async def test_a_disabled_source_takes_no_task_and_an_enabled_one_goes_on(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ).start()
    daemon.put(project(image, cluster, work={"path": "/step/sum"}))
    assert daemon.ask("es", "disable", "--type", "awsstepfunc") != []
    (row,) = daemon.ask("es", "ls", "--type", "awsstepfunc")
    assert (row["state"], row["enabled"]) == ("disabled", False)
    assert daemon.ask("es", "enable", "--type", "awsstepfunc") != []
    work = machine(aws, f"{cluster}-work", one_task(arn(aws, f"{cluster}-work")))
    answer = await output(work, [1, 2, 3])
    assert answer in (6, {"sum": 6})


def test_stop_of_the_stand_in_is_no_fault_of_the_daemon(daemon: Daemon) -> None:
    """Without any AWS configuration the rest works."""
    assert daemon.ask("es", "ls") == []
