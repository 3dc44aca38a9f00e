"""Upgrades: tunnels that count as in flight, end in halves, and live by the idle time."""

from __future__ import annotations

import asyncio
import socket

import pytest
import websockets
from websockets.asyncio.server import ServerConnection, serve

from maelstrom.model.instance import Address
from tests.integration.gateway.world import GET, Caller, Conversation, World, request
from tests.support.wait import eventually

UPGRADE = request("GET /ws HTTP/1.1\nHost: a\nConnection: keep-alive, Upgrade\nUpgrade: chat/2")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat/2\r\n\r\n"


async def shouts(talk: Conversation) -> None:
    """Switches, then answers each line in capitals; at the end of its input it says so and ends."""
    head = await talk.head()
    assert head["upgrade"] == "chat/2"
    assert head["connection"] == "Upgrade"
    talk.send(SWITCHED + b"HI\n")
    while line := await talk.reader.readline():
        talk.send(line.upper())
    talk.send(b"BYE\n")
    await talk.flush()


async def tunnel(gate: World) -> Caller:
    caller = await gate.caller()
    answer = await caller.ask(UPGRADE)
    assert (answer.status, answer.head["upgrade"], answer.head["connection"]) == (101, "chat/2", "Upgrade")
    return caller


async def test_bytes_pass_both_ways(gate: World) -> None:
    pool = await gate.component(shouts)
    caller = await tunnel(gate)
    assert await caller.until(b"\n") == b"HI\n"
    for _ in range(3):
        caller.send(b"hello\n")
        assert await caller.until(b"\n") == b"HELLO\n"
    assert pool.in_flight == 1  # an open tunnel keeps its container
    caller.close()
    await eventually(lambda: not pool.in_flight)


async def test_what_was_sent_ahead_arrives(gate: World) -> None:
    await gate.component(shouts)
    caller = await gate.caller()
    answer = await caller.ask(UPGRADE + b"early\n")
    assert answer.status == 101
    assert await caller.until(b"EARLY\n") == b"HI\nEARLY\n"


async def test_the_end_of_the_clients_input_is_passed_on_and_the_rest_still_arrives(gate: World) -> None:
    pool = await gate.component(shouts)
    caller = await tunnel(gate)
    caller.send(b"last words\n")
    caller.end_sending()
    assert await caller.rest() == b"HI\nLAST WORDS\nBYE\n"
    await eventually(lambda: not pool.in_flight)
    assert gate.gateway.stats.components["shop_web"].codes[101].count == 1


