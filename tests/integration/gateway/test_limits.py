"""Every time-out, on a clock that the test puts forward: exactly one outcome each, and the slot is given back."""

from __future__ import annotations

import asyncio

import pytest

from maelstrom.gateway import Limits
from tests.integration.gateway.world import GET, Conversation, World, friendly, request, world
from tests.support.wait import eventually


async def silent(talk: Conversation) -> None:
    """Reads a request's head and says nothing."""
    await talk.head()
    await talk.gone()


async def test_an_idle_connection_ends_in_its_time_also_where_that_is_less_than_that_of_a_head() -> None:
    async with world(limits=Limits(head_seconds=30, keepalive_seconds=2)) as gate:
        await gate.component(friendly)
        caller = await gate.caller()
        assert (await caller.ask(GET)).status == 200
        gate.pass_time(1.5)
        assert (await caller.ask(GET)).status == 200
        gate.pass_time(1.5)
        assert gate.public.connections == 1
        gate.pass_time(0.7)
        assert await caller.ended()


async def test_a_deadline_that_passes_in_the_queue_is_504(gate: World) -> None:
    pool = await gate.component(maxdurationseconds=5)
    caller = await gate.caller()
    caller.send(GET)
    await eventually(lambda: len(pool.queue) == 1)
    gate.pass_time(4.0)
    assert len(pool.queue) == 1
    gate.pass_time(1.2)
    answer = await caller.answer()
    assert (answer.status, answer.code) == (504, "deadline")
    assert not pool.queue
    await gate.instance(pool)
    assert (await caller.ask(GET)).status == 200  # the connection goes on, and there is no second answer


async def test_a_deadline_that_passes_in_the_exchange_is_504_too(gate: World) -> None:
    pool = await gate.component(silent, maxdurationseconds=5)
    caller = await gate.caller()
    caller.send(GET)
    await eventually(lambda: gate.containers[0].requests)
    gate.pass_time(5.2)
    answer = await caller.answer()
    assert (answer.status, answer.code) == (504, "deadline")
    await gate.at_rest()
    assert not pool.instances[0].suspect


