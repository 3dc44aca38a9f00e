"""Several processes, one gateway: limits, deaths, changes and the end."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from maelstrom.model.errors import StartFailed
from maelstrom.model.project_answers import ProjectAnswers
from tests.integration.gateway.world import Caller
from tests.integration.workers.conftest import Crowd, Node, Work, get, running
from tests.support.certificates import Authority
from tests.support.wait import eventually
from tests.unit.workers.fleet import Caller as Source

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the workers are the same in all tests


async def test_the_limit_is_exact_over_two_processes(node: Node) -> None:
    pool = node.component("limit", maxconcurrency=3)
    work = Work()
    instance = await node.instance(pool, work)
    node.tell()
    async with Crowd(node, "limit", 16) as crowd:
        await eventually(lambda: crowd.codes[200] >= 1000 and len(work.processes) == 2, within=20)
    assert set(crowd.codes) == {200}
    assert work.peak == 3
    await eventually(lambda: instance.in_flight == 0)  # nobody holds what is not used
    assert pool.in_flight == 0
    await eventually(lambda: node.stats.component("shop_limit").requests == sum(crowd.codes.values()))


async def test_connections_that_came_to_one_process_are_spread_and_no_request_is_lost(node: Node) -> None:
    pool = node.component("spread", maxconcurrency=32)
    work = Work(0.005)
    await node.instance(pool, work)
    node.tell()
    one, other = node.crew.pids
    os.kill(other, signal.SIGSTOP)
    try:
        async with Crowd(node, "spread", 16) as crowd:
            await eventually(lambda: crowd.codes[200] >= 200)
            assert len(work.processes) == 1
            os.kill(other, signal.SIGCONT)
            await eventually(lambda: len(work.processes) == 2, within=10)
    finally:
        os.kill(other, signal.SIGCONT)
    assert set(crowd.codes) == {200}
    assert one in node.crew.pids


async def test_a_killed_worker_is_replaced_and_no_container_gets_more_than_its_limit(node: Node) -> None:
    pool = node.component("killed", maxconcurrency=2)
    work = Work(0.01)
    await node.instance(pool, work)
    node.tell()
    async with Crowd(node, "killed", 12) as crowd:
        await eventually(lambda: crowd.codes[200] >= 100, within=20)
        for _ in range(2):
            before = set(node.crew.pids)
            answered = crowd.codes[200]
            os.kill(node.crew.pids[0], signal.SIGKILL)
            await eventually(lambda: crowd.codes[200] >= answered + 20, within=20)  # noqa: B023 - called in this turn
            await eventually(lambda: len(set(node.crew.pids) - before) == 1, within=20)  # noqa: B023
            await eventually(lambda: node.crew.serving == 2, within=20)
        work.peak = 0
        await eventually(lambda: work.peak == 2, within=20)  # no slot was lost
    assert set(crowd.codes) <= {200, "cut"}
    assert work.peak == 2
    await eventually(lambda: pool.in_flight == 0)
    await eventually(lambda: node.stats.connections == 0)


async def test_a_slot_of_a_killed_worker_is_not_given_again_while_the_container_still_works_on_its_request(
    node: Node,
) -> None:
    pool = node.component("held", maxconcurrency=1)
    work = Work()
    await node.instance(pool, work)
    node.tell()
    work.gate.clear()
    first = await node.caller()
    first.send(get("held"))
    await eventually(lambda: work.now == 1)
    for pid in node.crew.pids:
        os.kill(pid, signal.SIGKILL)
    await first.gone()
    await eventually(lambda: node.crew.serving == 0)
    await eventually(lambda: node.crew.serving == 2, within=20)
    second = await node.caller()
    second.send(get("held"))
    await eventually(lambda: len(pool.queue) == 1)
    assert (work.now, work.peak) == (1, 1)
    work.gate.set()
    assert (await second.answer()).status == 200
    assert work.peak == 1


async def test_routes_that_change_and_components_that_go_are_known_to_every_worker(node: Node) -> None:
    pool = node.component("routes")
    await node.instance(pool, Work())
    assert {await node.ask("routes") for _ in range(8)} == {(404, "no_route")}
    node.tell()

    async def all_are(status: int) -> bool:
        return {(await node.ask("routes"))[0] for _ in range(8)} == {status}

    await eventually(lambda: all_are(200))
    pool.closed = True
    node.tell()
    await eventually(lambda: all_are(404))
    pool.closed = False
    node.tell()
    await eventually(lambda: all_are(200))


async def test_what_a_project_says_of_its_answers_is_on_those_of_every_worker(node: Node) -> None:
    pool = node.component("said", maxqueue=1)
    await node.instance(pool, Work())
    for value in ("1", "2"):
        node.answers["shop"] = ProjectAnswers.model_validate({"responseheaders": ({"name": "X-V", "value": value},)})
        node.tell()
        in_a_row = 0
        async with asyncio.timeout(20):
            while in_a_row < 30:
                answer = await (await node.caller()).ask(get("said"))
                in_a_row = in_a_row + 1 if answer.head.get("x-v") == value else 0


async def test_certificates_are_shown_by_every_worker(node: Node) -> None:
    pool = node.component("secret")
    await node.instance(pool, Work())
    node.tell()
    authority = Authority()
    for names in (("secret.test",), ("secret.test", "other.test")):  # the second is a new one
        node.crew.show([authority.certificate(*names)])
        in_a_row = 0
        async with asyncio.timeout(20):
            while in_a_row < 10:
                try:
                    reader, writer = await asyncio.open_connection(
                        "127.0.0.1", node.tls_port, ssl=authority.trust(), server_hostname=names[-1]
                    )
                except OSError:
                    in_a_row = 0
                    continue
                assert (await Caller(reader, writer).ask(get("secret"))).status == 200
                writer.close()
                in_a_row += 1


async def test_who_waits_in_a_worker_wakes_the_component_and_hears_how_the_start_went(node: Node) -> None:
    pool = node.component("cold", maxconcurrency=1, maxqueue=3)
    node.tell()
    waiting = [asyncio.create_task(node.ask("cold")) for _ in range(3)]
    await eventually(lambda: len(pool.queue) == 3)
    assert node.wanted["cold"] == 3
    assert await node.ask("cold") == (503, "queue_full")  # over both processes
    await node.instance(pool, Work())
    assert [await one for one in waiting] == [(200, "")] * 3
    broken = node.component("broken")
    node.tell()
    refused = [asyncio.create_task(node.ask("broken")) for _ in range(2)]
    await eventually(lambda: len(broken.queue) == 2)
    broken.failure = StartFailed("it does not start", retry_after=7)
    broken.refuse_all(broken.failure)
    assert [await one for one in refused] == [(503, "start_failed")] * 2
    answer = await (await node.caller()).ask(get("broken"))
    assert (answer.code, answer.head["retry-after"]) == ("start_failed", "7")


async def test_a_source_gets_the_slot_that_a_worker_has_and_does_not_use(node: Node) -> None:
    pool = node.component("shared", maxconcurrency=1)
    instance = await node.instance(pool, Work())
    node.tell()
    assert await node.ask("shared") == (200, "")
    assert instance.in_flight == 1  # still lent
    source = Source()
    assert pool.claim(source) is None
    assert await eventually(lambda: source.instance is instance)
    waiting = asyncio.create_task(node.ask("shared"))
    await eventually(lambda: len(pool.queue) == 1)
    pool.release(instance, 1.0)
    assert await waiting == (200, "")


async def test_a_container_that_is_gone_is_cut_off_in_every_worker_and_the_next_one_serves(node: Node) -> None:
    pool = node.component("gone", maxconcurrency=8)
    work = Work()
    work.gate.clear()
    instance = await node.instance(pool, work)
    node.tell()
    callers: list[Caller] = [await node.caller() for _ in range(8)]
    for caller in callers:
        caller.send(get("gone"))
    await eventually(lambda: work.now == 8)
    pool.instances.remove(instance)
    instance.state = "failed"
    instance.cut()
    await eventually(lambda: instance.in_flight == pool.in_flight == 0)
    assert len(pool.queue) == 8  # what nobody has begun to answer is tried once more
    await node.instance(pool, Work())
    for caller in callers:
        assert (await caller.answer()).status == 200


async def test_one_client_has_so_many_connections_in_all_workers_together_and_a_drain_ends_in_time() -> None:
    async with running(2, max_connections_per_client=8) as node:
        await crowded(node)
        await drained(node)


async def crowded(node: Node) -> None:
    """Eight connections are let in wherever they go, and eight others when these are closed, or die with a worker."""

    async def let_in(connections: int) -> list[Caller]:
        callers: list[Caller] = []
        async with asyncio.timeout(20):
            while len(callers) < connections:
                caller = await node.caller()
                answer = await caller.ask(get("nobody"))
                assert (answer.status, answer.code) in ((404, "no_route"), (503, "no_capacity"))
                if answer.status == 404:
                    callers.append(caller)
        return callers

    eight = await let_in(8)
    await eventually(lambda: node.stats.connections == 8)
    assert [await node.ask("nobody") for _ in range(8)] == [(503, "no_capacity")] * 8
    for caller in eight[:4]:
        caller.close()
    eight[:4] = await let_in(4)
    assert await node.ask("nobody") == (503, "no_capacity")
    for pid in node.crew.pids:
        os.kill(pid, signal.SIGKILL)
    for caller in eight:
        await caller.gone()
    for caller in await let_in(8):
        caller.close()
    await eventually(lambda: node.crew.serving == 2, within=20)
    await eventually(lambda: node.stats.connections == 0)


async def drained(node: Node) -> None:
    pool = node.component("drained", maxconcurrency=8)
    work = Work(0.3)
    await node.instance(pool, work)
    slow = node.component("slow")
    hangs = Work()
    hangs.gate.clear()
    await node.instance(slow, hangs)
    node.tell()
    callers = [await node.caller() for _ in range(4)]
    for caller in callers:
        caller.send(get("drained"))
    hanging = await node.caller()
    hanging.send(get("slow"))
    await eventually(lambda: work.now == 4 and hangs.now == 1)
    assert await node.crew.drain(1.0) == 1
    for caller in callers:
        answer = await caller.answer()
        assert (answer.status, answer.head["connection"]) == (200, "close")
    assert await hanging.ended()
    assert node.crew.pids == []
    assert pool.in_flight == 0
    assert node.stats.component("shop_drained").requests == 4
