"""HTTP/2 with clients: what they send and get is what HTTP/1.1 would have brought."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from h2.events import PingAckReceived
from hyperframe.frame import GoAwayFrame

from maelstrom.gateway import AccessLog, Limits
from maelstrom.gateway.http1.client import Client
from tests.integration.gateway.secure import Secure, secure_world
from tests.integration.gateway.world import Conversation, Message, friendly
from tests.support.wait import eventually


@pytest.fixture
async def secure() -> AsyncIterator[Secure]:
    async with secure_world() as made:
        yield made


async def test_a_request_is_answered_by_the_component(secure: Secure) -> None:
    await secure.gate.component(friendly)
    caller = await secure.caller()
    answer = await caller.ask("/x?y=1", ("user-agent", "t"))
    assert (answer.status, answer.body) == (200, b"hello")
    [head] = secure.gate.containers[0].requests
    assert head.first == "GET /x?y=1 HTTP/1.1"
    assert (head["host"], head["x-forwarded-proto"], head["user-agent"]) == ("a.test", "https", "t")
    await secure.gate.at_rest()


async def test_requests_on_one_connection_run_at_the_same_time(secure: Secure) -> None:
    talks: list[Conversation] = []
    go = asyncio.Event()

    async def script(talk: Conversation) -> None:
        talks.append(talk)
        head = await talk.head()
        await go.wait()
        talk.reply(head.first.encode())

    pool = await secure.gate.component(script)
    caller = await secure.caller()
    streams = [caller.request(f"/{n}") for n in range(10)]
    await eventually(lambda: pool.in_flight == 10)
    go.set()
    for n, stream in enumerate(streams):
        assert (await caller.answer(stream)).body == f"GET /{n} HTTP/1.1".encode()
    assert len(talks) == 10


async def test_a_counted_body_reaches_the_component(secure: Secure) -> None:
    await secure.gate.component(friendly)
    caller = await secure.caller()
    answer = await caller.ask("/", ("content-length", "6"), method="POST", body=b"abcdef")
    assert answer.body == b"abcdef"
    assert secure.gate.containers[0].requests[0]["content-length"] == "6"


async def test_a_body_without_length_reaches_the_component_in_chunks_with_its_trailers(secure: Secure) -> None:
    got: list[Message] = []

    async def script(talk: Conversation) -> None:
        got.append(await talk.message())
        talk.reply()

    await secure.gate.component(script)
    caller = await secure.caller()
    stream = caller.request(method="POST", end=False)
    for piece in (b"ab", b"", b"cde"):
        caller.data(stream, piece)
    caller.trailers(stream, ("x-sum", "7"), ("host", "evil"))
    assert (await caller.answer(stream)).status == 200
    assert (got[0].body, got[0].trailers) == (b"abcde", b"x-sum: 7\r\n")


async def test_an_end_without_data_ends_the_body(secure: Secure) -> None:
    await secure.gate.component(friendly)
    caller = await secure.caller()
    stream = caller.request(method="POST", end=False)
    caller.data(stream, b"", end=True)
    assert (await caller.answer(stream)).body == b"hello"
    assert secure.gate.containers[0].requests[0]["transfer-encoding"] == "chunked"


async def test_a_large_body_passes_within_the_windows_both_ways(secure: Secure) -> None:
    await secure.gate.component(friendly)
    caller = await secure.caller()
    body = bytes(range(256)) * 8192
    stream = caller.request("/", ("content-length", str(len(body))), method="PUT", end=False)
    await caller.upload(stream, body)
    assert (await caller.answer(stream)).body == body


async def test_chunked_answers_pass_as_data_with_their_trailers(secure: Secure) -> None:
    async def script(talk: Conversation) -> None:
        while True:
            await talk.message()
            talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nKeep-Alive: 5\r\n\r\n")
            talk.send(b"4\r\nwiki\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\n\r\n")

    await secure.gate.component(script)
    caller = await secure.caller()
    for _ in range(2):
        answer = await caller.ask()
        assert (answer.body, answer.trailer) == (b"wikiabc", {"x-sum": "1"})
        assert not answer.all("transfer-encoding") + answer.all("keep-alive") + answer.all("connection")
    assert secure.gate.containers[0].connections == 1


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"204 No Content\r\n", b""),
        (b"304 Not Modified\r\nContent-Length: 5\r\n", b""),
        (b"200 OK\r\nContent-Length: 0\r\n", b""),
        (b"200 OK\r\n", b"until the end"),
    ],
)
async def test_answers_end_where_http1_says(secure: Secure, head: bytes, body: bytes) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.send(b"HTTP/1.1 " + head + b"\r\n" + body)

    await secure.gate.component(script)
    answer = await (await secure.caller()).ask()
    assert (answer.status, answer.body, answer.ended, answer.reset) == (int(head[:3]), body, True, None)


async def test_answers_to_head_have_no_body(secure: Secure) -> None:
    async def script(talk: Conversation) -> None:
        while True:
            await talk.message()
            talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")

    await secure.gate.component(script)
    caller = await secure.caller()
    for _ in range(2):
        answer = await caller.ask(method="HEAD")
        assert (answer["content-length"], answer.body, answer.ended) == ("5", b"", True)


async def test_interim_answers_pass(secure: Secure) -> None:
    async def script(talk: Conversation) -> None:
        head = await talk.head()
        assert head["expect"] == "100-continue"
        talk.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        assert await talk.exactly(2) == b"ab"
        talk.reply(b"done")

    await secure.gate.component(script)
    caller = await secure.caller()
    stream = caller.request("/", ("expect", "100-continue"), ("content-length", "2"), method="POST", end=False)
    await caller.until(lambda: caller.answers[stream].interim == [100, 103])
    caller.data(stream, b"ab", end=True)
    assert (await caller.answer(stream)).body == b"done"


async def test_crumbs_of_cookies_arrive_as_one(secure: Secure) -> None:
    await secure.gate.component(friendly)
    await (await secure.caller()).ask("/", ("cookie", "a=1"), ("accept", "*/*"), ("cookie", "b=2"))
    assert secure.gate.containers[0].requests[0]["cookie"] == "a=1; b=2"


async def test_the_products_own_headers_are_taken_off(secure: Secure) -> None:
    await secure.gate.component(friendly)
    await (await secure.caller()).ask("/", ("maelstrom-component", "evil"), ("x-forwarded-for", "1.2.3.4"))
    head = secure.gate.containers[0].requests[0]
    assert (head["maelstrom-component"], head["x-forwarded-for"]) == ("shop_web", "127.0.0.1")


async def test_a_host_stands_for_the_authority(secure: Secure) -> None:
    await secure.gate.component(friendly, host="b.test")
    caller = await secure.caller()
    fields = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/"), (b"host", b"b.test")]
    assert (await caller.answer(caller.send(fields))).status == 200


async def test_an_early_answer_ends_the_request(secure: Secure) -> None:
    async def script(talk: Conversation) -> None:
        await talk.head()
        talk.reply(b"no", status="403 Forbidden")
        await talk.gone()

    await secure.gate.component(script)
    caller = await secure.caller()
    stream = caller.request(method="POST", end=False)
    caller.data(stream, b"x")
    await caller.until(lambda: caller.answers[stream].reset is not None)
    answer = caller.answers[stream]
    assert (answer.status, answer.body, answer.ended, answer.reset) == (403, b"no", True, 0)
    assert (await caller.ask("/none", authority="a.test")).status in (200, 403)


async def test_the_gateways_own_answers_pass(secure: Secure) -> None:
    await secure.gate.component(friendly, prefix="/only")
    caller = await secure.caller()
    answer = await caller.ask("/other", ("accept", "application/json"))
    assert (answer.status, answer["maelstrom-error"]) == (404, "no_route")
    assert json.loads(answer.body)["code"] == "no_route"
    assert (await caller.ask("/_mael_health_check")).body == b"OK"


async def test_a_request_that_waits_for_an_instance_is_answered_by_it(secure: Secure) -> None:
    pool = await secure.gate.component(prefix="/")
    caller = await secure.caller()
    stream = caller.request(method="POST", end=False)
    caller.data(stream, b"abc")
    await eventually(lambda: len(pool.queue) == 1)
    await secure.gate.instance(pool)
    caller.data(stream, b"def", end=True)
    assert (await caller.answer(stream)).body == b"abcdef"


async def test_requests_are_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "maelstrom.access")
    async with secure_world(access=AccessLog(1.0)) as secure:
        await secure.gate.component(friendly)
        caller = await secure.caller()
        await caller.ask("/p?secret", ("x-request-id", "me"))
        await caller.ask("//", authority="a b")
        stats = secure.gate.gateway.stats
        assert stats.components["shop_web"].codes[200].count == 1
        assert stats.components[""].codes[400].count == 1
        assert stats.connections == 1
    first, second = [record for record in caplog.records if record.name == "maelstrom.access"]
    assert (first.status, first.path, first.host, first.request_id) == (200, "/p", "a.test", "me")  # type: ignore[attr-defined]
    assert (second.status, second.error) == (400, "bad_request")  # type: ignore[attr-defined]


async def test_the_clients_cancellation_reaches_the_container_and_frees_the_slot(secure: Secure) -> None:
    left = asyncio.Event()

    async def script(talk: Conversation) -> None:
        await talk.head()
        await talk.gone()
        left.set()

    pool = await secure.gate.component(script)
    caller = await secure.caller()
    stream = caller.request()
    await eventually(lambda: secure.gate.containers[0].requests)
    caller.cancel(stream)
    async with asyncio.timeout(5):
        await left.wait()
    await eventually(lambda: pool.in_flight == 0)
    assert secure.gate.gateway.stats.components["shop_web"].codes[499].count == 1
    assert (await caller.ask("/_mael_health_check")).status == 200


async def test_a_connection_that_breaks_cancels_all_its_requests(secure: Secure) -> None:
    async def script(talk: Conversation) -> None:
        await talk.head()
        await talk.gone()

    pool = await secure.gate.component(script)
    caller = await secure.caller()
    for _ in range(3):
        caller.request()
    await eventually(lambda: pool.in_flight == 3)
    caller.close()
    await secure.gate.at_rest()
    await eventually(lambda: secure.listener.connections == 0)


async def test_an_answer_that_breaks_off_is_seen_to_be_incomplete(secure: Secure) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    await secure.gate.component(script)
    answer = await (await secure.caller()).ask()
    assert (answer.status, answer.ended, answer.reset) == (200, False, 2)


async def test_the_deadline_of_a_request_is_told(secure: Secure) -> None:
    async def script(talk: Conversation) -> None:
        await talk.head()
        await talk.gone()

    await secure.gate.component(script, maxdurationseconds=5)
    caller = await secure.caller()
    stream = caller.request()
    await eventually(lambda: secure.gate.containers[0].requests)
    secure.gate.pass_time(6)
    answer = await caller.answer(stream)
    assert (answer.status, answer["maelstrom-error"]) == (504, "deadline")


async def test_a_body_that_stands_still_ends_the_request_not_the_connection(secure: Secure) -> None:
    async def script(talk: Conversation) -> None:
        await talk.head()
        await talk.gone()

    await secure.gate.component(script)
    caller = await secure.caller()
    stream = caller.request(method="POST", end=False)
    await eventually(lambda: secure.gate.containers[0].requests)
    secure.gate.pass_time(61)
    assert (await caller.answer(stream)).status == 408
    assert (await caller.ask("/_mael_health_check")).status == 200


async def test_too_large_bodies_are_refused() -> None:
    async with secure_world(Limits(max_body_bytes=10)) as secure:
        await secure.gate.component(friendly)
        caller = await secure.caller()
        assert (await caller.ask("/", ("content-length", "11"), method="POST", body=b"x" * 11)).status == 413
        stream = caller.request(method="POST", end=False)
        caller.data(stream, b"x" * 11)
        assert (await caller.answer(stream)).status == 413


async def test_a_client_that_takes_nothing_stops_its_container_not_the_others(secure: Secure) -> None:
    sent = 0

    async def script(talk: Conversation) -> None:
        nonlocal sent
        head = await talk.head()
        if head.first.startswith("GET /big"):
            talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n")
            for _ in range(1024):
                talk.send(b"x" * 65536)
                await talk.writer.drain()
                sent += 65536
        talk.reply()

    await secure.gate.component(script)
    caller = await secure.caller()
    caller.credit = False
    stream = caller.request("/big")
    await caller.until(lambda: len(caller.answers[stream].body) == 65535)
    connection = await secure.connection()
    await eventually(lambda: connection.streams[stream]._slow)
    assert connection.streams[stream].get_write_buffer_size() < 1 << 20
    other = caller.http2
    other.increment_flow_control_window(65536)
    assert (await caller.ask("/small")).body == b"hello"
    assert sent < 16 << 20  # the system's own buffers take some
    caller.cancel(stream)
    await secure.gate.at_rest()


@pytest.mark.parametrize("there", [True, False], ids=["a container that reads nothing", "no container yet"])
async def test_a_client_sends_no_more_than_is_taken(secure: Secure, there: bool) -> None:
    async def script(talk: Conversation) -> None:
        await talk.head()
        talk.stop_reading()
        await asyncio.sleep(60)

    pool = await secure.gate.component(*([script] if there else []), prefix="/")
    caller = await secure.caller()
    stream = caller.request(method="POST", end=False)
    uploading = asyncio.create_task(caller.upload(stream, bytes(1 << 26)))
    await eventually(lambda: pool.demand == 1)
    connection = await secure.connection()
    await eventually(lambda: connection.streams)
    [inside] = connection.streams.values()
    assert isinstance(inside.protocol, Client)
    assert inside.protocol.exchange is not None
    exchange = inside.protocol.exchange
    await eventually(lambda: inside._held and not caller.http2.local_flow_control_window(stream))
    assert exchange.received <= (32 << 20 if there else 1 << 19)  # the system's own buffers take some
    uploading.cancel()
    caller.close()
    await secure.gate.at_rest()


async def test_what_a_client_does_not_take_for_too_long_is_thrown_away(secure: Secure) -> None:
    await secure.gate.component(friendly)
    caller = await secure.caller()
    caller.credit = False
    body = b"x" * 100_000
    stream = caller.request("/", ("content-length", str(len(body))), method="POST", end=False)
    await caller.upload(stream, body)
    await caller.until(lambda: len(caller.answers[stream].body) == 65535)
    await secure.gate.at_rest()
    secure.gate.pass_time(61)
    assert (await caller.answer(stream)).reset == 8


async def test_idle_connections_end_in_order(secure: Secure) -> None:
    await secure.gate.component(friendly)
    caller = await secure.caller()
    await caller.ask()
    secure.gate.pass_time(76)
    goaway = await caller.closed()
    assert goaway is not None
    assert (goaway.error_code, goaway.last_stream_id) == (0, 1)


async def test_draining_finishes_what_runs_and_what_is_on_its_way(secure: Secure) -> None:
    go = asyncio.Event()

    async def script(talk: Conversation) -> None:
        await talk.message()
        await go.wait()
        talk.reply()

    await secure.gate.component(script)
    caller = await secure.caller()
    stream = caller.request()
    await eventually(lambda: secure.gate.containers[0].requests)
    draining = asyncio.create_task(secure.listener.drain(10.0))
    await caller.until(lambda: caller.goaway is not None)
    assert caller.goaway is not None
    assert (caller.goaway.error_code, caller.goaway.last_stream_id) == (0, 2**31 - 1)
    late = caller.request()
    go.set()
    assert (await caller.answer(stream)).body == b"hello"
    assert (await caller.answer(late)).body == b"hello"
    secure.gate.pass_time(1.2)
    goaway = await caller.closed()
    assert goaway is not None
    assert goaway.last_stream_id == late
    assert await draining == 0


async def test_a_client_that_goes_away_gets_its_answers(secure: Secure) -> None:
    go = asyncio.Event()

    async def script(talk: Conversation) -> None:
        await talk.message()
        await go.wait()
        talk.reply()

    await secure.gate.component(script)
    caller = await secure.caller()
    stream = caller.request()
    await eventually(lambda: secure.gate.containers[0].requests)
    caller.writer.write(GoAwayFrame(0, last_stream_id=0, error_code=0).serialize())
    go.set()
    assert (await caller.answer(stream)).body == b"hello"
    await caller.closed()


async def test_pings_are_answered(secure: Secure) -> None:
    caller = await secure.caller()
    caller.http2.ping(b"12345678")
    caller.flush()
    await caller.until(lambda: any(isinstance(event, PingAckReceived) for event in caller.events))