async def test_a_deadline_that_passes_in_the_answer_cuts_it(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
        assert await talk.ended()

    await gate.component(script, maxdurationseconds=5)
    caller = await gate.caller()
    caller.send(GET)
    await caller.until(b"part")
    gate.pass_time(5.2)
    with pytest.raises(ConnectionResetError):
        await caller.rest()
    assert gate.gateway.stats.components["shop_web"].errors == {"deadline": 1}


async def test_what_cannot_make_its_deadline_is_not_started(gate: World) -> None:
    """Many waited too long just when an instance becomes free: none reaches it, and the next one in time does."""
    pool = await gate.component(maxdurationseconds=5, maxconcurrency=1, maxqueue=2000)
    late = [await gate.caller(gate.internal) for _ in range(20)]
    for caller in late:
        caller.send(request("GET /late HTTP/1.1\nHost: a\nMaelstrom-Deadline: 2") * 60)
    await eventually(lambda: len(pool.queue) == 20)
    gate.clock.offset += 3.0  # the timers have not looked yet
    fine = await gate.caller()
    fine.send(GET)
    await eventually(lambda: len(pool.queue) >= 21)
    await gate.instance(pool)
    assert (await fine.answer()).status == 200
    for caller in late:
        assert (await caller.answer()).code == "deadline"


async def test_the_time_for_the_first_byte_is_its_own(gate: World) -> None:
    await gate.component(silent, maxdurationseconds=100, firstbyteseconds=3)
    caller = await gate.caller()
    caller.send(GET)
    await eventually(lambda: gate.containers[0].requests)
    gate.pass_time(3.2)
    answer = await caller.answer()
    assert (answer.status, answer.code) == (504, "deadline")


async def test_waiting_for_an_instance_does_not_count_as_waiting_for_the_first_byte(gate: World) -> None:
    pool = await gate.component(maxdurationseconds=100, firstbyteseconds=3)
    caller = await gate.caller()
    caller.send(GET)
    await eventually(lambda: len(pool.queue) == 1)
    gate.pass_time(50.0)
    await gate.instance(pool)
    assert (await caller.answer()).status == 200


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_stream_lives_by_its_idle_time_where_that_is_set(gate: World, chunked: bool) -> None:
    go = asyncio.Queue[None]()

    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" if chunked else b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            talk.send(b"4\r\ntick\r\n" if chunked else b"tick")
            await go.get()

    await gate.component(script, maxdurationseconds=10, idlebytesseconds=5)
    caller = await gate.caller()
    caller.send(GET)
    await caller.until(b"tick")
    for _ in range(10):
        gate.pass_time(4.0)
        go.put_nowait(None)
        await caller.until(b"tick")
    gate.pass_time(0.1)
    gate.pass_time(5.2)
    with pytest.raises(ConnectionResetError):
        await caller.rest()


async def test_a_head_must_come_in_time(gate: World) -> None:
    caller = await gate.caller()
    caller.send(b"GET / HTTP/1.1\r\nHost: a")
    await eventually(lambda: gate.public.connections == 1)
    await asyncio.sleep(0.01)
    gate.pass_time(20.0)
    caller.send(b"\r\nX: y")
    await asyncio.sleep(0.01)
    gate.pass_time(10.2)
    answer = await caller.answer()
    assert (answer.status, answer.code) == (408, "request_timeout")
    assert await caller.ended()


async def test_a_second_head_has_its_own_time(gate: World) -> None:
    await gate.component(friendly)
    caller = await gate.caller()
    await caller.ask(GET)
    gate.pass_time(40.0)
    caller.send(GET[:10])
    await asyncio.sleep(0.01)
    gate.pass_time(29.0)
    assert (await caller.ask(GET[10:])).status == 200
    caller.send(GET[:10])
    await asyncio.sleep(0.01)
    gate.pass_time(30.2)
    assert (await caller.answer()).status == 408


async def test_a_connection_that_never_asks_is_closed_without_a_word(gate: World) -> None:
    caller = await gate.caller()
    await eventually(lambda: gate.public.connections == 1)
    gate.pass_time(30.2)
    assert await caller.rest() == b""


async def test_an_idle_connection_is_closed_after_a_while(gate: World) -> None:
    await gate.component(friendly)
    caller = await gate.caller()
    await caller.ask(GET)
    gate.pass_time(70.0)
    await caller.ask(GET)
    gate.pass_time(70.0)
    assert (await caller.ask(GET)).status == 200
    gate.pass_time(75.2)
    assert await caller.rest() == b""


@pytest.mark.parametrize("ready", [True, False])
async def test_a_body_must_not_stand_still(gate: World, ready: bool) -> None:
    pool = await gate.component(*([silent] if ready else []))
    caller = await gate.caller()
    caller.send(request("POST / HTTP/1.1\nHost: a\nContent-Length: 100"))
    for _ in range(3):
        caller.send(b"x")
        await eventually(lambda: pool.queue or pool.in_flight)
        await asyncio.sleep(0.01)
        gate.pass_time(50.0)
    gate.pass_time(60.2)
    answer = await caller.answer()
    assert (answer.status, answer.code) == (408, "request_timeout")
    assert await caller.ended()
    await gate.at_rest()


async def test_deadlines_are_met_without_anybody_putting_the_clock_forward(gate: World) -> None:
    await gate.component(silent)
    caller = await gate.caller(gate.internal)
    answer = await caller.ask(request("GET / HTTP/1.1\nHost: a\nMaelstrom-Deadline: 0.2"))
    assert (answer.status, answer.code) == (504, "deadline")


async def test_a_changed_definition_counts_from_the_next_request_on(gate: World) -> None:
    pool = await gate.component(friendly)
    caller = await gate.caller()
    await caller.ask(GET)
    component = pool.component
    definition = component.definition.model_copy(update={"maxdurationseconds": 7})
    pool.component = type(component)(component.key, 2, 1, definition)
    await caller.ask(GET)
    assert [head["maelstrom-deadline"] for head in gate.containers[0].requests] == ["300", "7"]
