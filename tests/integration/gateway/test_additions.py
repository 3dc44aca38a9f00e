"""Headers and error pages of a project, through the gateway: on which answers they are, and on which they are not."""

from __future__ import annotations

import json

import pytest

from maelstrom.gateway import Additions, Limits
from maelstrom.model.errors import NoCapacity
from maelstrom.model.project_answers import ProjectAnswers
from maelstrom.plan.routes import RouteTable
from tests.integration.gateway.secure import secure_world
from tests.integration.gateway.world import GET, Conversation, World, friendly, request, world
from tests.support.wait import eventually

HEADERS = [
    {"name": "Strict-Transport-Security", "value": "max-age=31536000"},
    {"name": "Server"},
    {"name": "X-Frame-Options", "value": "DENY", "ifmissing": True},
]
PAGES = {
    status: {"body": f"<h1>{status}</h1>", "contenttype": "text/html"}
    for status in ("400", "408", "413", "502", "503", "504")
}


def project_says(gate: World, **fields: object) -> None:
    """From now on, for every route that there is."""
    made = Additions(ProjectAnswers.model_validate_json(json.dumps(fields)))
    for entry in gate.entries:
        entry.target.additions = made
    gate.gateway.set_routes(RouteTable.build(gate.entries))


def saying(*lines: str, body: bytes = b"hello", status: str = "200 OK") -> object:
    async def script(talk: Conversation) -> None:
        while True:
            head = await talk.head()
            talk.reply(b"" if head.first.startswith("HEAD") else body, *lines, status=status)

    return script


async def test_every_answer_of_a_component_has_the_headers_of_its_project(gate: World) -> None:
    await gate.component(saying("Server: secret", "X-Frame-Options: SAMEORIGIN"))  # type: ignore[arg-type]
    caller = await gate.caller()
    before = await caller.ask(GET)
    assert before.head["server"] == "secret"
    project_says(gate, responseheaders=HEADERS)
    for _ in range(3):
        answer = await caller.ask(GET)
        assert answer.body == b"hello"
        assert answer.head["strict-transport-security"] == "max-age=31536000"
        assert answer.head["x-frame-options"] == "SAMEORIGIN"
        assert not answer.head.has("server")
    assert gate.containers[0].connections == 1


