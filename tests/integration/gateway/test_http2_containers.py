"""HTTP/2 towards components that ask for it: from clients of either version, and gRPC from end to end."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame

from maelstrom.activation.pool import Pool
from maelstrom.gateway import Additions
from maelstrom.model.project_answers import ProjectAnswers
from tests.integration.gateway.secure import Secure, secure_world
from tests.integration.gateway.world import GET, Conversation, Script, friendly, request
from tests.support.http2 import Answer
from tests.support.http2_server import Call, Handler, Http2Server, echo
from tests.support.wait import eventually

GRPC = (("content-type", "application/grpc"), ("te", "trailers"))


@dataclass
class Served:
    """What the connections of a component have seen."""

    servers: list[Http2Server] = field(default_factory=list)

    @property
    def calls(self) -> list[Call]:
        return [call for server in self.servers for call in server.calls.values()]


def serves(handler: Handler, served: Served, settings: dict[int, int] | None = None) -> Script:
    async def script(talk: Conversation) -> None:
        server = Http2Server(talk.reader, talk.writer, handler, settings or {})
        served.servers.append(server)
        await server.serve()

    return script


@dataclass
class Http2World(Secure):
    async def http2(
        self, *handlers: Handler, settings: dict[int, int] | None = None, **fields: object
    ) -> tuple[Pool, Served]:
        """A component that speaks HTTP/2, with an instance for each handler."""
        served = Served()
        pool = await self.gate.component(prefix="/", httpversion=2, **fields)  # type: ignore[arg-type]
        for handler in handlers:
            await self.gate.instance(pool, serves(handler, served, settings), http2=True)
        return pool, served


@pytest.fixture
async def world2() -> AsyncIterator[Http2World]:
    async with secure_world() as made:
        yield Http2World(made.gate, made.listener, made.callers)


def message(data: bytes) -> bytes:
    """As gRPC frames it."""
    return struct.pack("!BI", 0, len(data)) + data


async def confirmed(pool: Pool, asking: Coroutine[Any, Any, Answer]) -> Answer:
    """An answer, while the engine confirms the instance again and again: what was not sent is then tried again."""
    answer = asyncio.create_task(asking)
    while not answer.done():
        pool.instances[0].suspect = False
        pool.grant()
        await asyncio.wait([answer], timeout=0.01)
    return answer.result()


async def test_a_request_passes_from_end_to_end(world2: Http2World) -> None:
    _, served = await world2.http2(echo)
    caller = await world2.caller()
    answer = await caller.ask("/x?y", ("cookie", "a=1"), ("cookie", "b=2"), method="POST", body=b"abc")
    assert (answer.status, answer.body, answer["content-length"]) == (200, b"abc", "3")
    [call] = served.calls
    assert (call[":method"], call[":path"], call[":authority"], call["cookie"]) == (
        "POST",
        "/x?y",
        "a.test",
        "a=1; b=2",
    )
    assert (call["maelstrom-component"], call["x-forwarded-proto"]) == ("shop_web", "https")
    assert not call.has("host")
    assert not call.has("transfer-encoding")
    await world2.gate.at_rest()


async def test_clients_of_http1_are_served_too(world2: Http2World) -> None:
    _, served = await world2.http2(echo)
    caller = await world2.gate.caller()
    assert (await caller.ask(GET)).body == b"hello"
    chunks = request(
        "POST /c HTTP/1.1\nHost: a\nTransfer-Encoding: chunked", b"2\r\nab\r\n1\r\nc\r\n0\r\nX-T: 1\r\n\r\n"
    )
    assert (await caller.ask(chunks)).body == b"abc"
    assert (await caller.ask(request("PUT /d HTTP/1.1\nHost: a\nContent-Length: 3", b"xyz"))).body == b"xyz"
    assert (await caller.ask(request("HEAD / HTTP/1.1\nHost: a"), to_head=True)).head["content-length"] == "5"
    assert served.calls[1].trailers == [(b"x-t", b"1")]
    assert len(served.servers) == 1


@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTP/1.1\nHost:",
        "GET / HTTP/1.0",
        "GET / HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket",
        "GET / HTTP/1.1\nHost: a\nTE: trailers, deflate\nConnection: te, x\nX: y\nX_Under: 1\nProxy-Connection: z",
        "PURGE / HTTP/1.1\nHost: a\nX-Empty:\nX-Odd: \xe4 \t b",
        "POST / HTTP/1.1\nHost: a\nContent-Length: 0",
    ],
)
async def test_heads_of_http1_that_are_unusual_pass(world2: Http2World, head: str) -> None:
    _, served = await world2.http2(echo)
    caller = await world2.gate.caller()
    assert (await caller.ask(request(head))).status == 200
    assert len(served.calls) == 1


async def test_grpcs_errors_have_the_headers_of_their_project(world2: Http2World) -> None:
    pool, _ = await world2.http2(maxqueue=1)
    said = {"responseheaders": [{"name": "X-Shop", "value": "1"}]}
    world2.gate.entries[-1].target.additions = Additions(ProjectAnswers.model_validate(said))
    caller = await world2.caller()
    waits = caller.request("/s.S/M", *GRPC, method="POST", body=message(b""))
    await eventually(lambda: len(pool.queue) == 1)
    answer = await caller.ask("/s.S/M", *GRPC, method="POST", body=message(b""))
    assert (answer["grpc-status"], answer["x-shop"]) == ("8", "1")
    caller.cancel(waits)


async def test_requests_share_one_connection_and_count_as_concurrency(world2: Http2World) -> None:
    go = asyncio.Event()

    async def handler(call: Call) -> None:
        await go.wait()
        call.reply(call[":path"].encode())

    pool, served = await world2.http2(handler, maxconcurrency=20)
    caller = await world2.caller()
    streams = [caller.request(f"/{n}") for n in range(30)]
    await eventually(lambda: len(served.calls) == 20)
    assert (pool.in_flight, len(pool.queue)) == (20, 10)
    go.set()
    for n, stream in enumerate(streams):
        assert (await caller.answer(stream)).body == b"/%d" % n
    assert len(served.servers) == 1


async def test_a_container_that_takes_few_streams_gets_more_connections(world2: Http2World) -> None:
    go = asyncio.Event()

    async def handler(call: Call) -> None:
        await go.wait()
        call.reply()

    _, served = await world2.http2(handler, settings={SettingCodes.MAX_CONCURRENT_STREAMS: 2})
    caller = await world2.caller()
    first = caller.request()
    await eventually(lambda: len(served.calls) == 1)
    streams = [first, *(caller.request() for _ in range(5))]
    await eventually(lambda: len(served.calls) == 6)
    go.set()
    for stream in streams:
        assert (await caller.answer(stream)).body == b"hello"
    assert len(served.servers) == 3


async def test_a_container_that_takes_no_streams_is_not_tried_for_ever(world2: Http2World) -> None:
    pool, _ = await world2.http2(echo, settings={SettingCodes.MAX_CONCURRENT_STREAMS: 0})
    caller = await world2.caller()
    for _ in range(2):
        answer = await confirmed(pool, caller.ask(method="POST"))
        assert answer.status in (200, 502)  # one may go out before the container has said so


async def test_a_container_that_cannot_be_reached_is_told_of(world2: Http2World) -> None:
    pool, _ = await world2.http2(echo)
    world2.gate.containers[0].stop_listening()
    caller = await world2.caller()
    answer = await confirmed(pool, caller.ask(method="POST"))
    assert b"no connection to the component" in answer.body


async def test_a_unary_call_of_grpc(world2: Http2World) -> None:
    async def handler(call: Call) -> None:
        assert (call["te"], call["grpc-timeout"]) == ("trailers", "5S")
        data = await call.whole()
        call.head(200, ("content-type", "application/grpc"))
        call.data(data)
        call.end(("grpc-status", "0"), ("grpc-message", "fine"))

    await world2.http2(handler)
    caller = await world2.caller()
    answer = await caller.ask("/s.S/M", *GRPC, ("grpc-timeout", "5S"), method="POST", body=message(b"hi"))
    assert (answer.status, answer.body) == (200, message(b"hi"))
    assert answer.trailer == {"grpc-status": "0", "grpc-message": "fine"}


async def test_a_call_of_grpc_that_ends_with_nothing_but_its_status(world2: Http2World) -> None:
    async def handler(call: Call) -> None:
        await call.whole()
        call.head(200, ("content-type", "application/grpc"), ("grpc-status", "12"), end=True)

    await world2.http2(handler)
    answer = await (await world2.caller()).ask("/s.S/M", *GRPC, method="POST", body=message(b"hi"))
    assert (answer["grpc-status"], answer.body, answer.ended) == ("12", b"", True)


async def test_messages_of_grpc_stream_both_ways_at_the_same_time(world2: Http2World) -> None:
    async def handler(call: Call) -> None:
        call.head(200, ("content-type", "application/grpc"))
        seen = 0
        while True:
            await call.until(lambda call: len(call.body) > seen or call.ended)  # noqa: B023 - awaited here
            if len(call.body) == seen:
                break
            call.data(call.body[seen:])
            seen = len(call.body)
        call.end(("grpc-status", "0"))

    await world2.http2(handler)
    caller = await world2.caller()
    stream = caller.request("/s.S/Chat", *GRPC, method="POST", end=False)
    said = b""
    for n in range(5):
        said += message(b"%d" % n)
        caller.data(stream, message(b"%d" % n))
        await caller.until(lambda: caller.answers[stream].body == said)  # noqa: B023 - awaited here
    caller.data(stream, b"", end=True)
    assert (await caller.answer(stream)).trailer == {"grpc-status": "0"}


async def test_grpc_clients_are_told_of_the_gateways_errors_by_status(world2: Http2World) -> None:
    async def handler(call: Call) -> None:
        if call[":path"] == "/begun":
            call.head(200, ("content-type", "application/grpc"))
        await call.until(lambda call: call.reset is not None)

    pool, served = await world2.http2(handler, maxdurationseconds=5, maxconcurrency=2, maxqueue=1)
    caller = await world2.caller()
    silent = caller.request("/silent", *GRPC, method="POST", body=message(b""))
    begun = caller.request("/begun", *GRPC, method="POST", body=message(b""))
    await caller.headed(begun)
    caller.request("/waits", *GRPC, method="POST", body=message(b""))
    full = await caller.ask("/full", *GRPC, method="POST", body=message(b""))
    assert (full.status, full["grpc-status"], full["maelstrom-error"]) == (200, "8", "queue_full")
    world2.gate.pass_time(6)
    answer = await caller.answer(silent)
    assert (answer.status, answer["grpc-status"], answer["maelstrom-error"]) == (200, "4", "deadline")
    assert "did not answer in time" in answer["grpc-message"]
    assert (await caller.answer(begun)).trailer["grpc-status"] == "4"
    await eventually(lambda: [call.reset for call in served.calls] == [8, 8])
    assert pool.in_flight == 0
    assert world2.gate.gateway.stats.components["shop_web"].codes[504].count == 2


async def test_a_cancelled_call_is_cancelled_in_the_container(world2: Http2World) -> None:
    async def handler(call: Call) -> None:
        await call.until(lambda call: call.reset is not None)

    pool, served = await world2.http2(handler)
    caller = await world2.caller()
    stream, other = caller.request(method="POST", end=False), caller.request()
    await eventually(lambda: len(served.calls) == 2)
    caller.cancel(stream)
    await eventually(lambda: served.calls[0].reset == 8 and pool.in_flight == 1)
    assert served.calls[1].reset is None
    caller.cancel(other)


async def test_a_stream_that_the_container_refuses_is_sent_again(world2: Http2World) -> None:
    refused: list[str] = []

    async def handler(call: Call) -> None:
        if not refused:
            refused.append(call[":path"])
            call.give_up(7)
        else:
            call.reply(await call.whole())

    pool, _ = await world2.http2(handler)
    answer = await (await world2.caller()).ask("/", method="POST", body=b"once")
    assert (answer.status, answer.body, len(refused)) == (200, b"once", 1)
    assert not pool.instances[0].suspect


async def test_a_stream_that_the_container_resets_is_a_bad_answer(world2: Http2World) -> None:
    async def handler(call: Call) -> None:
        if call[":path"] == "/late":
            call.head()
            call.data(b"half")
        call.give_up(2)

    pool, _ = await world2.http2(handler)
    caller = await world2.caller()
    answer = await caller.ask("/early")
    assert (answer.status, answer["maelstrom-error"]) == (502, "upstream_broken")
    assert (await caller.ask("/late")).reset == 2
    assert not pool.instances[0].suspect


async def test_what_runs_is_finished_when_the_container_goes_away_and_the_next_takes_a_new_connection(
    world2: Http2World,
) -> None:
    go = asyncio.Event()

    async def handler(call: Call) -> None:
        if call[":path"] == "/first":
            call.server.writer.write(GoAwayFrame(0, last_stream_id=call.id, error_code=0).serialize())
            await go.wait()
        call.reply()

    _, served = await world2.http2(handler)
    caller = await world2.caller()
    first = caller.request("/first")
    await eventually(lambda: served.calls and not any(
        getattr(link, "has_room", False) for link in world2.gate.pools["shop_web"].instances[0].links
    ))  # fmt: skip
    assert (await caller.ask("/second")).body == b"hello"
    go.set()
    assert (await caller.answer(first)).body == b"hello"
    assert len(served.servers) == 2


async def test_a_connection_that_breaks_fails_its_requests_and_is_replaced(world2: Http2World) -> None:
    async def handler(call: Call) -> None:
        if call[":path"] == "/break":
            call.head()
            call.data(b"x")
            await call.server.writer.drain()
            call.server.writer.transport.abort()
        else:
            call.reply()

    pool, _ = await world2.http2(handler)
    caller = await world2.caller()
    assert (await caller.ask("/break")).reset == 2
    assert pool.instances[0].suspect
    pool.instances[0].suspect = False
    assert (await caller.ask("/again")).body == b"hello"


async def test_a_lost_instance_ends_its_requests(world2: Http2World) -> None:
    async def handler(call: Call) -> None:
        await call.until(lambda call: call.reset is not None)

    pool, served = await world2.http2(handler)
    caller = await world2.caller()
    stream = caller.request(method="POST", body=b"x")
    await eventually(lambda: served.calls)
    pool.instances[0].state = "failed"
    pool.instances[0].cut()
    assert (await caller.answer(stream)).status == 502


async def test_large_bodies_pass_within_the_windows_both_ways(world2: Http2World) -> None:
    async def handler(call: Call) -> None:
        body = await call.whole()
        call.head()
        await call.pour(body)
        call.end()

    await world2.http2(handler)
    caller = await world2.caller()
    body = bytes(range(256)) * 8192
    stream = caller.request(method="PUT", end=False)
    await caller.upload(stream, body)
    assert (await caller.answer(stream)).body == body


async def test_a_client_that_takes_nothing_holds_the_container(world2: Http2World) -> None:
    sent = 0
    pouring: list[Call] = []

    async def handler(call: Call) -> None:
        nonlocal sent
        call.head()
        if call[":path"] == "/big":
            pouring.append(call)
            for _ in range(1024):
                await call.pour(b"x" * 16384)
                sent += 16384
        call.end()

    def held() -> bool:
        """It is not read, and may send no more."""
        [call] = pouring
        return connection.streams[stream]._slow and not call.server.http2.local_flow_control_window(call.id)

    await world2.http2(handler)
    caller = await world2.caller()
    caller.credit = False
    stream = caller.request("/big")
    await caller.until(lambda: len(caller.answers[stream].body) == 65535)
    connection = await world2.connection()
    await eventually(held)
    assert (await caller.ask("/small")).ended
    assert sent < 1 << 20
    caller.cancel(stream)
    await world2.gate.at_rest()


@pytest.mark.parametrize(
    "fields",
    [
        [(":status", "200"), ("connection", "close")],
        [(":status", "200"), ("x", "a\r\nevil: 1")],
        [(":status", "200"), ("X-Upper", "1")],
        [(":status", "101")],
        [(":status", "2000")],
        [(":status", "200"), ("content-length", "1"), ("content-length", "2")],
        [(":status", "200"), ("content-length", "+1")],
        [("x", "no status")],
    ],
)
async def test_answers_that_are_none_are_not_passed_on(world2: Http2World, fields: list[tuple[str, str]]) -> None:
    async def handler(call: Call) -> None:
        call.server.http2.config.validate_outbound_headers = False
        call.server.http2.config.normalize_outbound_headers = False
        call.server.http2.send_headers(
            call.id, [(n.encode(), v.encode()) for n, v in fields], end_stream=fields[0][1] != "101"
        )
        call.server.flush()

    await world2.http2(handler)
    answer = await (await world2.caller()).ask(method="POST")
    assert (answer.status, answer["maelstrom-error"]) == (502, "upstream_broken")


async def test_a_component_that_speaks_http1_after_all_is_told_of(
    world2: Http2World, caplog: pytest.LogCaptureFixture
) -> None:
    pool = await world2.gate.component(prefix="/", httpversion=2)

    async def script(talk: Conversation) -> None:
        await talk.until(b"\r\n\r\n")
        talk.reply(status="400 Bad Request")

    await world2.gate.instance(pool, script, http2=True)
    caller = await world2.caller()
    assert (await confirmed(pool, caller.ask(method="POST"))).status == 502
    assert "shop_web broke the rules of HTTP/2: it speaks HTTP/1.1" in caplog.text


async def test_interim_answers_pass(world2: Http2World) -> None:
    async def handler(call: Call) -> None:
        assert call["expect"] == "100-continue"
        call.head(100)
        call.head(103, ("link", "</a>"))
        call.reply(await call.whole())

    await world2.http2(handler)
    caller = await world2.caller()
    stream = caller.request("/", ("expect", "100-continue"), method="POST", end=False)
    await caller.until(lambda: caller.answers[stream].interim == [100, 103])
    caller.data(stream, b"ab", end=True)
    assert (await caller.answer(stream)).body == b"ab"


async def test_idle_connections_to_containers_end_in_order(world2: Http2World) -> None:
    pool, served = await world2.http2(echo)
    await (await world2.caller()).ask()
    assert pool.instances[0].links
    world2.gate.pass_time(31)
    await eventually(lambda: not pool.instances[0].links and served.servers[0].goaway is not None)


async def test_components_of_http1_are_not_touched_by_that(world2: Http2World) -> None:
    await world2.gate.component(friendly, name="old", host="old.test")
    await world2.http2(echo)
    caller = await world2.caller()
    assert (await caller.ask(authority="old.test")).body == b"hello"
    assert (await caller.ask()).body == b"hello"
