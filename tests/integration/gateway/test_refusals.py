"""What is not unambiguous HTTP/1.1 is refused in a way that can be read, and never reaches the other side."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.gateway.payloads import PASSED_REQUESTS, REFUSED_ANSWERS, REFUSED_REQUESTS, SMUGGLED
from tests.integration.gateway.world import GET, Conversation, World, friendly, request
from tests.support.wait import eventually

CODES = {400: "bad_request", 431: "head_too_large"}


@pytest.mark.parametrize("name", REFUSED_REQUESTS)
async def test_ambiguous_requests_are_refused_readably(gate: World, name: str) -> None:
    await gate.component(friendly)
    data, status = REFUSED_REQUESTS[name]
    caller = await gate.caller()
    answer = await caller.ask(data)
    assert (answer.status, answer.code) == (status, CODES[status])
    assert answer.head["connection"] == "close"
    caller.send(SMUGGLED)
    assert await caller.ended()
    await gate.at_rest()
    # A body is checked as it passes: its head may have gone on, but no whole request, and nothing that was smuggled.
    assert not any("smuggled" in head.first for head in gate.containers[0].requests)


@pytest.mark.parametrize("name", PASSED_REQUESTS)
async def test_odd_but_clear_requests_pass_as_one_request(gate: World, name: str) -> None:
    await gate.component(friendly)
    caller = await gate.caller()
    data = PASSED_REQUESTS[name]
    caller.send(data + SMUGGLED)
    assert (await caller.answer()).status == 200
    if b"close" not in data:
        assert (await caller.answer()).status == 200
        assert [head.first.split(" ")[1] for head in gate.containers[0].requests] == ["/", "/smuggled"]
    head = gate.containers[0].requests[0]
    for gone in ("upgrade", "http2-settings", "expect"):
        assert name == "Upgrade that is not done" or not head.has(gone)
    assert len(head.all("x-forwarded-for")) == 1


@pytest.mark.parametrize("name", REFUSED_ANSWERS)
async def test_ambiguous_answers_are_refused(gate: World, name: str) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.send(REFUSED_ANSWERS[name])

    await gate.component(script)
    caller = await gate.caller()
    answer = await caller.ask(request("POST / HTTP/1.1\nHost: a\nContent-Length: 0"))
    assert (answer.status, answer.code, answer.body) == (502, "upstream_broken", b"upstream_broken\n")
    assert not gate.pools["shop_web"].instances[0].idle


async def test_a_second_answer_is_not_given_to_the_next_request(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.reply(b"one")
        talk.reply(b"split", "Set-Cookie: evil=1")

    await gate.component(script)
    caller = await gate.caller()
    for _ in range(3):
        answer = await caller.ask(GET)
        assert answer.body == b"one"
        assert not answer.head.has("set-cookie")
    assert gate.containers[0].connections == 3


async def test_an_answer_that_nobody_asked_for_ends_the_connection(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.reply(b"one")
        await talk.flush()
        await eventually(lambda: instance.idle, every=0.001)
        talk.reply(b"two")
        assert await talk.ended()

    instance = (await gate.component(script)).instances[0]
    caller = await gate.caller()
    assert (await caller.ask(GET)).body == b"one"
    await eventually(lambda: not instance.idle, every=0.001)
    assert (await caller.ask(GET)).body == b"one"


@pytest.mark.parametrize("coding", ["Chunked", "CHUNKED"])
async def test_an_answers_coding_goes_on_in_its_one_spelling(gate: World, coding: str) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.send(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n1\r\na\r\n0\r\n\r\n".encode())

    await gate.component(script)
    answer = await gate.ask(GET)
    assert (answer.head["transfer-encoding"], answer.body) == ("chunked", b"a")


async def test_a_refusal_can_be_read_while_the_client_is_still_sending(gate: World) -> None:
    caller = await gate.caller()
    caller.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
    for n in range(40):
        caller.send(b"X-%d: %s\r\n" % (n, b"v" * 8000))
    caller.send(b"\r\n")
    answer = await caller.answer()
    assert (answer.status, answer.code) == (431, "head_too_large")
    assert await caller.ended()


async def test_after_a_refusal_the_rest_is_read_for_a_while_then_the_connection_is_cut(gate: World) -> None:
    caller = await gate.caller()
    answer = await caller.ask(b"nonsense\r\n\r\n")
    assert answer.status == 400
    assert await caller.ended()
    caller.send(b"more")
    await caller.flush()
    assert gate.public.connections == 1
    for _ in range(8):  # as long as something comes, but not for ever
        caller.send(b"more")
        gate.pass_time(4.0)
        await asyncio.sleep(0.01)
    assert gate.public.connections == 0
