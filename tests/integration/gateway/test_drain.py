"""The node stops: nothing that was begun fails, and it ends."""

from __future__ import annotations

import asyncio

import pytest

from maelstrom.gateway import Policy
from maelstrom.model.errors import Unavailable
from maelstrom.model.settings import Listen
from tests.integration.gateway.world import GET, Caller, Conversation, World, friendly, request
from tests.support.wait import eventually


async def test_what_runs_is_finished_and_says_that_it_was_the_last(gate: World) -> None:
    go = asyncio.Event()

    async def script(talk: Conversation) -> None:
        await talk.message()
        await go.wait()
        talk.reply()

    await gate.component(script)
    caller = await gate.caller()
    caller.send(GET)
    await eventually(lambda: gate.containers[0].requests)
    draining = asyncio.create_task(gate.public.drain(10.0))
    await eventually(lambda: gate.public.draining)
    go.set()
    answer = await caller.answer()
    assert (answer.body, answer.head["connection"]) == (b"hello", "close")
    assert await draining == 0


async def test_no_connection_is_accepted_any_more(gate: World) -> None:
    host, port = gate.public.address
    assert await gate.public.drain(1.0) == 0
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, port)


async def test_an_idle_connection_may_bring_one_more_request(gate: World) -> None:
    await gate.component(friendly)
    callers = [await gate.caller() for _ in range(2)]
    for caller in callers:
        await caller.ask(GET)
    draining = asyncio.create_task(gate.public.drain(10.0))
    await eventually(lambda: gate.public.draining)
    answer = await callers[0].ask(GET)
    assert (answer.status, answer.head["connection"]) == (200, "close")
    health = await callers[1].ask(request("GET /_mael_health_check HTTP/1.1\nHost: a"))
    assert (health.status, health.code) == (503, "draining")
    assert await draining == 0


async def test_where_another_process_follows_the_node_is_healthy_all_the_time(gate: World) -> None:
    await gate.component(friendly)
    caller = await gate.caller()
    await caller.ask(GET)
    draining = asyncio.create_task(gate.public.drain(10.0, followed=True))
    await eventually(lambda: gate.public.closing)
    health = await caller.ask(request("GET /_mael_health_check HTTP/1.1\nHost: a"))
    assert (health.status, health.head["connection"]) == (200, "close")
    assert await draining == 0


async def test_idle_connections_end_soon(gate: World) -> None:
    await gate.component(friendly)
    caller = await gate.caller()
    await caller.ask(GET)
    draining = asyncio.create_task(gate.public.drain(10.0))
    await eventually(lambda: gate.public.draining)
    await asyncio.sleep(0.01)
    gate.pass_time(1.2)
    assert await draining == 0
    assert await caller.rest() == b""


async def test_what_is_left_after_the_grace_is_cut(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
        await talk.gone()

    await gate.component(script)
    caller = await gate.caller()
    caller.send(GET)
    await caller.until(b"part")
    assert await gate.public.drain(0.1) == 1
    with pytest.raises(ConnectionResetError):
        await caller.rest()
    await gate.at_rest()


async def test_no_request_of_a_busy_client_fails(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        while True:
            await talk.message()
            await asyncio.sleep(0.005)
            talk.reply()

    async def busy(caller: Caller) -> int:
        for n in range(10_000):
            answer = await caller.ask(GET)
            assert answer.status == 200
            if answer.head.get("connection") == "close":
                return n + 1
        return 0

    await gate.component(script, maxconcurrency=50)
    work = [asyncio.create_task(busy(await gate.caller())) for _ in range(30)]
    await eventually(lambda: len(gate.containers[0].requests) > 100)
    assert await gate.public.drain(10.0) == 0
    assert all(await asyncio.gather(*work))


async def test_a_port_that_is_taken_is_said(gate: World) -> None:
    host, port = gate.public.address
    with pytest.raises(Unavailable, match=f"public gateway cannot listen on {host}:{port}"):
        await gate.gateway.listen(Listen(host=host, port=port), Policy(name="public"))