async def test_the_headers_are_on_answers_of_every_framing(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        while True:
            head = await talk.head()
            kind = head.first.split(" ")[1]
            if kind == "/chunked":
                talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: x\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
            elif kind == "/large":
                talk.reply(b"x" * 200_000, "Server: x")
            elif kind == "/304":
                talk.send(b"HTTP/1.1 304 Not Modified\r\nServer: x\r\nETag: 1\r\n\r\n")
            elif kind == "/hint":
                talk.send(b"HTTP/1.1 103 Early Hints\r\nServer: x\r\n\r\n")
                talk.reply(b"hello", "Server: x")
            else:
                talk.send(b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nhello")
                return

    await gate.component(script)
    project_says(gate, responseheaders=HEADERS)
    caller = await gate.caller()
    for path, size in (("/chunked", 5), ("/large", 200_000), ("/304", 0), ("/hint", 5), ("/close", 5)):
        answer = await caller.ask(request(f"GET {path} HTTP/1.1\nHost: a"))
        if answer.status == 103:
            assert answer.head.has("server"), "an interim answer is the component's own"
            answer = await caller.answer()
        assert len(answer.body) == size
        assert (answer.head["x-frame-options"], answer.head.has("server")) == ("DENY", False)


async def test_an_old_client_gets_them_too(gate: World) -> None:
    await gate.component(saying("Server: x"))  # type: ignore[arg-type]
    project_says(gate, responseheaders=HEADERS)
    answer = await gate.ask(request("GET / HTTP/1.0\nHost: a"))
    assert (answer.body, answer.head["x-frame-options"], answer.head.has("server")) == (b"hello", "DENY", False)
    caller = await gate.caller()
    for _ in range(2):
        answer = await caller.ask(request("HEAD / HTTP/1.1\nHost: a"), to_head=True)
        assert (answer.head["x-frame-options"], answer.head.has("server")) == ("DENY", False)


async def test_other_projects_and_unknown_hosts_have_none_of_them(gate: World) -> None:
    await gate.component(friendly, host="a.test")
    project_says(gate, responseheaders=HEADERS, errorpages=PAGES)
    await gate.component(friendly, name="other", host="b.test")
    assert (await gate.ask(request("GET / HTTP/1.1\nHost: a.test"))).head.has("x-frame-options")
    assert not (await gate.ask(request("GET / HTTP/1.1\nHost: b.test"))).head.has("x-frame-options")
    unknown = await gate.ask(request("GET / HTTP/1.1\nHost: c.test"))
    assert (unknown.body, unknown.head.has("x-frame-options")) == (b"no_route\n", False)


async def test_a_component_s_own_error_is_left_as_it_is(gate: World) -> None:
    await gate.component(saying(body=b"my own", status="503 Service Unavailable"))  # type: ignore[arg-type]
    project_says(gate, errorpages=PAGES)
    answer = await gate.ask(GET)
    assert (answer.status, answer.body, answer.code) == (503, b"my own", "")


async def test_the_gateway_s_own_answers_show_the_project_s_pages() -> None:
    async with world(limits=Limits(max_body_bytes=100)) as gate:

        async def breaking(talk: Conversation) -> None:
            await talk.head()

        pool = await gate.component(breaking, maxqueue=1, maxdurationseconds=5)
        project_says(gate, responseheaders=HEADERS, errorpages=PAGES)
        asked = {
            502: request("POST / HTTP/1.1\nHost: a\nContent-Length: 0"),
            413: request("POST / HTTP/1.1\nHost: a\nContent-Length: 1000"),
            400: request("POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked") + b"zz\r\n",
        }
        for status, data in asked.items():
            answer = await gate.ask(data)
            assert (answer.status, answer.body) == (status, b"<h1>%d</h1>" % status)
            assert answer.head["content-type"] == "text/html; charset=utf-8"
            assert answer.head["x-frame-options"] == "DENY"
            assert answer.code
            await gate.at_rest()
        assert pool.instances[0].suspect
        late, full = await gate.caller(), await gate.caller()
        late.send(GET)
        await eventually(lambda: len(pool.queue) == 1)
        answer = await full.ask(GET)
        assert (answer.status, answer.body, answer.code) == (503, b"<h1>503</h1>", "queue_full")
        assert answer.head["retry-after"] == "1"
        only_json = await full.ask(request("GET / HTTP/1.1\nHost: a\nAccept: application/json"))
        assert json.loads(only_json.body) == {"code": "queue_full"}
        headed = await full.ask(request("HEAD / HTTP/1.1\nHost: a"), to_head=True)
        assert (headed.status, headed.head["content-length"]) == (503, "12")
        gate.pass_time(5.2)
        answer = await late.answer()
        assert (answer.status, answer.body, answer.code) == (504, b"<h1>504</h1>", "deadline")


async def test_an_upgrade_is_passed_on_as_it_is(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.head()
        talk.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nServer: x\r\n\r\n")
        await talk.gone()

    await gate.component(script)
    project_says(gate, responseheaders=HEADERS)
    caller = await gate.caller()
    caller.send(request("GET / HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket"))
    answer = await caller.answer()
    assert (answer.status, answer.head["server"]) == (101, "x")


@pytest.mark.parametrize("pipelined", [1, 5])
async def test_a_change_counts_from_the_next_request_on(gate: World, pipelined: int) -> None:
    await gate.component(friendly)
    caller = await gate.caller()
    for value in ("1", "2"):
        project_says(gate, responseheaders=[{"name": "X-V", "value": value}])
        caller.send(GET * pipelined)
        assert [(await caller.answer()).head["x-v"] for _ in range(pipelined)] == [value] * pipelined


async def test_by_http2_it_is_the_same() -> None:
    async with secure_world() as secure:
        await secure.gate.component(saying("Server: secret"), maxqueue=1)  # type: ignore[arg-type]
        project_says(secure.gate, responseheaders=HEADERS, errorpages=PAGES)
        caller = await secure.caller()
        answer = await caller.ask("/")
        assert (answer.status, answer.body, answer["x-frame-options"]) == (200, b"hello", "DENY")
        assert not answer.all("server")
        pool = secure.gate.pools["shop_web"]
        pool.failure, pool.instances[0].state = NoCapacity("none"), "draining"
        answer = await caller.ask("/")
        assert (answer.status, answer.body, answer["maelstrom-error"]) == (503, b"<h1>503</h1>", "no_capacity")
        assert answer["x-frame-options"] == "DENY"
