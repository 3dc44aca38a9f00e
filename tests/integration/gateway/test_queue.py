"""The queue in front of a component: who goes next, when, and what is said to those who cannot."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from maelstrom.activation.pool import Pool
from maelstrom.gateway import Policy
from maelstrom.gateway.policy import networks
from tests.integration.gateway.world import GET, Caller, Conversation, Message, World, request, world
from tests.support.wait import eventually


class OnDemand:
    """A container's script that answers one request each time it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Semaphore(0)

    async def __call__(self, talk: Conversation) -> None:
        while True:
            await talk.message()
            await self.go.acquire()
            talk.reply()


async def waiting(gate: World, pool: Pool, *asked: bytes) -> list[Caller]:
    """Callers that send these requests, one after the other; all of them wait in the queue."""
    callers = []
    for data in asked:
        before = len(pool.queue)
        caller = await gate.caller()
        caller.send(data)
        await eventually(lambda: len(pool.queue) == before + 1)  # noqa: B023 - awaited at once
        callers.append(caller)
    return callers


class Noted:
    """A transport that notes in which turn of the loop something was written to it."""

    def __init__(self, transport: Any, turn: list[int], notes: list[int]) -> None:
        self._transport = transport
        self._turn = turn
        self._notes = notes

    def write(self, data: bytes) -> None:
        self._notes.append(self._turn[0])
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


async def test_at_the_limit_the_next_request_goes_on_in_the_turn_of_the_loop_that_frees_the_slot(gate: World) -> None:
    """No latency cliff: with as many waiting as you like, a slot stays free for no time at all."""
    script = OnDemand()
    pool = await gate.component(script, maxconcurrency=1)
    first = await gate.caller()
    first.send(GET)
    await eventually(lambda: gate.containers[0].requests)
    callers = [first, *await waiting(gate, pool, *[GET] * 10)]
    turn, answers, requests = [0], list[int](), list[int]()
    (link,) = pool.instances[0].links
    link.transport = Noted(link.transport, turn, requests)  # type: ignore[attr-defined]
    for exchange in (link.exchange, *pool.queue):  # type: ignore[attr-defined]
        exchange.client.transport = Noted(exchange.client.transport, turn, answers)  # type: ignore[attr-defined]
    loop = asyncio.get_running_loop()

    def tick() -> None:
        turn[0] += 1
        nonlocal ticking
        ticking = loop.call_soon(tick)

    ticking = loop.call_soon(tick)
    for caller in callers:
        script.go.release()
        assert (await caller.answer()).status == 200
    ticking.cancel()
    assert len(set(answers)) == 11, "each was answered in a turn of its own"
    assert requests == answers[:-1], "and in that very turn the next one was sent"
    assert gate.containers[0].connections == 1


async def test_a_queue_over_several_instances_needs_no_more_connections_than_slots(gate: World) -> None:
    scripts = [OnDemand(), OnDemand()]
    pool = await gate.component(*scripts, maxconcurrency=2)
    callers = [await gate.caller() for _ in range(40)]
    for caller in callers:
        caller.send(GET)
    await eventually(lambda: len(pool.queue) == 36)
    for script in scripts:
        for _ in range(40):
            script.go.release()
    assert [(await caller.answer()).status for caller in callers] == [200] * 40
    assert [container.connections for container in gate.containers] == [2, 2]


async def ends(gate: World, script: OnDemand, caller: Caller, seconds: float) -> Message:
    """So much later the container answers the one whose turn it is."""
    gate.clock.offset += seconds
    script.go.release()
    return await caller.answer()


async def test_who_cannot_be_served_in_time_hears_so_at_once(gate: World) -> None:
    script = OnDemand()
    pool = await gate.component(script, maxconcurrency=1)
    served = await gate.caller()
    served.send(GET)
    await eventually(lambda: pool.in_flight == 1)
    callers = [served, *await waiting(gate, pool, *[GET] * 40)]
    asking = request("GET / HTTP/1.1\nHost: a\nMaelstrom-Deadline: 20")
    for caller in callers[:10]:
        assert (await ends(gate, script, caller, 2.0)).status == 200
    early = await gate.caller(gate.internal)
    early.send(asking)
    await eventually(lambda: len(pool.queue) == 31)
    for caller in callers[10:20]:
        await ends(gate, script, caller, 2.0)
    inside = await gate.caller(gate.internal)
    answer = await inside.ask(asking)
    assert (answer.status, answer.code) == (503, "queue_full")
    assert 20 <= int(answer.head["retry-after"]) <= 30
    assert b"21 requests wait for shop_web" in answer.body
    assert len(pool.queue) == 21
    inside.send(GET)
    await eventually(lambda: len(pool.queue) == 22)


