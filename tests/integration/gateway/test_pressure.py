"""Whoever is slow slows the other side down; nothing is heaped up in between."""

from __future__ import annotations

import asyncio

from tests.integration.gateway.world import GET, Conversation, World, friendly, request
from tests.support.wait import eventually

BLOCK = bytes(1 << 20)
MUCH = 64 << 20  # far more than all buffers of two connections hold


async def test_a_slow_client_slows_the_container(gate: World) -> None:
    sent = 0

    async def script(talk: Conversation) -> None:
        nonlocal sent
        await talk.message()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MUCH)
        while sent < MUCH:
            talk.send(BLOCK)
            await talk.writer.drain()
            sent += len(BLOCK)

    await gate.component(script)
    caller = await gate.caller()
    caller.stop_reading()
    caller.send(GET)
    await eventually(lambda: sent > 0)
    before = -1
    while before != sent:
        before = sent
        await asyncio.sleep(0.05)
    assert sent < MUCH / 2
    [client] = gate.public._clients
    assert client.transport.get_write_buffer_size() < 1 << 20
    caller.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert len((await caller.answer()).body) == MUCH


async def test_a_slow_container_slows_the_client(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.head()
        talk.stop_reading()
        await go.wait()
        talk.writer.transport.resume_reading()  # type: ignore[attr-defined]
        left = MUCH
        while left:
            left -= len(await talk.some())
        talk.reply()

    go = asyncio.Event()
    await gate.component(script)
    caller = await gate.caller()
    caller.send(request(f"POST / HTTP/1.1\nHost: a\nContent-Length: {MUCH}"))
    caller.send(bytes(MUCH))
    buffered = caller.writer.transport.get_write_buffer_size
    before = -1
    while before != buffered():
        before = buffered()
        await asyncio.sleep(0.05)
    assert buffered() > MUCH / 2
    go.set()
    assert (await caller.answer()).status == 200


async def test_a_body_that_waits_for_a_container_is_not_read_on(gate: World) -> None:
    pool = await gate.component()
    caller = await gate.caller()
    caller.send(request(f"POST / HTTP/1.1\nHost: a\nContent-Length: {MUCH}"))
    caller.send(bytes(MUCH))
    await eventually(lambda: len(pool.queue) == 1)
    await asyncio.sleep(0.05)
    assert caller.writer.transport.get_write_buffer_size() > MUCH / 2

    async def script(talk: Conversation) -> None:
        left = int((await talk.head())["content-length"])
        while left:
            left -= len(await talk.some())
        talk.reply()

    await gate.instance(pool, script)
    assert (await caller.answer()).status == 200


async def test_requests_sent_far_ahead_are_not_read_on(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        await go.wait()
        talk.reply()
        await friendly(talk)

    go = asyncio.Event()
    await gate.component(script)
    caller = await gate.caller()
    many = request(f"GET / HTTP/1.1\nHost: a\nX: {'x' * 8000}")
    caller.send(many * 1000)
    await eventually(lambda: gate.in_flight)
    await asyncio.sleep(0.05)
    assert caller.writer.transport.get_write_buffer_size() > 1 << 20
    go.set()
    for _ in range(1000):
        assert (await caller.answer()).status == 200


async def test_a_client_that_never_reads_its_answers_holds_no_slot(gate: World) -> None:
    """Requests sent ahead are not begun while the answers before them cannot be written."""

    async def script(talk: Conversation) -> None:
        while True:
            await talk.message()
            talk.reply(bytes(100_000))

    pool = await gate.component(script)
    caller = await gate.caller()
    caller.stop_reading()
    caller.send(GET * 500 + MUCH * b"x")
    before = -1
    while before != len(gate.containers[0].requests) or not before:
        before = len(gate.containers[0].requests)
        await asyncio.sleep(0.05)
    assert before < 300
    assert pool.in_flight <= 1
    assert caller.writer.transport.get_write_buffer_size() > MUCH / 2  # nor are they heaped up
    caller.writer.transport.resume_reading()  # type: ignore[attr-defined]
    for _ in range(500):
        assert len((await caller.answer()).body) == 100_000
