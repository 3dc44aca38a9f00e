"""A client that leaves takes its request with it, wherever that is; every slot is given back exactly once."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.integration.gateway.world import GET, Caller, Conversation, World, friendly, request
from tests.support.wait import eventually


async def holds(talk: Conversation) -> None:
    """Keeps a request until the gateway gives it up."""
    await talk.head()
    await talk.gone()
    talk.container.requests.append(talk.container.requests[0])  # seen to be cancelled


def leave(caller: Caller, how: str) -> None:
    {"close": caller.close, "reset": caller.reset, "end of input": caller.end_sending}[how]()


LEAVING = pytest.mark.parametrize("how", ["close", "reset", "end of input"])


@LEAVING
async def test_in_the_queue(gate: World, how: str) -> None:
    pool = await gate.component()
    caller = await gate.caller()
    caller.send(GET)
    await eventually(lambda: len(pool.queue) == 1)
    leave(caller, how)
    await eventually(lambda: not pool.queue)
    await eventually(lambda: not gate.public.connections)
    await gate.instance(pool)
    assert not gate.containers[0].requests


@LEAVING
async def test_in_flight(gate: World, how: str) -> None:
    pool = await gate.component(holds, maxconcurrency=1)
    caller = await gate.caller()
    caller.send(GET)
    await eventually(lambda: gate.containers[0].requests)
    waiting = await gate.caller()
    waiting.send(GET)
    await eventually(lambda: len(pool.queue) == 1)
    leave(caller, how)
    await eventually(lambda: len(gate.containers[0].requests) == 3)  # cancelled there, and the next one was let in
    leave(waiting, how)
    await gate.at_rest()
    assert gate.gateway.stats.components["shop_web"].codes[499].count == 2


@LEAVING
async def test_while_connecting(gate: World, how: str) -> None:
    pool = await gate.component(friendly)
    caller = await gate.caller()
    caller.send(GET)
    leave(caller, how)
    await eventually(lambda: gate.gateway.stats.connections_total == 1 and not gate.public.connections)
    await gate.at_rest()
    await eventually(lambda: len(pool.instances[0].links) == len(pool.instances[0].idle))


@LEAVING
async def test_in_the_middle_of_its_body(gate: World, how: str) -> None:
    await gate.component(holds)
    caller = await gate.caller()
    caller.send(request("POST / HTTP/1.1\nHost: a\nContent-Length: 1000", b"part"))
    await eventually(lambda: gate.containers[0].requests)
    leave(caller, how)
    await eventually(lambda: len(gate.containers[0].requests) == 2)
    await gate.at_rest()


@LEAVING
async def test_in_the_middle_of_the_answer(gate: World, how: str) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
        ended.set_result(await talk.ended())

    ended = asyncio.get_running_loop().create_future()
    await gate.component(script)
    caller = await gate.caller()
    caller.send(GET)
    await caller.until(b"part")
    leave(caller, how)
    assert await asyncio.wait_for(ended, 5)
    await gate.at_rest()


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_with_a_large_body_that_nobody_reads(gate: World, how: str) -> None:
    """The client is not read then, so that it leaves can only be asked of the system."""
    pool = await gate.component()
    caller = await gate.caller()
    caller.send(request("POST / HTTP/1.1\nHost: a\nContent-Length: 100000", bytes(100_000)))
    await eventually(lambda: len(pool.queue) == 1)
    await caller.flush()
    leave(caller, how)
    await eventually(lambda: not pool.queue)
    await eventually(lambda: not gate.public.connections)


async def test_with_requests_that_it_sent_ahead(gate: World) -> None:
    pool = await gate.component(holds)
    caller = await gate.caller()
    caller.send(GET * 5)
    await eventually(lambda: gate.containers[0].requests)
    caller.end_sending()
    await eventually(lambda: not pool.in_flight)
    assert gate.containers[0].connections == 1


async def test_in_the_middle_of_a_head(gate: World) -> None:
    caller = await gate.caller()
    caller.send(b"GET / HT")
    caller.end_sending()
    assert await caller.rest() == b""


async def test_a_storm_of_clients_that_leave_at_any_time_leaves_nothing_behind(gate: World) -> None:
    """Whatever happens when, in the end nothing is in flight, nobody waits, and no limit was ever passed."""
    dice = random.Random(7)

    async def moody(talk: Conversation) -> None:
        while True:
            message = await talk.message()
            mood = dice.random()
            if mood < 0.1:
                return
            if mood < 0.2:
                talk.reset()
                return
            if mood < 0.3:
                talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + bytes(20_000))
                return
            if mood < 0.35:
                talk.send(b"nonsense\r\n\r\n")
                return
            await asyncio.sleep(dice.random() * 0.004)
            talk.reply(message.body or bytes(dice.choice((1, 1000, 100_000))))

    pool = await gate.component(*[moody] * 3, maxconcurrency=3, maxqueue=20)
    most = [0, 0]

    async def one() -> None:
        caller = await gate.caller()
        how = dice.choice(("close", "reset", "end of input"))
        # An orderly end stands behind all that was sent before: it is not seen while that fills the system's buffers.
        sizes = (0, 10, 70_000, 200_000) if how == "reset" else (0, 10, 70_000)
        for _ in range(dice.randrange(1, 4)):
            body = bytes(dice.choice(sizes))
            method = dice.choice(("GET", "POST", "PUT"))
            data = request(f"{method} / HTTP/1.1\nHost: a\nContent-Length: {len(body)}", body)
            caller.send(data[: dice.randrange(len(data))] if dice.random() < 0.2 else data)
            most[0] = max(most[0], *(instance.in_flight for instance in pool.instances))
            most[1] = max(most[1], len(pool.queue))
            await asyncio.sleep(dice.random() * 0.004)
            if dice.random() < 0.5:
                break
        for instance in pool.instances:
            if instance.suspect:  # the engine has confirmed it
                instance.suspect = False
        pool.grant()
        leave(caller, how)

    for _ in range(12):
        await asyncio.gather(*(one() for _ in range(40)))
    gate.leave()
    for instance in pool.instances:
        instance.suspect = False
    pool.grant()
    await gate.at_rest()
    assert most[0] <= 3
    assert most[1] <= 20
    await eventually(lambda: not gate.public.connections)
    assert gate.gateway.stats.components["shop_web"].requests > 300
