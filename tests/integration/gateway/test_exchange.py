"""What passes through the gateway arrives as it was sent, both ways."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest

from tests.integration.gateway.world import GET, Conversation, Script, World, friendly, request
from tests.support.wait import eventually


async def test_a_request_is_answered_by_the_component(gate: World) -> None:
    await gate.component(friendly)
    answer = await gate.ask(GET)
    assert (answer.status, answer.body) == (200, b"hello")
    assert not answer.head.has("maelstrom-error")


async def test_both_connections_are_kept(gate: World) -> None:
    await gate.component(friendly)
    caller = await gate.caller()
    for _ in range(20):
        assert (await caller.ask(GET)).body == b"hello"
    assert gate.containers[0].connections == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PURGE"])
async def test_a_counted_body_reaches_the_component(gate: World, method: str) -> None:
    await gate.component(friendly)
    answer = await gate.ask(request(f"{method} /x HTTP/1.1\nHost: a\nContent-Length: 6", b"abcdef"))
    assert answer.body == b"abcdef"
    assert gate.containers[0].requests[0].first == f"{method} /x HTTP/1.1"


async def test_a_chunked_body_reaches_the_component_in_its_pieces_with_its_trailers(gate: World) -> None:
    got: list[object] = []

    async def script(talk: Conversation) -> None:
        got.append(await talk.message())
        talk.reply()

    await gate.component(script)
    caller = await gate.caller()
    caller.send(request("POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nTrailer: X-Sum"))
    for piece in (b"3\r\nab", b"c\r\n5;ext=1\r\nde", b"fgh\r\n0\r\nX-S", b"um: 7\r\nHost: evil\r\n", b"\r\n"):
        caller.send(piece)
        await caller.flush()
        await asyncio.sleep(0)
    assert (await caller.answer()).status == 200
    [message] = got
    assert (message.body, message.trailers) == (b"abcdefgh", b"X-Sum: 7\r\n")  # type: ignore[attr-defined]


async def test_a_chunked_answer_passes_with_its_trailers(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        while True:
            await talk.message()
            talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            talk.send(b"4\r\nwiki\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\n\r\n")

    await gate.component(script)
    caller = await gate.caller()
    for _ in range(3):
        answer = await caller.ask(GET)
        assert (answer.body, answer.trailers) == (b"wiki", b"X-Sum: 1\r\n")
    assert gate.containers[0].connections == 1


async def test_what_is_packed_passes_untouched(gate: World) -> None:
    packed = gzip.compress(b"wiki" * 1000, mtime=0)
    got: list[Any] = []

    async def script(talk: Conversation) -> None:
        got.append(await talk.message())
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nVary: Accept-Encoding\r\nContent-Length: %d\r\n\r\n"
        talk.send(head % len(packed) + packed)

    await gate.component(script)
    lines = "POST / HTTP/1.1\nHost: a\nAccept-Encoding: gzip, br\nContent-Encoding: gzip\nContent-Length: "
    answer = await gate.ask(request(lines + str(len(packed)), packed))
    assert (answer.head["content-encoding"], answer.head["vary"]) == ("gzip", "Accept-Encoding")
    assert answer.body == packed
    [message] = got
    assert (message.head["content-encoding"], message.head["accept-encoding"]) == ("gzip", "gzip, br")
    assert message.body == packed


async def test_server_sent_events_arrive_as_they_are_sent(gate: World) -> None:
    go = asyncio.Event()

    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for n in range(3):
            talk.send(b"9\r\ndata: %d\n\n\r\n" % n)
            await go.wait()
            go.clear()
        talk.send(b"0\r\n\r\n")

    await gate.component(script)
    caller = await gate.caller()
    caller.send(GET)
    await caller.head()
    for n in range(3):
        assert await caller.until(b"\n\n\r\n") == b"9\r\ndata: %d\n\n\r\n" % n
        go.set()
    assert await caller.until(b"0\r\n\r\n") == b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "status", "framing"),
    [
        ("HEAD", "200 OK", "Content-Length: 5000"),
        ("HEAD", "200 OK", "Transfer-Encoding: chunked"),
        ("GET", "304 Not Modified", "Content-Length: 5000"),
        ("GET", "304 Not Modified", "ETag: x"),
        ("GET", "204 No Content", "ETag: x"),
        ("DELETE", "204 No Content", "Content-Length: 0"),
    ],
)
async def test_answers_without_a_body_end_with_their_head(gate: World, method: str, status: str, framing: str) -> None:
    async def script(talk: Conversation) -> None:
        while True:
            await talk.message()
            talk.send(f"HTTP/1.1 {status}\r\n{framing}\r\n\r\n".encode())

    await gate.component(script)
    caller = await gate.caller()
    for _ in range(3):
        answer = await caller.ask(request(f"{method} / HTTP/1.1\nHost: a"), to_head=True)
        assert answer.status == int(status[:3])
    assert gate.containers[0].connections == 1
    if status.startswith("204"):
        assert not answer.head.has("content-length")  # it must not say so (RFC 9110, 8.6)


async def test_an_answer_without_framing_lasts_until_the_connection_ends(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.send(b"HTTP/1.1 200 OK\r\n\r\nall ")
        await talk.flush()
        talk.send(b"of it")

    await gate.component(script)
    answer = await gate.ask(GET)
    assert answer.body == b"all of it"
    assert answer.head["connection"] == "close"


async def test_a_container_that_speaks_http_1_0_is_served(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.send(b"HTTP/1.0 200 Fine\r\nContent-Length: 3\r\n\r\nold")

    await gate.component(script)
    caller = await gate.caller()
    for _ in range(3):
        answer = await caller.ask(GET)
        assert (answer.head.first, answer.body) == ("HTTP/1.1 200 Fine", b"old")
    assert gate.containers[0].connections == 3


async def test_a_client_that_speaks_http_1_0_gets_no_chunks(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await talk.flush()
        talk.send(b"2;x\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n")

    await gate.component(script)
    answer = await gate.ask(b"GET / HTTP/1.0\r\n\r\n")
    assert (answer.status, answer.body) == (200, b"abcde")
    assert not answer.head.has("transfer-encoding")
    assert answer.head["connection"] == "close"
    seen = gate.containers[0].requests[0]
    assert seen.first == "GET / HTTP/1.1"
    assert seen["host"] == f"127.0.0.1:{gate.public.address[1]}"


async def test_a_client_that_speaks_http_1_0_may_keep_its_connection(gate: World) -> None:
    await gate.component(friendly)
    caller = await gate.caller()
    for _ in range(3):
        answer = await caller.ask(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
        assert answer.head["connection"] == "keep-alive"
    answer = await caller.ask(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    assert answer.head["connection"] == "close"
    assert await caller.ended()


async def test_a_client_that_asks_for_it_is_closed_after_the_answer(gate: World) -> None:
    await gate.component(friendly)
    caller = await gate.caller()
    answer = await caller.ask(request("GET / HTTP/1.1\nHost: a\nConnection: close"))
    assert answer.head["connection"] == "close"
    assert await caller.ended()
    assert not gate.containers[0].requests[0].has("connection")


async def test_a_container_that_closes_after_each_answer_leaves_the_clients_connection_open(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")

    await gate.component(script)
    caller = await gate.caller()
    for n in range(1, 4):
        answer = await caller.ask(GET)
        assert (answer.status, answer.body, answer.head.has("connection")) == (200, b"ok", False)
        assert gate.containers[0].connections == n


async def test_pipelined_requests_are_answered_in_order(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        while True:
            got = await talk.message()
            talk.reply(got.head.first.split(" ")[1].encode())

    await gate.component(script, host="a")
    caller = await gate.caller()
    hosts = ["a", "a", "unknown", "a"]
    caller.send(b"".join(request(f"GET /{n} HTTP/1.1\nHost: {host}") for n, host in enumerate(hosts)))
    caller.send(request("POST /4 HTTP/1.1\nHost: a\nContent-Length: 3", b"abc") + request("GET /5 HTTP/1.1\nHost: a"))
    bodies = [(await caller.answer()).body for _ in range(6)]
    assert bodies == [b"/0", b"/1", b"no_route\n", b"/3", b"/4", b"/5"]


async def test_many_pipelined_requests_that_are_answered_at_once_do_not_pile_up(gate: World) -> None:
    caller = await gate.caller()
    caller.send(GET * 3000)
    for _ in range(3000):
        assert (await caller.answer()).status == 404


async def test_a_request_may_come_byte_by_byte(gate: World) -> None:
    await gate.component(friendly)
    caller = await gate.caller()
    for byte in request("POST / HTTP/1.1\nHost: a\nContent-Length: 4", b"slow"):
        caller.send(bytes((byte,)))
        await asyncio.sleep(0)
    assert (await caller.answer()).body == b"slow"


async def test_an_answer_may_come_byte_by_byte(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        for byte in b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nslow\r\n0\r\n\r\n":
            talk.send(bytes((byte,)))
            await talk.flush()
            await asyncio.sleep(0)

    await gate.component(script)
    assert (await gate.ask(GET)).body == b"slow"


def expecting(*, accept: bool) -> Script:
    async def script(talk: Conversation) -> None:
        head = await talk.head()
        assert head["expect"] == "100-continue"
        if accept:
            talk.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            talk.reply(await talk.exactly(4))
        else:
            talk.reply(b"no", status="417 Expectation Failed")

    return script


async def test_a_client_waits_for_100_and_gets_it(gate: World) -> None:
    await gate.component(expecting(accept=True))
    caller = await gate.caller()
    head = request("POST / HTTP/1.1\nHost: a\nExpect: 100-continue\nContent-Length: 4")
    assert (await caller.ask(head)).status == 100
    assert (await caller.ask(b"body")).body == b"body"
    assert (await caller.ask(head)).status == 100


async def test_a_client_waits_for_100_and_is_refused(gate: World) -> None:
    await gate.component(expecting(accept=False))
    caller = await gate.caller()
    answer = await caller.ask(request("POST / HTTP/1.1\nHost: a\nExpect: 100-continue\nContent-Length: 4"))
    assert answer.status == 417
    caller.close()


async def test_early_hints_pass(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        talk.reply()

    await gate.component(script)
    caller = await gate.caller()
    answer = await caller.ask(GET)
    assert (answer.status, answer.head["link"]) == (103, "</a.css>")  # nobody asked for the 100
    assert (await caller.answer()).body == b"hello"


@pytest.mark.parametrize(("sent", "seen"), [("/api", "/"), ("/api/x%2Fy?q=1", "/x%2Fy?q=1"), ("/api?q", "/?q")])
async def test_a_prefix_is_stripped_where_the_source_says_so(gate: World, sent: str, seen: str) -> None:
    await gate.component(friendly, prefix="/api", strip=True)
    await gate.ask(request(f"GET {sent} HTTP/1.1\nHost: a"))
    assert gate.containers[0].requests[0].first == f"GET {seen} HTTP/1.1"


@pytest.mark.parametrize(
    "target", ["/a//b/../c", "/%2e%2e/%00?a=b&c=%20?", "/a;b?http://x/", "/~!$&'()*+,;=:@|^{}`\\\""]
)
async def test_a_target_goes_on_as_it_came(gate: World, target: str) -> None:
    await gate.component(friendly)
    await gate.ask(request(f"GET {target} HTTP/1.1\nHost: a"))
    assert gate.containers[0].requests[0].first == f"GET {target} HTTP/1.1"


async def test_a_target_in_absolute_form_goes_on_as_a_path(gate: World) -> None:
    await gate.component(friendly)
    await gate.ask(request("GET http://A.test:80/x?y HTTP/1.1\nHost: a.test:80"))
    await gate.ask(request("GET http://a.test?y HTTP/1.1\nHost: a.test"))
    assert [head.first for head in gate.containers[0].requests] == ["GET /x?y HTTP/1.1", "GET /?y HTTP/1.1"]


async def test_routes_change_between_two_requests_of_one_connection(gate: World) -> None:
    await gate.component(friendly, name="one")
    caller = await gate.caller()
    await caller.ask(GET)
    await gate.component(friendly, name="two", host="a.test")
    await caller.ask(GET)
    assert [container.requests[0]["maelstrom-component"] for container in gate.containers] == ["shop_one", "shop_two"]


async def test_a_component_that_was_removed_has_no_route(gate: World) -> None:
    pool = await gate.component(friendly)
    caller = await gate.caller()
    await caller.ask(GET)
    pool.closed = True
    answer = await caller.ask(GET)
    assert (answer.status, answer.code) == (404, "no_route")


async def test_a_large_upload_passes_whole(gate: World) -> None:
    size = 20_000_000

    async def script(talk: Conversation) -> None:
        head = await talk.head()
        left = int(head["content-length"])
        while left:
            left -= len(await talk.some())
        talk.reply()

    await gate.component(script)
    caller = await gate.caller()
    caller.send(request(f"POST / HTTP/1.1\nHost: a\nContent-Length: {size}"))
    caller.send(bytes(size))
    assert (await caller.answer()).status == 200
    assert gate.gateway.stats.components["shop_web"].bytes_in == size


async def test_a_large_download_passes_whole(gate: World) -> None:
    size = 20_000_000

    async def script(talk: Conversation) -> None:
        while True:
            await talk.message()
            talk.reply(bytes(size))

    await gate.component(script)
    caller = await gate.caller()
    assert len((await caller.ask(GET)).body) == size
    assert len((await caller.ask(GET)).body) == size


async def test_the_longest_lines_and_a_hundred_of_them_pass(gate: World) -> None:
    await gate.component(friendly)
    lines = "".join(f"\nX-{n}: {'v' * 400}" for n in range(100))
    assert (await gate.ask(request(f"GET /{'p' * 8100} HTTP/1.1\nHost: a" + lines))).status == 200
    assert (await gate.ask(request(f"GET / HTTP/1.1\nHost: a\nCookie: {'v' * 8150}"))).status == 200


async def test_an_answers_head_may_have_64_kib(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.reply(b"x", "step-func-cause: " + "c" * 65000)

    await gate.component(script)
    assert len((await gate.ask(GET)).head["step-func-cause"]) == 65000


async def test_an_answer_before_the_end_of_the_request_is_passed_on(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.head()
        talk.reply(b"enough", status="403 Forbidden")

    await gate.component(script)
    caller = await gate.caller()
    caller.send(request("POST / HTTP/1.1\nHost: a\nContent-Length: 1000000", bytes(1000)))
    answer = await caller.answer()
    assert (answer.status, answer.body) == (403, b"enough")
    caller.send(bytes(100_000))
    assert await caller.ended()
    await eventually(lambda: not gate.in_flight)


async def test_two_hundred_first_requests_wait_for_one_start(gate: World) -> None:
    pool = await gate.component(maxconcurrency=100)
    callers = [await gate.caller() for _ in range(200)]
    for caller in callers:
        caller.send(GET)
    await eventually(lambda: len(pool.queue) == 200)
    await gate.instance(pool)
    answers = await asyncio.gather(*(caller.answer() for caller in callers))
    assert {answer.status for answer in answers} == {200}
    assert len(gate.containers[0].requests) == 200


async def test_proxies_of_the_daemons_environment_are_not_for_containers(
    gate: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    await gate.component(friendly)
    assert (await gate.ask(GET)).body == b"hello"


async def test_a_server_that_serves_one_connection_at_a_time_is_served(gate: World) -> None:
    """As many have it that are written by hand: a second connection would wait for the end of the first."""
    turn = asyncio.Lock()

    async def script(talk: Conversation) -> None:
        async with turn:
            await friendly(talk)

    await gate.component(script, maxconcurrency=1)
    for method in ("GET", "POST", "GET", "POST", "POST"):
        caller = await gate.caller()
        assert (await caller.ask(request(f"{method} / HTTP/1.1\nHost: a\nContent-Length: 1", b"x"))).body == b"x"
        gate.pass_time(3.0)
