"""Which headers go on, which are set, and which go no further."""

from __future__ import annotations

import pytest

from maelstrom.gateway import AccessLog, Policy
from maelstrom.gateway.policy import networks
from tests.integration.gateway.world import GET, Conversation, Head, Message, World, friendly, request, world


async def seen(gate: World, text: str) -> Head:
    """What the component saw of a request with these further headers."""
    if not gate.pools:
        await gate.component(friendly)
    before = len(gate.containers[0].requests)
    answer = await gate.ask(request("GET /x HTTP/1.1\nHost: Shop.test:8080\n" + text))
    assert answer.status == 200
    return gate.containers[0].requests[before]


async def test_a_component_is_told_who_asks(gate: World) -> None:
    head = await seen(gate, "X: y")
    assert head["host"] == "Shop.test:8080"
    assert head["x-forwarded-for"] == "127.0.0.1"
    assert head["x-forwarded-proto"] == "http"
    assert head["x-forwarded-host"] == "Shop.test:8080"
    assert head["forwarded"] == 'for=127.0.0.1;host="Shop.test:8080";proto=http'
    assert head["maelstrom-component"] == "shop_web"
    assert float(head["maelstrom-deadline"]) == 300
    assert head["x-request-id"]


async def test_what_a_client_says_of_itself_is_not_believed(gate: World) -> None:
    head = await seen(
        gate,
        """X-Forwarded-For: 6.6.6.6
        X-Forwarded-Proto: https
        X-Forwarded-Host: evil
        X-Forwarded-Port: 1
        X_Forwarded_For: 6.6.6.6
        X-Real-IP: 6.6.6.6
        Forwarded: for=6.6.6.6
        Proxy: http://evil/
        Via: 1.0 kept""",
    )
    assert head["x-forwarded-for"] == "127.0.0.1"
    assert head["x-forwarded-proto"] == "http"
    assert head["x-forwarded-host"] == "Shop.test:8080"
    assert "6.6.6.6" not in head["forwarded"]
    for name in ("x-forwarded-port", "x_forwarded_for", "x-real-ip", "proxy"):
        assert not head.has(name)
    assert head["via"] == "1.0 kept"


async def test_the_namespace_of_the_gateway_is_closed_to_the_public(gate: World) -> None:
    head = await seen(
        gate,
        """Maelstrom-Component: shop_other
        Maelstrom-Deadline: 1
        MAELSTROM-Task-Token: x
        maelstrom_event_source: x
        Maelstrom_Component: x
        Maelstromish: kept""",
    )
    assert head["maelstrom-component"] == "shop_web"
    assert head["maelstrom-deadline"] == "300"
    assert [name for name, _ in head.headers if name.startswith(("maelstrom-", "maelstrom_"))] == [
        "maelstrom-component",
        "maelstrom-deadline",
    ]
    assert head["maelstromish"] == "kept"


async def test_hop_by_hop_headers_end_here(gate: World) -> None:
    head = await seen(
        gate,
        """Connection: keep-alive, X-Private
        X-Private: 1
        x-private: 2
        Keep-Alive: timeout=5
        Proxy-Connection: keep-alive
        Proxy-Authorization: Basic eA==
        TE: trailers, deflate
        Traceparent: 00-1-2-01""",
    )
    for name in ("connection", "x-private", "keep-alive", "proxy-connection", "proxy-authorization"):
        assert not head.has(name)
    assert head["te"] == "trailers"
    assert head["traceparent"] == "00-1-2-01"