async def test_retry_after_of_a_full_queue_is_how_long_it_takes_to_serve_it(gate: World) -> None:
    script = OnDemand()
    pool = await gate.component(script, maxconcurrency=1, maxqueue=12)
    served = await gate.caller()
    served.send(GET)
    await eventually(lambda: pool.in_flight == 1)
    callers = [served, *await waiting(gate, pool, *[GET] * 12)]
    assert (await gate.ask(GET)).head["retry-after"] == "1", "nothing is known yet"
    for caller in callers[:3]:
        await ends(gate, script, caller, 3.0)
    await waiting(gate, pool, *[GET] * 3)
    answer = await gate.ask(GET)
    assert (answer.status, answer.code) == (503, "queue_full")
    assert 36 <= int(answer.head["retry-after"]) <= 38


async def served_in_turn(gate: World, script: OnDemand, callers: list[Caller]) -> list[str]:
    """Answers all; what the requests said in `X-Who`, in the order in which they reached the container."""
    for _ in callers:
        script.go.release()
    await asyncio.gather(*(caller.answer() for caller in callers))
    return [head["x-who"] for head in gate.containers[0].requests]


def by(who: str, *lines: str) -> bytes:
    return request("\n".join(["GET / HTTP/1.1", "Host: a.test", f"X-Who: {who}", *lines]))


@pytest.mark.parametrize(("fairness", "order"), [("header:x-tenant", "0nqrnqn"), ("", "0nnnqrq")])
async def test_a_header_of_the_project_s_choice_decides_who_takes_turns(gate: World, fairness: str, order: str) -> None:
    script = OnDemand()
    pool = await gate.component(script, maxconcurrency=1, fairness=fairness)
    first = await gate.caller()
    first.send(by("0"))
    await eventually(lambda: pool.in_flight == 1)
    noisy = [by("n", "X-Tenant: noisy")] * 3
    quiet = [by("q", "x-tenant:  quiet "), by("r"), by("q", "X-TENANT: quiet")]
    callers = [first, *await waiting(gate, pool, *noisy, *quiet)]
    assert await served_in_turn(gate, script, callers) == list(order)


async def test_behind_a_trusted_proxy_its_clients_take_turns_not_its_connections() -> None:
    policy = Policy(name="public", trusted=networks(("127.0.0.0/8",)))
    async with world(public=policy) as gate:
        script = OnDemand()
        pool = await gate.component(script, maxconcurrency=1, fairness="client")
        first = await gate.caller()
        first.send(by("0"))
        await eventually(lambda: pool.in_flight == 1)
        asked = [by("a", "X-Forwarded-For: 192.0.2.66, 198.51.100.1, 127.0.0.9")] * 3
        asked.append(by("b", "X-Forwarded-For: 198.51.100.1, 198.51.100.2:4711"))
        callers = [first, *await waiting(gate, pool, *asked)]
        assert await served_in_turn(gate, script, callers) == list("0abaa")


async def test_what_a_client_says_of_its_address_gives_it_no_turns_of_its_own(gate: World) -> None:
    script = OnDemand()
    pool = await gate.component(script, maxconcurrency=1, fairness="client")
    first = await gate.caller()
    first.send(by("0"))
    await eventually(lambda: pool.in_flight == 1)
    asked = [by("a", f"X-Forwarded-For: 198.51.100.{n}") for n in (1, 1, 2)]
    callers = [first, *await waiting(gate, pool, *asked)]
    assert await served_in_turn(gate, script, callers) == list("0aaa")
    assert len({waiter.fairness_key("client") for waiter in pool.queue}) <= 1


async def test_a_noisy_client_that_fills_the_queue_makes_room_for_another(gate: World) -> None:
    script = OnDemand()
    pool = await gate.component(script, maxconcurrency=1, maxqueue=4, fairness="header:x-tenant")
    first = await gate.caller()
    first.send(by("0"))
    await eventually(lambda: pool.in_flight == 1)
    noisy = await waiting(gate, pool, *[by("n", "X-Tenant: noisy")] * 4)
    quiet = await gate.caller()
    quiet.send(by("q", "X-Tenant: quiet"))
    answer = await noisy[-1].answer()
    assert (answer.status, answer.code) == (503, "queue_full")
    assert int(answer.head["retry-after"]) >= 1
    assert await served_in_turn(gate, script, [first, *noisy[:3], quiet]) == list("0nqnn")
    script.go.release()
    assert (await noisy[-1].ask(by("n"))).status == 200, "its connection goes on"