async def test_the_end_of_the_containers_output_is_passed_on_and_the_rest_still_arrives(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.head()
        talk.send(SWITCHED + b"done")
        talk.end_sending()
        heard.set_result(await talk.rest())

    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    pool = await gate.component(script)
    caller = await tunnel(gate)
    assert await caller.rest() == b"done"
    caller.send(b"still here")
    await caller.flush()
    assert pool.in_flight == 1
    caller.end_sending()
    assert await asyncio.wait_for(heard, 5) == b"still here"
    await eventually(lambda: not pool.in_flight and not gate.public.connections)


async def test_what_was_sent_last_arrives_although_its_reader_is_slow(gate: World) -> None:
    async def pours(talk: Conversation) -> None:
        await talk.head()
        talk.send(SWITCHED)
        await talk.until(b"go")
        talk.send(bytes(60_000))
        talk.end_sending()
        await talk.gone()

    pool = await gate.component(pours)
    caller = await tunnel(gate)
    (client,) = gate.public._clients
    client.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
    caller.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    gate.pass_time(40.0)
    caller.stop_reading()
    caller.send(b"go")
    caller.end_sending()
    await eventually(lambda: not pool.in_flight)
    assert client.transport.get_write_buffer_size() > 0
    gate.pass_time(6.0)
    caller.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert len(await caller.rest()) == 60_000


async def test_an_upgrade_that_is_refused_leaves_an_ordinary_exchange(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        while True:
            head = await talk.head()
            if head.has("upgrade"):
                talk.reply(b"not here", "Upgrade: chat/3", "Connection: Upgrade", status="426 Upgrade Required")
            else:
                talk.reply(head.first.encode())

    await gate.component(script)
    caller = await gate.caller()
    caller.send(UPGRADE + request("GET /next HTTP/1.1\nHost: a"))
    answer = await caller.answer()
    assert (answer.status, answer.body, answer.head["upgrade"]) == (426, b"not here", "chat/3")
    assert (await caller.answer()).body == b"GET /next HTTP/1.1"


@pytest.mark.parametrize("side", ["client", "container"])
async def test_a_reset_on_one_side_is_a_reset_on_the_other(gate: World, side: str) -> None:
    async def script(talk: Conversation) -> None:
        await talk.head()
        talk.send(SWITCHED)
        await talk.flush()
        await talk.until(b"go")
        if side == "container":
            talk.reset()
            return
        await talk.gone()
        gone.set()

    gone = asyncio.Event()
    pool = await gate.component(script)
    caller = await tunnel(gate)
    caller.send(b"go")
    await caller.flush()
    if side == "container":
        with pytest.raises(ConnectionResetError):
            await caller.rest()
    else:
        caller.reset()
        await asyncio.wait_for(gone.wait(), 5)
    await eventually(lambda: not pool.in_flight)


async def test_a_container_that_is_gone_ends_its_tunnels(gate: World) -> None:
    pool = await gate.component(shouts)
    caller = await tunnel(gate)
    await caller.until(b"HI\n")
    pool.instances[0].state = "failed"
    pool.instances[0].cut()
    with pytest.raises(ConnectionResetError):
        await caller.rest()


async def test_without_an_idle_time_the_total_counts(gate: World) -> None:
    pool = await gate.component(shouts, maxdurationseconds=60)
    caller = await tunnel(gate)
    await caller.until(b"HI\n")
    gate.pass_time(60.2)
    assert not pool.in_flight


async def test_with_an_idle_time_only_silence_ends_it(gate: World) -> None:
    pool = await gate.component(shouts, maxdurationseconds=10, idlebytesseconds=30)
    caller = await tunnel(gate)
    await caller.until(b"HI\n")
    for _ in range(5):
        gate.pass_time(25.0)
        caller.send(b"x\n")
        await caller.until(b"X\n")
    gate.pass_time(30.2)
    assert not pool.in_flight


async def test_a_tunnel_holds_back_the_side_that_is_too_fast(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.head()
        talk.send(SWITCHED)
        talk.stop_reading()
        await asyncio.Event().wait()

    await gate.component(script)
    caller = await tunnel(gate)
    block = bytes(1 << 20)
    for _ in range(100):
        caller.send(block)
        if caller.writer.transport.get_write_buffer_size() > 4 << 20:
            break
    else:
        pytest.fail("100 MiB went into a tunnel that nobody reads")


async def test_websockets_speak_through_it(gate: World) -> None:
    async def echo(socket: ServerConnection) -> None:
        async for message in socket:
            await socket.send(message)

    pool = await gate.component(shouts)
    async with serve(echo, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        pool.instances[0].address = Address("127.0.0.1", port)
        host, own = gate.public.address
        async with websockets.connect(f"ws://{host}:{own}/chat", max_size=None) as client:
            for message in ("hello", "x" * 300_000, b"\0" * 1_000_000):
                await client.send(message)
                assert await client.recv() == message
            assert pool.in_flight == 1
        await eventually(lambda: not pool.in_flight)
    pool.instances[0].address = Address("127.0.0.1", gate.containers[0].port)
    assert (await (await gate.caller()).ask(UPGRADE)).status == 101


async def test_old_clients_and_requests_with_bodies_are_not_upgraded(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        while True:
            message = await talk.message()
            assert not message.head.has("upgrade")
            talk.reply()

    await gate.component(script)
    for first in (b"GET / HTTP/1.0\r\n", b"POST / HTTP/1.1\r\nContent-Length: 1\r\n"):
        caller = await gate.caller()
        data = first + b"Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        assert (await caller.ask(data + b"x" * (b"Length" in first))).status == 200
    assert (await gate.ask(GET)).status == 200