async def test_hop_by_hop_headers_of_an_answer_end_here(gate: World) -> None:
    async def script(talk: Conversation) -> None:
        await talk.message()
        talk.reply(
            b"x",
            "Connection: keep-alive, X-Private",
            "X-Private: 1",
            "Keep-Alive: timeout=5",
            "Proxy-Authenticate: Basic",
            "Upgrade: h2c",
            "Maelstrom-Error: draining",
            "Server: kept",
            "Set-Cookie: a=1",
            "Set-Cookie: b=2",
        )

    await gate.component(script)
    head = (await gate.ask(GET)).head
    assert head.headers == [
        ("content-length", "1"),
        ("server", "kept"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    ]


@pytest.mark.parametrize("given", ["abc-123", "00000000-0000-4000-8000-000000000000", "a" * 128])
async def test_a_sane_request_id_is_kept(gate: World, given: str) -> None:
    assert (await seen(gate, f"X-Request-Id: {given}"))["x-request-id"] == given


@pytest.mark.parametrize("given", ["a" * 129, "a b", "<script>", "", "a\nX-Request-Id: b"])
async def test_another_request_id_is_replaced(gate: World, given: str) -> None:
    made = (await seen(gate, f"X-Request-Id: {given}"))["x-request-id"]
    assert made not in (given, "a", "b")
    assert len(made) < 40


async def test_request_ids_differ(gate: World) -> None:
    await gate.component(friendly)
    caller = await gate.caller()
    for _ in range(5):
        await caller.ask(GET)
    assert len({head["x-request-id"] for head in gate.containers[0].requests}) == 5


async def test_a_trusted_proxy_is_believed() -> None:
    policy = Policy(name="public", trusted=networks(("10.0.0.0/8", "127.0.0.0/8")))
    async with world(public=policy) as gate:
        head = await seen(
            gate,
            """X-Forwarded-For: 1.2.3.4
            X-Forwarded-For: 10.0.0.1
            X-Forwarded-Proto: https
            X-Forwarded-Host: shop.example
            X-Forwarded-Port: 443
            X-Real-IP: 1.2.3.4
            Forwarded: for=1.2.3.4;proto=https
            Maelstrom-Deadline: 1""",
        )
        assert head["x-forwarded-for"] == "1.2.3.4, 10.0.0.1, 127.0.0.1"
        assert head["x-forwarded-proto"] == "https"
        assert head["x-forwarded-host"] == "shop.example"
        assert head["x-forwarded-port"] == "443"
        assert head["x-real-ip"] == "1.2.3.4"
        assert head["forwarded"].startswith("for=1.2.3.4;proto=https, for=127.0.0.1;")
        assert head["maelstrom-deadline"] == "300"
        plain = await seen(gate, "X: y")
        assert plain["x-forwarded-for"] == "127.0.0.1"
        odd = await seen(gate, "X-Forwarded-Proto: javascript\nX-Forwarded-Host: a b")
        assert (odd["x-forwarded-proto"], odd["x-forwarded-host"]) == ("http", "Shop.test:8080")


async def test_server_timing_is_told_to_those_who_ask(gate: World) -> None:
    await gate.component(friendly)
    answer = await gate.ask(request("GET / HTTP/1.1\nHost: a\nX-Server-Timing: 1"))
    parts = [part.partition(";dur=") for part in answer.head["server-timing"].split(", ")]
    assert [name for name, _, _ in parts] == ["queue", "cold_start", "upstream"]
    assert all(float(value) >= 0 for _, _, value in parts)
    assert not gate.containers[0].requests[0].has("x-server-timing")
    assert not (await gate.ask(GET)).head.has("server-timing")


class TestInternal:
    """The listener for containers."""

    async def ask(self, gate: World, text: str) -> Message:
        return await (await gate.caller(gate.internal)).ask(request("GET /x HTTP/1.1\nHost: a\n" + text))

    async def test_a_component_is_called_by_its_name(self, gate: World) -> None:
        await gate.component(friendly, name="one", prefix="/")
        await gate.component(friendly, name="two", prefix="")
        await self.ask(gate, "Maelstrom-Component: shop_two")
        await self.ask(gate, "X: y")
        assert [len(container.requests) for container in gate.containers] == [1, 1]
        assert gate.containers[1].requests[0]["maelstrom-component"] == "shop_two"

    async def test_an_unknown_name_has_no_route_and_the_reason_is_told(self, gate: World) -> None:
        await gate.component(friendly)
        answer = await self.ask(gate, "Maelstrom-Component: shop_none")
        assert (answer.status, answer.code) == (404, "no_route")
        assert b"shop_none" in answer.body

    async def test_a_caller_can_shorten_its_time(self, gate: World) -> None:
        await gate.component(friendly)
        await self.ask(gate, "Maelstrom-Deadline: 7.5")
        await self.ask(gate, "Maelstrom-Deadline: 9000")
        left = [float(head["maelstrom-deadline"]) for head in gate.containers[0].requests]
        assert 7.0 < left[0] <= 7.5
        assert 299 < left[1] <= 300

    async def test_no_time_left_is_a_deadline(self, gate: World) -> None:
        await gate.component(friendly)
        for text in ("0", "-3.2"):
            answer = await self.ask(gate, f"Maelstrom-Deadline: {text}")
            assert (answer.status, answer.code) == (504, "deadline")
        assert not gate.containers[0].requests

    @pytest.mark.parametrize("text", ["soon", "1e3", "nan", "", "1\nMaelstrom-Deadline: 2"])
    async def test_a_deadline_that_is_no_number_is_refused(self, gate: World, text: str) -> None:
        await gate.component(friendly)
        assert (await self.ask(gate, f"Maelstrom-Deadline: {text}")).code == "bad_request"

    async def test_nothing_else_of_the_namespace_passes(self, gate: World) -> None:
        await gate.component(friendly)
        await self.ask(gate, "Maelstrom-Task-Token: x\nMaelstrom-Event-Source: y")
        head = gate.containers[0].requests[0]
        assert not head.has("maelstrom-task-token")
        assert not head.has("maelstrom-event-source")

    @pytest.mark.parametrize("path", ["/healthz", "/metrics", "/_mael/v1", "/_mael_health_check", "/openapi.json"])
    async def test_there_is_no_way_to_the_admin_api(self, gate: World, path: str) -> None:
        caller = await gate.caller(gate.internal)
        answer = await caller.ask(request(f"GET {path} HTTP/1.1\nHost: a"))
        assert (answer.status, answer.code) == (404, "no_route")


ASKED = [(path, str(n)) for n, path in enumerate(["/a", "/a", "/a", "/b", "/a", "/a", "/a", "/a", "/a"])]


async def test_requests_of_one_client_that_differ_in_little_are_told_apart(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "maelstrom.access")
    async with world(access=AccessLog(1.0)) as gate:
        await gate.component(friendly)
        caller = await gate.caller()
        for path, n in ASKED:
            id = "no id!" if n == "5" else f"id-{n}"
            lines = f"GET {path} HTTP/1.1\nHost: a\nX-Request-Id: {id}\nAccept: */*\nCookie: n={n}"
            assert (await caller.ask(request(lines))).status == 200
        heads = gate.containers[0].requests
        assert [(head.first.split(" ")[1], head["cookie"]) for head in heads] == [(p, f"n={n}") for p, n in ASKED]
        told = [head["x-request-id"] for head in heads]
        assert told == [getattr(record, "request_id", None) for record in caplog.records]
        assert told[:5] + told[6:] == [f"id-{n}" for _, n in ASKED if n != "5"]
