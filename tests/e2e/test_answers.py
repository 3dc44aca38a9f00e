"""Tasks that real containers answer later, through the node's own paths on the internal listener."""

from __future__ import annotations

import asyncio

import aiohttp

from tests.e2e.conftest import StartDaemon
from tests.e2e.test_step_functions import arn, machine, output, project
from tests.support.aws import StandIn, one_task
from tests.support.daemon import Daemon
from tests.support.wait import eventually

REACHABLE = {"MAEL_INTERNAL_LISTEN": "0.0.0.0:0"}  # by containers


def in_flight(daemon: Daemon, name: str = "work") -> int:
    """Over all nodes, tasks that will be answered later included."""
    count: int = daemon.ask("es", "audit", name)["inflight"]
    return count


async def at_rest(daemon: Daemon) -> None:
    await eventually(lambda: asyncio.to_thread(lambda: in_flight(daemon) == 0), within=20, every=0.2)


async def told(daemon: Daemon) -> list[int]:
    """The statuses that the component got for what it told the node."""
    async with aiohttp.ClientSession() as session, session.get(f"{daemon.public}/later/told") as response:
        statuses: list[int] = await response.json()
        return statuses


async def test_a_promise_counts_until_it_is_kept_and_the_public_door_keeps_out(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ | REACHABLE).start()
    path = "/later?s=2&body=%7B%22a%22%3A1%7D"
    daemon.put(project(image, cluster, work={"path": path, "async": True, "maxconcurrency": 1}))
    work = machine(aws, f"{cluster}-later", one_task(arn(aws, f"{cluster}-work")))
    first, second = work.start({}), work.start({})
    assert await asyncio.to_thread(work.output, first, within=40) == {"a": 1}
    # one at a time: the second was not given out before the first was answered
    assert await asyncio.to_thread(work.output, second, within=40) == {"a": 1}
    assert await told(daemon) == [204, 204]
    audit = daemon.ask("es", "audit", "work")
    assert audit["limit"] == 1 == audit["max_inflight"]
    await at_rest(daemon)
    url = f"{daemon.public}/_maelstrom/tasks/x/heartbeat"
    async with aiohttp.ClientSession() as session, session.post(url) as response:
        assert await response.text() == "no such path: /_maelstrom/tasks/x/heartbeat"


async def test_failures_and_heartbeats_of_a_promise_reach_the_state_machine(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ | REACHABLE).start()
    body = "%7B%22error%22%3A%22Shop.Late%22%2C%22cause%22%3A%22gr%C3%B6%C3%9Fer%22%7D"
    path = f"/later?s=1&beats=3&verb=failure&body={body}"
    daemon.put(project(image, cluster, work={"path": path, "async": True}))
    work = machine(aws, f"{cluster}-beats", one_task(arn(aws, f"{cluster}-work"), HeartbeatSeconds=2))
    result = await output(work, {}, within=40)
    assert (result["error"], result["cause"]) == ("Shop.Late", "größer")
    assert await told(daemon) == [204, 204, 204, 204]
    await at_rest(daemon)


async def test_a_promise_that_is_not_kept_fails_in_time(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ | REACHABLE).start()
    daemon.put(project(image, cluster, work={"path": "/later?verb=none", "async": True, "answerseconds": 2}))
    work = machine(aws, f"{cluster}-never", one_task(arn(aws, f"{cluster}-work")))
    result = await output(work, {}, within=40)
    assert result["error"] == "Maelstrom.AnswerTimeout"
    await at_rest(daemon)


async def test_a_promise_made_to_a_daemon_that_was_killed_is_kept_to_its_successor(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ | REACHABLE).start()
    daemon.put(project(image, cluster, work={"path": "/later?s=5&body=42", "async": True}))
    work = machine(aws, f"{cluster}-killed", one_task(arn(aws, f"{cluster}-work")))
    execution = work.start({})
    await eventually(lambda: "ActivityStarted" in work.events(execution), within=30)

    def promised() -> bool:
        """Its slot counts, and no request is open."""
        (row,) = daemon.ask("es", "ls", "--type", "awsstepfunc")
        return bool(in_flight(daemon) == 1 and row["inflight"] == 0)

    await eventually(lambda: asyncio.to_thread(promised), within=20, every=0.1)
    daemon.kill()
    await asyncio.to_thread(daemon.start)
    assert await asyncio.to_thread(work.output, execution, within=40) == 42
    await at_rest(daemon)
