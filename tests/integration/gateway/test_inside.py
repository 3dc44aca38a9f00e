"""Requests to the node itself: only under reserved paths of the internal listener, whole, bounded, answered once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from maelstrom.gateway import InsideRequest
from maelstrom.gateway.inside import MAX_BODY, MAX_HELD
from maelstrom.model.errors import AwsUnavailable, InvalidTaskToken, MethodNotAllowed, OutputRefused, TaskGone
from tests.integration.gateway.world import World, request
from tests.support.wait import eventually

ASK = b"POST /_maelstrom/x HTTP/1.1\r\nHost: n\r\n"


@dataclass
class Handler:
    """Remembers what it was asked, and does what the test wants."""

    refusal: Exception | None = None
    asked: list[InsideRequest] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    slow: bool = False

    async def __call__(self, asked: InsideRequest) -> None:
        self.asked.append(asked)
        if self.slow:
            await self.done.wait()
        if self.refusal is not None:
            raise self.refusal


@pytest.fixture
def handler(gate: World) -> Handler:
    made = gate.gateway.inside = Handler()
    return made


async def test_a_request_to_the_node_is_handed_over_whole_and_answered_with_204(gate: World, handler: Handler) -> None:
    caller = await gate.caller(gate.internal)
    message = await caller.ask(
        request("POST /_maelstrom/tasks/a%2Fb/success?x HTTP/1.1\nHost: n\nX-A: b\nContent-Length: 4", b"null")
    )
    assert (message.status, message.body) == (204, b"")
    assert not message.head.has("content-length")
    (asked,) = handler.asked
    assert (asked.method, asked.path, asked.body) == ("POST", b"/_maelstrom/tasks/a%2Fb/success", b"null")
    assert b"X-A: b" in asked.lines


async def test_a_body_in_pieces_and_chunks_is_put_together_and_the_connection_goes_on(
    gate: World, handler: Handler
) -> None:
    await gate.component(*[_hello])
    caller = await gate.caller(gate.internal)
    data = ASK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    for i in range(0, len(data), 7):
        caller.send(data[i : i + 7])
        await caller.flush()
        await asyncio.sleep(0)
    assert (await caller.answer()).status == 204
    assert handler.asked[0].body == b"abcde"
    # pipelined: to a component, to the node without a body, and to the component again
    caller.send(b"GET / HTTP/1.1\r\nHost: n\r\n\r\n" + ASK + b"\r\n" + b"GET / HTTP/1.1\r\nHost: n\r\n\r\n")
    assert [(await caller.answer()).status for _ in range(3)] == [200, 204, 200]
    assert handler.asked[1].body == b""


async def test_bodies_that_are_kept_are_bounded_together_and_count_until_their_handler_ends(
    gate: World, handler: Handler
) -> None:
    handler.slow = True
    size = 1_000_000
    callers = [await gate.caller(gate.internal) for _ in range(MAX_HELD // size + 1)]
    for number, caller in enumerate(callers):
        caller.send(ASK + b"Content-Length: %d\r\n\r\n" % size + bytes(size - number % 2))  # half of them are whole
    await eventually(lambda: any(caller.reader._buffer for caller in callers))  # type: ignore[attr-defined]
    answers = [await caller.answer() for caller in callers if caller.reader._buffer]  # type: ignore[attr-defined]
    assert {(answer.status, answer.code) for answer in answers} == {(503, "unavailable")}
    assert gate.gateway.held_inside <= MAX_HELD
    gate.leave()
    await eventually(lambda: not gate.internal.connections)
    assert 0 < gate.gateway.held_inside == sum(len(asked.body) for asked in handler.asked)
    handler.done.set()
    await eventually(lambda: not gate.gateway.held_inside)


async def test_the_public_listener_has_no_such_paths(gate: World, handler: Handler) -> None:
    message = await gate.ask(ASK + b"Content-Length: 0\r\n\r\n")
    assert (message.status, message.code) == (404, "no_route")
    named = await gate.ask(ASK + b"Maelstrom-Component: shop_web\r\nContent-Length: 0\r\n\r\n")
    assert named.status == 404
    await gate.component(*[_hello])
    assert (await gate.ask(ASK + b"Content-Length: 0\r\n\r\n")).body == b"hello"
    assert handler.asked == []


async def test_on_the_internal_listener_no_component_gets_them(gate: World, handler: Handler) -> None:
    await gate.component(*[_hello])
    caller = await gate.caller(gate.internal)
    for line in (b"", b"Maelstrom-Component: shop_web\r\n"):
        assert (await caller.ask(ASK + line + b"Content-Length: 0\r\n\r\n")).status == 204
    assert (await caller.ask(b"GET /_maelstromx HTTP/1.1\r\nHost: n\r\n\r\n")).status == 200
    assert gate.containers[0].requests[0].first.startswith("GET /_maelstromx")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OutputRefused("no JSON"), 400),
        (InvalidTaskToken("unknown"), 404),
        (MethodNotAllowed("POST"), 405),
        (TaskGone("over"), 410),
        (AwsUnavailable("away"), 503),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_refusal_is_answered_with_its_code_and_reason(
    gate: World, handler: Handler, error: Exception, status: int
) -> None:
    handler.refusal = error
    caller = await gate.caller(gate.internal)
    message = await caller.ask(ASK + b"Content-Length: 0\r\n\r\n")
    assert (message.status, message.code) == (status, error.code)  # type: ignore[attr-defined]
    assert str(error).encode() in message.body
    assert message.head.has("retry-after") == (status == 503)
    assert message.head.has("allow") == (status == 405)
    handler.refusal = None
    assert (await caller.ask(ASK + b"Content-Length: 0\r\n\r\n")).status == 204


async def test_a_handler_that_breaks_is_answered_503(gate: World, handler: Handler) -> None:
    handler.refusal = RuntimeError("a defect")
    message = await (await gate.caller(gate.internal)).ask(ASK + b"Content-Length: 0\r\n\r\n")
    assert (message.status, message.code) == (503, "unavailable")
    assert b"a defect" not in message.body


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(gate: World, handler: Handler) -> None:
    caller = await gate.caller(gate.internal)
    message = await caller.ask(ASK + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1))
    assert (message.status, message.code) == (413, "body_too_large")
    caller = await gate.caller(gate.internal)
    caller.send(ASK + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(MAX_BODY // 65536 + 1):
        caller.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    assert (await caller.answer()).status == 413
    assert handler.asked == []


async def test_who_waits_for_100_is_told_to_go_on(gate: World, handler: Handler) -> None:
    caller = await gate.caller(gate.internal)
    caller.send(ASK + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert (await caller.head()).status == 100
    assert (await caller.ask(b"{}")).status == 204


async def test_a_client_that_leaves_does_not_undo_what_was_begun(gate: World, handler: Handler) -> None:
    handler.slow = True
    caller = await gate.caller(gate.internal)
    caller.send(ASK + b"Content-Length: 0\r\n\r\n")
    await eventually(lambda: handler.asked)
    caller.reset()
    await eventually(lambda: gate.gateway.stats.component("").codes.get(499))
    handler.done.set()
    await asyncio.sleep(0)


async def test_what_takes_too_long_is_answered_503(gate: World, handler: Handler) -> None:
    handler.slow = True
    caller = await gate.caller(gate.internal)
    caller.send(ASK + b"Content-Length: 0\r\n\r\n")
    await eventually(lambda: handler.asked)
    gate.pass_time(31)
    assert (await caller.answer()).status == 503


async def test_a_body_that_stands_still_is_given_up(gate: World, handler: Handler) -> None:
    caller = await gate.caller(gate.internal)
    caller.send(ASK + b"Content-Length: 10\r\n\r\n12")
    await eventually(lambda: gate.internal.connections)
    await asyncio.sleep(0.05)
    gate.pass_time(61)
    assert (await caller.answer()).status in (408, 503)
    assert handler.asked == []


async def _hello(talk: object) -> None:
    from tests.integration.gateway.world import Conversation

    assert isinstance(talk, Conversation)
    while True:
        await talk.message()
        talk.reply()
