"""Clients that are slow, or want far too much: what each of them is told, when, and that it costs little until then."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass

import pytest

from maelstrom.gateway import Limits, Policy
from maelstrom.gateway.http1.client import Client
from maelstrom.gateway.http1.requests import Prepared, Way
from maelstrom.gateway.wire.first_lines import FirstLine
from maelstrom.gateway.wire.heads import RequestHead
from tests.integration.gateway.world import GET, Conversation, World, friendly, request, world
from tests.support.wait import eventually

HELD = 1 << 20  # bytes that may be kept for one client, whatever it does
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


async def reads_on(talk: Conversation) -> None:
    """A container that takes whatever comes, and answers nothing before the end."""
    await talk.message()
    talk.reply()


async def turns() -> None:
    """What was sent has come to the gateway and the container, and what they answered back: all are in this loop."""
    for _ in range(50):
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Slow:
    """`pieces` come one by one, so many seconds apart, then nothing. `code`: empty if the connection only ends."""

    pieces: tuple[bytes, ...]
    seconds: float
    status: int
    code: str
    lasts: float  # seconds from the beginning until it is over, give or take one piece


SLOW = {
    "a connection and nothing else": Slow((), 5.0, 0, "", 30.0),
    "empty lines for ever": Slow((b"\r\n",) * 50, 1.0, 0, "", 30.0),
    "a head byte by byte": Slow(tuple(bytes([c]) for c in GET[:-1]), 1.5, 408, "request_timeout", 30.0),
    "a header line that never ends": Slow((b"GET / HTTP/1.1\r\nX: ", *(b"y",) * 50), 1.0, 408, "request_timeout", 30.0),
    "header lines for ever": Slow((b"GET / HTTP/1.1\r\n", *(b"X: y\r\n",) * 50), 1.0, 408, "request_timeout", 30.0),
    "a body that is not sent": Slow((POST + b"Content-Length: 5\r\n\r\n",), 5.0, 408, "request_timeout", 60.0),
    "a body that was announced and is not sent": Slow(
        (POST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",), 5.0, 408, "request_timeout", 60.0
    ),
    "a body byte by byte": Slow((POST + b"Content-Length: 500\r\n\r\n", *(b"x",) * 50), 20.0, 504, "deadline", 300.0),
    "a chunk's size digit by digit": Slow((CHUNKED, *(b"0",) * 10), 20.0, 408, "request_timeout", 260.0),
    "a chunk's extension byte by byte": Slow((CHUNKED + b"5;", *(b"a",) * 50), 20.0, 504, "deadline", 300.0),
    "trailers byte by byte": Slow((CHUNKED + b"0\r\n", *(b"X: y\r\n",) * 50), 20.0, 504, "deadline", 300.0),
}


@pytest.mark.parametrize("name", SLOW)
async def test_who_is_too_slow_is_answered_in_time_and_holds_nothing(gate: World, name: str) -> None:
    case = SLOW[name]
    await gate.component(reads_on)
    began = gate.clock.offset
    caller = await gate.caller()
    await eventually(lambda: gate.public.connections == 1)
    pieces = iter(case.pieces)
    while gate.clock.offset - began < 400:
        caller.send(next(pieces, b""))
        await turns()
        if not gate.public.connections or caller.reader.at_eof():
            break
        if case.status and caller.reader._buffer.count(b"Maelstrom-Error"):  # type: ignore[attr-defined]
            break
        gate.pass_time(case.seconds)
    assert abs(gate.clock.offset - began - case.lasts) <= case.seconds + 0.2
    if case.status:
        answer = await caller.answer()
        if answer.status == 100:
            answer = await caller.answer()
        assert (answer.status, answer.code) == (case.status, case.code)
        assert answer.head["connection"] == "close"
    assert await caller.ended()
    await gate.at_rest()


@dataclass(frozen=True)
class Greedy:
    """What is sent at once; `status` 0: there is no answer to it, and it waits like any other."""

    data: bytes
    status: int
    code: str


GREEDY = {
    "a head of a megabyte": Greedy(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * HELD, 431, "head_too_large"),
    "ten thousand header lines": Greedy(
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 10_000 + b"\r\n", 431, "head_too_large"
    ),
    "six hundred header lines": Greedy(
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 600 + b"\r\n", 431, "head_too_large"
    ),
    "a target of a megabyte": Greedy(b"GET /" + b"x" * HELD + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431, "head_too_large"),
    "a megabyte of nothing": Greedy(b"\0" * HELD, 431, "head_too_large"),
    "bytes that are no request": Greedy(b"\0" * 1000, 400, "bad_request"),
    "a chunk's size without end": Greedy(CHUNKED + b"0" * HELD, 400, "bad_request"),
    "a chunk's extension without end": Greedy(CHUNKED + b"5;" + b"a" * HELD, 400, "bad_request"),
    "trailers without end": Greedy(CHUNKED + b"0\r\n" + b"X: y\r\n" * 100_000, 400, "bad_request"),
    "one byte a chunk and much of an extension": Greedy(
        CHUNKED + b"1;" + b"a" * 255 + b"\r\nx\r\n", 400, "bad_request"
    ),
}


@pytest.mark.parametrize("name", GREEDY)
async def test_who_sends_too_much_is_told_at_once(gate: World, name: str) -> None:
    case = GREEDY[name]
    await gate.component(reads_on)
    caller = await gate.caller()
    caller.send(case.data)
    answer = await caller.answer()
    assert (answer.status, answer.code) == (case.status, case.code)
    assert answer.head["connection"] == "close"
    assert held(gate) < HELD
    await gate.at_rest()


def held(gate: World) -> int:
    """Bytes that the gateway keeps for its clients: read and not used, written and not taken."""
    return sum(
        len(client._input) + client.transport.get_write_buffer_size() + len(getattr(client.exchange, "_body", b""))
        for client in gate.public._clients  # type: ignore[attr-defined]
    )


FLOODS = {
    "for hosts that nobody has": b"GET /x HTTP/1.1\r\nHost: nobody\r\n\r\n",
    "for the health path": b"GET /_mael_health_check HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "for a component that is not there yet": b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "with bodies": POST.replace(b"a", b"a.test") + b"Content-Length: 4000000\r\n\r\n" + bytes(4_000_000),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_of_requests_whose_answers_nobody_reads_is_not_heaped_up(gate: World, name: str) -> None:
    pool = await gate.component(host="a.test", maxdurationseconds=20)
    caller = await gate.caller()
    caller.stop_reading()
    caller.send(FLOODS[name] * (24_000_000 // len(FLOODS[name])))
    unsent = caller.writer.transport.get_write_buffer_size
    seen = -1
    while seen != unsent():
        seen = unsent()
        await asyncio.sleep(0.1)
    assert seen > HELD, "the client is held up"
    assert held(gate) < HELD, "and the gateway not filled"
    assert len(pool.queue) <= 1
    if not pool.queue:
        for _ in range(9):
            gate.pass_time(10.0)
        await eventually(lambda: not gate.public.connections)


async def test_empty_lines_cost_no_more_than_their_bytes(gate: World) -> None:
    """A request behind a megabyte of them is answered; they are looked at in large steps, not line by line."""
    await gate.component(friendly)
    caller = await gate.caller()
    caller.send(b"\r\n" * 500_000 + GET)
    assert (await caller.answer()).body == b"hello"
    caller.send(b"\r\n" * 1000 + b"\n" + GET)
    assert (await caller.answer()).status == 400


async def test_a_client_that_reads_slowly_has_its_deadline_like_any_other(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 64000000\r\n\r\n")
        while True:
            talk.send(bytes(1 << 20))
            await talk.writer.drain()

    pool = await gate.component(script, maxdurationseconds=50)
    caller = await gate.caller()
    caller.send(GET)
    await caller.until(b"\r\n\r\n")
    caller.stop_reading()
    await eventually(lambda: held(gate) > 65_536)
    for _ in range(4):
        gate.pass_time(10.0)
        await turns()
    assert pool.in_flight == 1
    gate.pass_time(10.3)
    await eventually(lambda: not pool.in_flight)
    assert held(gate) < HELD
    caller.writer.transport.resume_reading()  # type: ignore[attr-defined]
    with pytest.raises(ConnectionResetError):
        await caller.rest()


async def test_a_connection_keeps_nothing_of_a_long_head(gate: World) -> None:
    """Idle ones may be many."""
    await gate.component(friendly)
    caller = await gate.caller()
    assert (await caller.ask(GET.replace(b"/", b"/" + b"x" * 60_000, 1))).status == 200
    (client,) = gate.public._clients
    assert remembered(client) < 4096
    assert (await caller.ask(GET)).status == 200
    await gate.at_rest()


def remembered(client: object) -> int:
    """Bytes of requests that can be reached from a connection, as far as its own things go."""
    found, seen = [client], {id(client)}
    for thing in found:
        if isinstance(thing, Client | FirstLine | Prepared | RequestHead | Way):
            new = [one for one in gc.get_referents(thing) if id(one) not in seen]
            seen.update(map(id, new))
            found += new
    return sum(len(thing) for thing in found if isinstance(thing, bytes))


async def test_clients_that_only_connect_leave_room_for_others_when_their_time_is_over() -> None:
    policy = Policy(name="public")
    async with world(limits=Limits(max_connections=20), public=policy) as gate:
        await gate.component(friendly)
        idle = [await gate.caller() for _ in range(20)]
        await eventually(lambda: gate.public.connections == 20)
        answer = await (await gate.caller()).answer()
        assert (answer.status, answer.code) == (503, "no_capacity")
        gate.pass_time(30.3)
        await eventually(lambda: not gate.public.connections)
        assert [await caller.ended() for caller in idle] == [True] * 20
        assert (await gate.ask(request("GET / HTTP/1.1\nHost: a"))).status == 200
