"""Who is let in, and that no request, however made, gets more than its refusal (F1, F2, F5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from maelstrom.api.server import AdminSettings
from tests.support.admin import TOKEN, Admin, admin_api
from tests.support.rawhttp import request, send

BEARER = {"Authorization": f"Bearer {TOKEN}"}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "BREW", "get")
PATHS = (
    "/v1/projects",
    "/v1/projects/shop",
    "/openapi.json",
    "/",
    "/nothing",
    "/v1/../healthz",
    "//",
    "/%2e%2e/x",
    "*",
)


@pytest.mark.parametrize("method", METHODS)
async def test_no_token_is_401_whatever_the_method_and_path(admin: Admin, method: str) -> None:
    for path in PATHS:
        answer = await send(admin.port, request(method, path))
        assert (answer.status, path) == (401, path)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert method == "HEAD" or answer.json()["code"] == "unauthorized"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": ""},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN} {TOKEN}"},
        {"Authorization": "Bearer \xff\xfe"},
        {"Cookie": f"token={TOKEN}; Authorization=Bearer {TOKEN}"},
        {"X-Authorization": f"Bearer {TOKEN}"},
        {"Proxy-Authorization": f"Bearer {TOKEN}"},
    ],
)
async def test_wrong_or_misplaced_token_is_none(admin: Admin, headers: dict[str, str]) -> None:
    assert (await send(admin.port, request("GET", "/v1/projects", headers))).status == 401


@pytest.mark.parametrize("query", [f"token={TOKEN}", f"access_token={TOKEN}", f"Authorization=Bearer+{TOKEN}"])
async def test_token_in_the_query_is_none(admin: Admin, query: str) -> None:
    assert (await send(admin.port, request("GET", f"/v1/projects?{query}"))).status == 401


async def test_two_tokens_are_none(admin: Admin) -> None:
    data = request("GET", "/v1/projects", BEARER).replace(b"\r\n\r\n", b"\r\nAuthorization: Bearer other\r\n\r\n")
    assert (await send(admin.port, data)).status == 401


@pytest.mark.parametrize(
    "data",
    [
        b"GET /v1/projects HTTP/1.1\r\n\r\n",
        b"GET /v1/projects HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /v1/projects HTTP/1.1\r\nHost: 127.0.0.1\r\nBad Header: x\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET http://[::1/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /v1/projects HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello of TLS \r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_401_without_and_400_with_the_token(admin: Admin, data: bytes) -> None:
    answer = await send(admin.port, data)
    assert (answer.status, answer.json()["code"]) == (401, "unauthorized")
    with_token = data.replace(b"\r\n", f"\r\nAuthorization: Bearer {TOKEN}\r\n".encode(), 1)
    answer = await send(admin.port, with_token)
    assert (answer.status, answer.json()["code"]) == (400, "bad_request")


async def test_unknown_method_with_the_token_is_405(admin: Admin) -> None:
    for method in ("BREW", "get", "PROPFIND", "TRACE", "OPTIONS"):
        answer = await send(admin.port, request(method, "/v1/projects", BEARER))
        assert (answer.status, answer.json()["code"]) == (405, "method_not_allowed")


async def test_405_names_the_methods_that_there_are(admin: Admin) -> None:
    answer = await send(admin.port, request("PATCH", "/v1/projects/shop", BEARER))
    assert answer.headers["allow"] == "DELETE, GET, PUT"


async def test_unknown_path_with_the_token_is_404(admin: Admin) -> None:
    for path in (
        "/",
        "/nothing",
        "/v1",
        "/v1/",
        "/v1/projects/",
        "/v1//projects",
        "/V1/projects",
        "/v1/projects/a/b/c",
    ):
        answer = await send(admin.port, request("GET", path, BEARER))
        assert (answer.status, path) == (404, path)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:99", "localhost", "LOCALHOST:8374", "localhost.", "[::1]:8374", "192.0.2.1"]
)
async def test_addresses_and_localhost_are_always_ours(admin: Admin, host: str) -> None:
    assert (await send(admin.port, request("GET", "/v1/version", BEARER, host=host))).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "a b", "", "admin@localhost", "localhost:x"],
)
async def test_unknown_host_is_refused(admin: Admin, host: str) -> None:
    for path in ("/v1/version", "/healthz", "/metrics"):
        answer = await send(admin.port, request("GET", path, BEARER, host=host))
        assert answer.status == 403


async def test_further_hosts_are_a_setting(database: Path) -> None:
    async with admin_api(database, settings=AdminSettings(hosts=("Maelstrom.Example",))) as admin:
        for host, status in (("maelstrom.example:8374", 200), ("evil.example", 403)):
            assert (await send(admin.port, request("GET", "/v1/version", BEARER, host=host))).status == status


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:3000", "http://127.0.0.1:1", "file://", "x"]
)
async def test_foreign_origin_is_refused(admin: Admin, origin: str) -> None:
    headers = {**BEARER, "Origin": origin}
    answer = await send(admin.port, request("POST", "/v1/eventsources/disable", headers, b"{}"))
    assert (answer.status, answer.json()["code"]) == (403, "forbidden")


async def test_own_origin_is_let_in(admin: Admin) -> None:
    own = f"127.0.0.1:{admin.port}"
    headers = {**BEARER, "Origin": f"http://{own}"}
    assert (await send(admin.port, request("GET", "/v1/version", headers, host=own))).status == 200


async def test_health_readiness_and_metrics_need_no_token(admin: Admin) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await send(admin.port, request("GET", path))).status == 200
        assert (await send(admin.port, request("HEAD", path))).status == 200
        assert (await send(admin.port, request("POST", path))).status == 401
    admin.node.reasons = ["the engine cannot be reached"]
    answer = await send(admin.port, request("GET", "/readyz"))
    assert (answer.status, answer.json()) == (503, {"ready": False, "reasons": ["the engine cannot be reached"]})
    assert (await send(admin.port, request("GET", "/healthz"))).status == 200


async def test_metrics_may_be_set_to_need_the_token(database: Path) -> None:
    async with admin_api(database, settings=AdminSettings(metrics_token=True)) as admin:
        assert (await send(admin.port, request("GET", "/metrics"))).status == 401
        assert (await send(admin.port, request("GET", "/metrics", BEARER))).status == 200


async def test_answers_cannot_be_cached_or_sniffed(admin: Admin) -> None:
    answer = await send(admin.port, request("GET", "/v1/version", BEARER))
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "aiohttp" not in answer.headers["server"]
