"""Answers of the gateway itself."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from maelstrom.gateway import Limits, Policy
from maelstrom.model.errors import NoCapacity, PullFailed, StartFailed
from maelstrom.plan.routes import RouteTable
from tests.integration.gateway.world import GET, World, friendly, request, world
from tests.support.wait import eventually


async def test_the_health_path_is_answered_by_the_gateway(gate: World) -> None:
    await gate.component(friendly)
    for path in ("/_mael_health_check", "/_mael_health_check?x=1"):
        answer = await gate.ask(request(f"GET {path} HTTP/1.1\nHost: anything"))
        assert (answer.status, answer.body, answer.code) == (200, b"OK", "")
    await gate.ask(request("GET /_mael_health_check/x HTTP/1.1\nHost: a"))
    assert [head.first for head in gate.containers[0].requests] == ["GET /_mael_health_check/x HTTP/1.1"]


async def test_without_a_health_path_no_path_is_reserved() -> None:
    async with world(public=Policy(name="public")) as gate:
        await gate.component(friendly)
        assert (await gate.ask(request("GET /_mael_health_check HTTP/1.1\nHost: a"))).body == b"hello"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/json"),
        ("application/problem+json, application/json;q=0.5", "application/json"),
        ("application/json, text/plain, */*", "text/plain; charset=utf-8"),
        ("*/*", "text/plain; charset=utf-8"),
    ],
)
async def test_an_answer_is_json_only_for_those_who_take_nothing_else(gate: World, accept: str, kind: str) -> None:
    answer = await gate.ask(request(f"GET / HTTP/1.1\nHost: a\nAccept: {accept}"))
    assert (answer.status, answer.code, answer.head["content-type"]) == (404, "no_route", kind)
    if kind == "application/json":
        assert json.loads(answer.body) == {"code": "no_route"}


async def test_the_reason_is_shown_where_the_listener_shows_it(gate: World) -> None:
    caller = await gate.caller(gate.internal)
    answer = await caller.ask(request("GET / HTTP/1.1\nHost: a\nAccept: application/json"))
    assert set(json.loads(answer.body)) == {"code", "message", "hint"}
    assert b"no enabled http source" in (await caller.ask(GET)).body
    assert (await gate.ask(GET)).body == b"no_route\n"


async def test_an_answer_to_head_has_no_body(gate: World) -> None:
    caller = await gate.caller()
    for _ in range(2):
        answer = await caller.ask(request("HEAD / HTTP/1.1\nHost: a"), to_head=True)
        assert (answer.status, answer.code) == (404, "no_route")
        assert int(answer.head["content-length"]) > 0


async def test_a_disabled_source_is_told_from_none_unless_another_one_takes_its_requests(gate: World) -> None:
    await gate.component(friendly, host="a.test", prefix="/")
    gate.entries = [replace(entry, pathprefix="/x", enabled=False) for entry in gate.entries]
    gate.gateway.set_routes(RouteTable.build(gate.entries))
    ask = b"GET %b HTTP/1.1\r\nHost: a.test\r\n\r\n"
    answer = await gate.ask(ask % b"/x/y")
    assert (answer.status, answer.code) == (404, "disabled")
    assert (await gate.ask(ask % b"/other")).code == "no_route"
    await gate.component(friendly, name="all", host="a.test", prefix="/")
    assert (await gate.ask(ask % b"/x/y")).status == 200


async def test_a_full_queue_is_said_at_once_with_retry_after(gate: World) -> None:
    pool = await gate.component(maxqueue=2)
    waiting = [await gate.caller() for _ in range(2)]
    for caller in waiting:
        caller.send(GET)
    await eventually(lambda: len(pool.queue) == 2)
    answer = await gate.ask(GET)
    assert (answer.status, answer.code, answer.head["retry-after"]) == (503, "queue_full", "1")
    await gate.instance(pool)
    assert [(await caller.answer()).status for caller in waiting] == [200, 200]


@pytest.mark.parametrize(
    ("error", "code", "retry"),
    [
        (StartFailed("it exits", retry_after=7), "start_failed", "7"),
        (NoCapacity("no memory"), "no_capacity", "1"),
        (PullFailed("no such image"), "start_failed", "1"),
    ],
)
async def test_who_waits_for_a_start_that_fails_is_told(
    gate: World, error: NoCapacity | StartFailed | PullFailed, code: str, retry: str
) -> None:
    pool = await gate.component()
    caller = await gate.caller()
    caller.send(GET)
    inside = await gate.caller(gate.internal)
    inside.send(GET)
    await eventually(lambda: len(pool.queue) == 2)
    pool.refuse_all(error)
    answer = await caller.answer()
    assert (answer.status, answer.code, answer.head["retry-after"]) == (503, code, retry)
    assert answer.body == code.encode() + b"\n"
    assert error.message.encode() in (await inside.answer()).body
    pool.failure = error
    assert (await caller.ask(GET)).code == code


async def test_a_draining_pool_says_so(gate: World) -> None:
    pool = await gate.component(friendly)
    pool.draining = True
    answer = await gate.ask(GET)
    assert (answer.status, answer.code, answer.head["retry-after"]) == (503, "draining", "1")


async def test_a_body_over_the_limit_is_refused() -> None:
    async with world(limits=Limits(max_body_bytes=1000)) as gate:
        await gate.component(friendly)
        caller = await gate.caller()
        assert (await caller.ask(request("POST / HTTP/1.1\nHost: a\nContent-Length: 1000", bytes(1000)))).status == 200
        caller.send(request("POST / HTTP/1.1\nHost: a\nContent-Length: 1000000"))
        caller.send(bytes(1_000_000))
        answer = await caller.answer()
        assert (answer.status, answer.code) == (413, "body_too_large")
        assert await caller.ended()
        caller = await gate.caller()
        caller.send(request("POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked"))
        caller.send(b"3e7\r\n" + bytes(999) + b"\r\n" + b"2\r\nab\r\n")
        assert (await caller.answer()).code == "body_too_large"


async def test_more_connections_than_allowed_are_told_so() -> None:
    async with world(limits=Limits(max_connections=2)) as gate:
        callers = [await gate.caller() for _ in range(2)]
        await eventually(lambda: gate.public.connections == 2)
        third = await gate.caller()
        answer = await third.answer()
        assert (answer.status, answer.code) == (503, "no_capacity")
        assert gate.gateway.stats.refused_connections == 1
        callers[0].close()
        await eventually(lambda: gate.public.connections == 1)
        assert (await gate.ask(GET)).status == 404
