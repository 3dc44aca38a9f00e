"""Balancers that speak the PROXY protocol, and how many connections one client may have."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest

from maelstrom.gateway import Limits, Policy
from maelstrom.gateway.wire.proxy_protocol import SIGNATURE
from tests.integration.gateway.world import GET, Caller, World, friendly, world
from tests.support.wait import eventually

BALANCER, STRANGER = "127.0.0.1", "127.0.0.2"
FIRST = b"PROXY TCP4 192.0.2.7 198.51.100.9 5000 80\r\n"
SECOND = SIGNATURE + b"\x21\x11\x00\x0c" + bytes([192, 0, 2, 7, 198, 51, 100, 9]) + struct.pack("!HH", 5000, 80)
SIX = SIGNATURE + b"\x21\x21\x00\x24" + bytes(15) + b"\x07" + bytes(15) + b"\x09" + struct.pack("!HH", 5000, 80)
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"
BY_NAME = b"GET / HTTP/1.0\r\n\r\n"


def policy(**fields: object) -> Policy:
    return Policy(name="public", show_reasons=True, **fields)  # type: ignore[arg-type]


@pytest.fixture
async def behind() -> AsyncIterator[World]:
    async with world(public=policy(balancers=(ip_network("127.0.0.1/32"),))) as made:
        await made.component(friendly)
        yield made


async def connect(gate: World, host: str) -> Caller:
    reader, writer = await asyncio.open_connection(*gate.public.address, local_addr=(host, 0))
    caller = Caller(reader, writer)
    gate.callers.append(caller)
    return caller


@pytest.mark.parametrize(("header", "client"), [(FIRST, "192.0.2.7"), (SECOND, "192.0.2.7"), (SIX, "::7")])
@pytest.mark.parametrize("together", [True, False])
async def test_the_address_in_the_header_is_the_clients(
    behind: World, header: bytes, client: str, together: bool
) -> None:
    caller = await connect(behind, BALANCER)
    if together:
        caller.send(header + GET + GET)
    else:
        for byte in header + GET + GET:
            caller.send(bytes([byte]))
            await asyncio.sleep(0)
    for _ in range(2):
        assert (await caller.answer()).status == 200
    assert [head["x-forwarded-for"] for head in behind.containers[0].requests] == [client] * 2
    assert (await caller.ask(GET)).status == 200


async def test_the_address_that_was_reached_is_the_balancers(behind: World) -> None:
    caller = await connect(behind, BALANCER)
    assert (await caller.ask(FIRST + BY_NAME)).status == 200
    assert behind.containers[0].requests[0]["host"] == "198.51.100.9:80"


async def test_a_balancer_that_speaks_for_itself_is_the_client(behind: World) -> None:
    caller = await connect(behind, BALANCER)
    assert (await caller.ask(LOCAL + GET)).status == 200
    assert behind.containers[0].requests[0]["x-forwarded-for"] == BALANCER


async def test_a_balancer_without_a_header_is_told_so(behind: World) -> None:
    caller = await connect(behind, BALANCER)
    answer = await caller.ask(GET)
    assert (answer.status, answer.code) == (400, "bad_request")
    assert b"expects a PROXY header from 127.0.0.1" in answer.body
    await caller.gone()
    assert behind.gateway.stats.refused_headers == 1
    assert not behind.containers[0].requests


@pytest.mark.parametrize("header", [FIRST, SECOND])
async def test_nobody_else_may_send_a_header(behind: World, header: bytes) -> None:
    caller = await connect(behind, STRANGER)
    answer = await caller.ask(header + GET)
    assert (answer.status, answer.code) == (400, "bad_request")
    await caller.gone()
    assert not behind.containers[0].requests


async def test_everybody_else_speaks_as_ever(behind: World) -> None:
    caller = await connect(behind, STRANGER)
    assert (await caller.ask(GET)).status == 200
    assert behind.containers[0].requests[0]["x-forwarded-for"] == STRANGER


async def test_a_header_must_come_in_time(behind: World) -> None:
    caller = await connect(behind, BALANCER)
    caller.send(FIRST[:10])
    await eventually(lambda: behind.public.connections == 1)
    behind.pass_time(5.2)
    assert await caller.ended()
    await eventually(lambda: behind.public.connections == 0)
    assert behind.gateway.stats.refused_headers == 1


async def test_a_connection_that_ends_in_its_header_leaves_nothing(behind: World) -> None:
    caller = await connect(behind, BALANCER)
    caller.send(FIRST[:10])
    await eventually(lambda: behind.public.connections == 1)
    caller.end_sending()
    assert await caller.ended()
    await eventually(lambda: behind.public.connections == 0)


async def test_a_client_behind_a_balancer_that_is_no_trusted_proxy_cannot_say_who_it_is() -> None:
    here = (ip_network("127.0.0.1/32"),)
    async with world(public=policy(balancers=here, trusted=here)) as gate:
        await gate.component(friendly)
        caller = await connect(gate, BALANCER)
        lie = GET[:-2] + b"X-Forwarded-For: 203.0.113.1\r\n\r\n"
        assert (await caller.ask(FIRST + lie)).status == 200
        assert gate.containers[0].requests[0]["x-forwarded-for"] == "192.0.2.7"


async def test_one_client_has_so_many_connections_and_others_still_have_theirs() -> None:
    async with world(public=policy(per_client=2)) as gate:
        await gate.component(friendly)
        mine = [await connect(gate, STRANGER) for _ in range(2)]
        await eventually(lambda: gate.public.connections == 2)
        third = await connect(gate, STRANGER)
        third.send(GET)
        answer = await third.answer()
        assert (answer.status, answer.code) == (503, "no_capacity")
        assert b"from 127.0.0.2" in answer.body
        assert await third.ended()
        assert (await (await connect(gate, "127.0.0.3")).ask(GET)).status == 200
        assert gate.gateway.stats.refused_clients == 1
        mine[0].close()
        await eventually(lambda: gate.public.connections == 2)
        assert (await (await connect(gate, STRANGER)).ask(GET)).status == 200
        gate.leave()
        crowds = gate.public.crowds
        assert crowds is not None
        await eventually(lambda: not len(crowds))


async def test_one_client_has_no_more_than_half_of_what_a_listener_takes_and_so_has_a_container() -> None:
    async with world(limits=Limits(max_connections=4), public=policy(per_client=1000)) as gate:
        await gate.component(friendly)
        for listener in (gate.public, gate.internal):
            for _ in range(2):
                await gate.caller(listener, STRANGER)
            await eventually(lambda of=listener: of.connections == 2)
            third = await gate.caller(listener, STRANGER)
            assert (await third.answer()).code == "no_capacity"
            assert (await (await gate.caller(listener, "127.0.0.3")).ask(GET)).code != "no_capacity"


async def test_many_who_are_turned_away_are_ended_at_once() -> None:
    async with world(public=policy(per_client=1)) as gate:
        await connect(gate, STRANGER)
        await eventually(lambda: gate.public.connections == 1)
        for _ in range(300):
            (await connect(gate, STRANGER)).stop_reading()
        await eventually(lambda: gate.gateway.stats.refused_clients == 300)
        assert gate.public.turned_away <= 256
        gate.pass_time(1.2)
        await eventually(lambda: gate.public.turned_away == 0)


async def test_trusted_proxies_are_not_counted() -> None:
    trusted = policy(per_client=1, trusted=(ip_network("127.0.0.1/32"),))
    async with world(public=trusted) as gate:
        await gate.component(friendly)
        for _ in range(3):
            assert (await (await connect(gate, BALANCER)).ask(GET)).status == 200


async def test_clients_behind_a_balancer_are_counted_one_by_one() -> None:
    behind = policy(per_client=1, balancers=(ip_network("127.0.0.1/32"),))
    async with world(public=behind) as gate:
        await gate.component(friendly)
        assert (await (await connect(gate, BALANCER)).ask(FIRST + GET)).status == 200
        assert (await (await connect(gate, BALANCER)).ask(SECOND + GET)).status == 503
        assert (await (await connect(gate, BALANCER)).ask(SIX + GET)).status == 200
        for _ in range(2):
            assert (await (await connect(gate, BALANCER)).ask(LOCAL + GET)).status == 200
