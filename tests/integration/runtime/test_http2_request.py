"""Health checks of components that speak HTTP/2, and work for them, against servers of this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest
from hyperframe.frame import GoAwayFrame

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.activation.transport import Transport
from maelstrom.activation.work import WORK_BODY_LIMIT, WorkRequest
from maelstrom.gateway.wire.answer_reader import AnswerReader
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.instance import Address
from maelstrom.runtime.health_request import GRPC_HEALTH
from maelstrom.runtime.ready import probe, wait_ready
from tests.support.http2_server import Call, Handler, Http2Server, echo

KEY = ComponentKey("shop", "web")


@asynccontextmanager
async def server(handler: Handler) -> AsyncGenerator[Address, None]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            await Http2Server(reader, writer, handler, {}).serve()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Address(*listening.sockets[0].getsockname()[:2], http2=True)
    finally:
        listening.close()


@asynccontextmanager
async def worked(address: Address) -> AsyncGenerator[tuple[Transport, Pool], None]:
    definition = ComponentDefinition(image="x", httpversion=2)
    pool = Pool(Component(KEY, 1, 1, definition), lambda pool: None, lambda pool: None)
    instance = Instance("i", KEY, 1, "f", 10)
    instance.address, instance.state = address, "ready"
    pool.instances.append(instance)
    transport = Transport(lambda key: pool, AnswerReader)
    try:
        yield transport, pool
    finally:
        await transport.stop()
    assert pool.in_flight == 0


async def test_a_component_that_answers_is_ready() -> None:
    asked: list[tuple[str, str]] = []

    async def handler(call: Call) -> None:
        asked.append((call[":method"], call[":path"]))
        call.reply()

    async with server(handler) as address:
        assert await probe(address, "/health?x=1") == ""
        assert set(await wait_ready(address, "/", seconds=5)) == {"port_open", "first_ok"}
    assert asked == [("GET", "/health?x=1"), ("GET", "/")]


async def test_redirects_within_the_component_are_followed() -> None:
    async def handler(call: Call) -> None:
        if call[":path"] == "/":
            call.head(302, ("location", "/well"), end=True)
        else:
            call.reply()

    async with server(handler) as address:
        assert await probe(address, "/") == ""


async def test_a_bad_answer_is_shown() -> None:
    async def handler(call: Call) -> None:
        call.reply(b"not\nyet", status=503)

    async with server(handler) as address:
        assert await probe(address, "/") == "503: not yet"


async def test_a_component_that_speaks_http1_is_not_ready() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    assert "no HTTP/2" in await probe(Address(*listening.sockets[0].getsockname()[:2], http2=True), "/")
    listening.close()


@pytest.mark.parametrize(
    ("message", "status", "good"),
    [(b"\x08\x01", "0", True), (b"\x08\x02", "0", False), (b"", "0", False), (b"\x08\x01", "5", False)],
)
async def test_grpcs_own_health_service_is_called(message: bytes, status: str, good: bool) -> None:
    async def handler(call: Call) -> None:
        assert (call[":method"], call["content-type"], call["te"]) == ("POST", "application/grpc", "trailers")
        assert await call.whole() == bytes(5)
        call.head(200, ("content-type", "application/grpc"))
        call.data(b"\x00" + len(message).to_bytes(4, "big") + message)
        call.end(("grpc-status", status))

    async with server(handler) as address:
        wrong = await probe(address, GRPC_HEALTH)
    assert (wrong == "") == good
    assert good or f"grpc-status {status}" in wrong


async def test_work_is_done_with_whole_bodies() -> None:
    async def handler(call: Call) -> None:
        await call.whole()
        assert (call["maelstrom-component"], call["x-one"], call["content-length"]) == ("shop_web", "1", "300000")
        assert call[":authority"].startswith("127.0.0.1:")
        call.head(201, ("x-a", "1"), ("x-a", "2"))
        await call.pour(call.body[::-1])
        call.end()

    async with server(handler) as address, worked(address) as (transport, _):
        body = bytes(range(250)) * 1200
        answer = await transport.work(KEY, WorkRequest("POST", "/t?a=b", (("X-One", "1"),), body), seconds=5)
    assert (answer.status, answer.body, answer.headers["x-a"], answer.truncated) == (201, body[::-1], "1", False)


async def test_answers_of_work_that_are_too_long_are_cut() -> None:
    async def handler(call: Call) -> None:
        call.head()
        await call.pour(b"x" * (WORK_BODY_LIMIT + 5))
        call.end()

    async with server(handler) as address, worked(address) as (transport, _):
        answer = await transport.work(KEY, WorkRequest("GET", "/"), seconds=5)
    assert (len(answer.body), answer.truncated) == (WORK_BODY_LIMIT, True)


async def test_work_goes_on_when_the_component_takes_nothing_new() -> None:
    async def handler(call: Call) -> None:
        call.server.writer.write(GoAwayFrame(0, last_stream_id=1, error_code=0).serialize())
        await asyncio.sleep(0.01)
        call.reply()

    async with server(handler) as address, worked(address) as (transport, _):
        assert (await transport.work(KEY, WorkRequest("GET", "/"), seconds=5)).body == b"hello"


async def test_work_that_breaks_off_is_told() -> None:
    async def handler(call: Call) -> None:
        call.head()
        call.give_up(2)

    async with server(handler) as address, worked(address) as (transport, pool):
        answer = await transport.work(KEY, WorkRequest("POST", "/", body=b"x"), seconds=5)
        assert (answer.status, answer.code) == (502, "upstream_broken")
        assert pool.instances[0].suspect


async def test_work_for_which_nobody_listens_is_tried_again_elsewhere() -> None:
    async with server(echo) as gone:
        pass
    async with server(echo) as address, worked(gone) as (transport, pool):
        other = Instance("j", KEY, 1, "f", 10)
        other.address, other.state = address, "ready"
        pool.instances.append(other)
        assert (await transport.work(KEY, WorkRequest("POST", "/", body=b"x"), seconds=5)).body == b"x"
        assert pool.instances[0].suspect
