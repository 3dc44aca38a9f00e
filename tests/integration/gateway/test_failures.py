"""Containers that fail: what is tried again, what is said, and what is cut."""

from __future__ import annotations

import asyncio

import pytest

from maelstrom.gateway.http1.sender import UNSENT_TRIES
from tests.integration.gateway.world import GET, Container, Conversation, World, friendly, request
from tests.support.wait import eventually

POST = request("POST / HTTP/1.1\nHost: a.test\nContent-Length: 4", b"body")


async def dies(talk: Conversation) -> None:
    """Reads the request and closes without a word."""
    await talk.message()


async def test_a_request_goes_to_another_instance_if_the_first_refuses_the_connection(gate: World) -> None:
    pool = await gate.component(friendly, friendly)
    gate.containers[0].stop_listening()
    for data in (GET, POST):  # nothing was sent, so the method does not matter
        pool.instances[0].suspect = False
        assert (await gate.ask(data)).status == 200
        assert pool.instances[0].suspect
    assert gate.gateway.stats.components["shop_web"].retries == 2


async def test_without_another_instance_the_request_waits_for_one(gate: World) -> None:
    pool = await gate.component(friendly)
    gate.containers[0].stop_listening()
    caller = await gate.caller()
    caller.send(GET)
    await eventually(lambda: len(pool.queue) == 1)
    assert gate.wanted  # suspected: whoever starts instances has been asked
    await gate.instance(pool)
    assert (await caller.answer()).status == 200


async def test_a_request_that_nobody_takes_is_tried_a_few_times(gate: World) -> None:
    pool = await gate.component(*[friendly] * (1 + UNSENT_TRIES))
    for container in gate.containers:
        container.stop_listening()
    answer = await gate.ask(GET)
    assert (answer.status, answer.code) == (502, "upstream_broken")
    assert all(instance.suspect for instance in pool.instances)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_an_idempotent_request_is_tried_once_more_elsewhere(gate: World, method: str) -> None:
    await gate.component(dies, friendly)
    answer = await gate.ask(request(f"{method} / HTTP/1.1\nHost: a"), to_head=method == "HEAD")
    assert answer.status == 200
    assert [len(container.requests) for container in gate.containers] == [1, 1]


@pytest.mark.parametrize("data", [POST, POST.replace(b"POST", b"PUT"), POST.replace(b"POST", b"PATCH")])
async def test_a_request_whose_body_was_sent_is_not_tried_elsewhere(gate: World, data: bytes) -> None:
    await gate.component(dies, friendly)
    answer = await gate.ask(data)
    assert (answer.status, answer.code) == (502, "upstream_broken")
    assert [len(container.requests) for container in gate.containers] == [1, 0]


async def test_a_broken_answer_is_not_tried_again(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.send(b"HTTP/1.1 200 O")

    await gate.component(script, friendly)
    answer = await gate.ask(GET)
    assert (answer.status, answer.code) == (502, "upstream_broken")
    assert not gate.containers[1].requests


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_kept_connection_that_was_just_being_closed_is_no_failure(gate: World, end: str, method: str) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.reply(b"%d" % talk.number)
        await talk.message()
        getattr(talk, end)()

    pool = await gate.component(script)
    caller = await gate.caller()
    data = request(f"{method} / HTTP/1.1\nHost: a\nContent-Length: 1", b"x")
    assert [(await caller.ask(data)).body for _ in range(3)] == [b"1", b"2", b"3"]
    assert not pool.instances[0].suspect
    assert gate.gateway.stats.components["shop_web"].retries == 0


async def test_what_cannot_be_sent_twice_takes_no_connection_that_was_idle_for_long(gate: World) -> None:
    await gate.component(friendly)
    caller = await gate.caller()
    await caller.ask(POST)
    await caller.ask(POST)
    assert gate.containers[0].connections == 1
    gate.pass_time(2.0)
    await caller.ask(GET)
    assert gate.containers[0].connections == 1
    gate.pass_time(2.0)
    await caller.ask(POST)
    assert gate.containers[0].connections == 2
    assert len(gate.pools["shop_web"].instances[0].links) == 1


async def test_idle_connections_to_containers_end_after_a_while(gate: World) -> None:
    pool = await gate.component(friendly)
    await gate.ask(GET)
    await eventually(lambda: len(pool.instances[0].idle) == 1)
    gate.pass_time(31.0)
    assert not pool.instances[0].idle
    await eventually(lambda: not pool.instances[0].links)


async def test_a_connection_that_the_container_closes_while_idle_is_forgotten(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.reply()

    pool = await gate.component(script)
    caller = await gate.caller()
    await caller.ask(POST)
    await eventually(lambda: not pool.instances[0].idle)
    assert (await caller.ask(POST)).status == 200


CUT = {
    "counted": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\npart",
    "until close": b"HTTP/1.1 200 OK\r\n\r\npart",
}


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("end", ["close", "reset", "lost", "nonsense"])
async def test_an_answer_that_breaks_off_is_seen_to_be_cut(gate: World, name: str, end: str) -> None:
    if (name, end) in (("until close", "close"), ("until close", "nonsense"), ("counted", "nonsense")):
        return  # such an answer may end so

    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.send(CUT[name])
        await talk.flush()
        await go.wait()
        if end == "reset":
            talk.reset()
        elif end == "lost":
            instance.state = "failed"
            instance.cut()
        elif end == "nonsense":
            talk.send(b"nonsense\r\n")

    go = asyncio.Event()
    instance = (await gate.component(script)).instances[0]
    caller = await gate.caller()
    caller.send(GET)
    assert (await caller.head()).status == 200
    await caller.until(b"part")
    go.set()
    with pytest.raises(ConnectionResetError):
        await caller.rest()
    assert gate.gateway.stats.components["shop_web"].errors == {"upstream_broken": 1}


async def test_a_container_that_is_gone_takes_its_requests_to_the_next(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        asked.set()
        await asyncio.Event().wait()

    asked = asyncio.Event()
    pool = await gate.component(script)
    first = pool.instances[0]
    callers = [await gate.caller() for _ in range(2)]
    callers[0].send(GET)
    await asyncio.wait_for(asked.wait(), 5)
    asked.clear()
    callers[1].send(POST)
    await asyncio.wait_for(asked.wait(), 5)
    first.state = "failed"
    first.cut()
    answer = await callers[1].answer()
    assert (answer.status, answer.code) == (502, "upstream_broken")
    assert len(pool.queue) == 1
    await gate.instance(pool)
    assert (await callers[0].answer()).body == b"hello"


async def test_a_container_that_is_gone_while_being_connected_to(gate: World) -> None:
    pool = await gate.component(friendly)
    instance = pool.instances[0]
    caller = await gate.caller()
    caller.send(GET)
    await eventually(lambda: instance.links, every=0.0)
    instance.state = "failed"
    instance.cut()
    await eventually(lambda: len(pool.queue) == 1 or gate.containers[0].requests)
    await gate.instance(pool)
    assert (await caller.answer()).status == 200
    assert not gate.containers[0].requests


async def test_connections_to_an_instance_that_drains_are_not_kept(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        pool.instances[0].state = "draining"
        talk.reply()
        assert await talk.ended()

    pool = await gate.component(script)
    assert (await gate.ask(GET)).status == 200
    await eventually(lambda: not pool.instances[0].links)


async def test_a_container_may_stop_reading_and_answer(gate: World) -> None:
    """An upload that the container refuses in the middle: its answer arrives, nothing hangs."""

    async def script(talk: Conversation) -> None:
        await talk.head()
        talk.reply(b"too much", "Connection: close", status="413 Content Too Large")
        talk.end_sending()
        await talk.gone()

    await gate.component(script)
    caller = await gate.caller()
    caller.send(request("POST / HTTP/1.1\nHost: a\nContent-Length: 50000000"))
    caller.send(bytes(1_000_000))
    answer = await caller.answer()
    assert (answer.status, answer.body) == (413, b"too much")


async def test_the_same_port_serves_again_after_a_restart(gate: World) -> None:
    pool = await gate.component(friendly)
    caller = await gate.caller()
    await caller.ask(GET)
    old = gate.containers[0]
    await old.close()
    await eventually(lambda: not pool.instances[0].idle)
    new = Container()
    new.port = old.port
    gate.containers.append(await new.start())
    assert (await caller.ask(GET)).status == 200
    assert len(new.requests) == 1
