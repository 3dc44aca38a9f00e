"""Bodies: what they have to be, and that none of them costs more than its refusal."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from maelstrom.api.server import AdminSettings
from tests.support.admin import TOKEN, Admin, admin_api
from tests.support.rawhttp import RawAnswer, read_answer, request, send

BEARER = {"Authorization": f"Bearer {TOKEN}"}
JSON = {**BEARER, "Content-Type": "application/json"}
LIMIT = 8 * 1024 * 1024


def definition(**fields: Any) -> dict[str, Any]:
    return {"name": "shop", "components": {"web": {"component": {"image": "app:1", **fields}}}}


async def put(admin: Admin, body: bytes, headers: dict[str, str] = JSON) -> RawAnswer:
    return await send(admin.port, request("PUT", "/v1/projects/shop", headers, body))


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json; charset=utf-16",
        "application/xml",
        "json",
        "\xff",
    ],
)
async def test_other_content_types_are_refused(admin: Admin, content_type: str) -> None:
    body = json.dumps({"definition": definition()}).encode()
    answer = await put(admin, body, {**BEARER, **({"Content-Type": content_type} if content_type else {})})
    assert (answer.status, answer.json()["code"]) == (415, "unsupported_media_type")
    assert await admin.registry.list_projects() == []


async def test_json_with_a_charset_is_fine(admin: Admin) -> None:
    body = json.dumps({"definition": definition()}).encode()
    assert (await put(admin, body, {**BEARER, "Content-Type": "application/json; charset=UTF-8"})).status == 200


async def test_compressed_body_is_refused_unread(admin: Admin) -> None:
    answer = await put(admin, gzip.compress(b" " * LIMIT * 4), {**JSON, "Content-Encoding": "gzip"})
    assert answer.status == 415


async def test_body_over_the_limit_is_413_before_it_is_sent(admin: Admin) -> None:
    for path in ("/v1/projects/shop", "/v1/eventsources/disable", "/v1/projects"):
        method = {"/v1/projects/shop": "PUT", "/v1/eventsources/disable": "POST", "/v1/projects": "GET"}[path]
        answer = await send(admin.port, request(method, path, {**JSON, "Content-Length": str(LIMIT + 1)}))
        assert (answer.status, answer.json()["code"]) == (413, "body_too_large")


async def test_body_over_the_limit_without_a_length_is_413(admin: Admin) -> None:
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    head = request("PUT", "/v1/projects/shop", {**JSON, "Transfer-Encoding": "chunked"})
    answer = await send(admin.port, head + chunk * (LIMIT // 65536 + 1) + b"0\r\n\r\n")
    assert answer.status == 413


async def test_body_over_the_limit_sent_whole_is_413(admin: Admin) -> None:
    assert (await put(admin, b"[" + b" " * LIMIT + b"]")).status == 413


async def test_body_at_the_limit_is_read(admin: Admin) -> None:
    text = json.dumps({"definition": definition()}).encode()
    assert (await put(admin, text + b" " * (LIMIT - len(text)))).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"}", b"nul", b"\xff\xfe", b"\xef\xbb\xbf{}", b"{'a': 1}", b'{"a": 1,}', b'{"a": NaN}',
        b'{"a": -Infinity}', b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5000 + b"}", b'{"a": 9007199254740992}', b'{"a": 1, "a": 2}',
        b'{"a": "\\ud800"}', b'{"a": "\\u0000"}', b'{"\\u0000": 1}', b'{"a": "\x01"}', b"[" * 200_000,
        b'{"a":' * 100_000, b"[" * 100 + b"]" * 100,
    ],
)  # fmt: skip
async def test_what_is_not_plain_json_is_400(admin: Admin, body: bytes) -> None:
    answer = await put(admin, body)
    assert (answer.status, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    "body",
    [
        b"null", b"[]", b"1", b'"x"', b"{}", b'{"definition": null}', b'{"definition": []}', b'{"definition": {}}',
        b'{"definition": {"name": "shop", "components": {}}}', b'{"definition": {"name": "shop"}, "dif_only": true}',
        b'{"definition": {"name": 5, "components": 5}}',
    ],
)  # fmt: skip
async def test_json_that_is_no_project_is_422_and_says_where(admin: Admin, body: bytes) -> None:
    answer = await put(admin, body)
    assert (answer.status, answer.json()["code"]) == (422, "invalid_input")
    assert answer.json()["errors"]


async def test_every_problem_is_told_at_once(admin: Admin) -> None:
    body = json.dumps({"definition": definition(maxconcurrency=-1, httpport=0x10000, nonsense=1)}).encode()
    paths = {error["path"] for error in (await put(admin, body)).json()["errors"]}
    assert len(paths) == 3


async def test_body_that_never_comes_does_not_hold_up_others(admin: Admin) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", admin.port)
    writer.write(request("PUT", "/v1/projects/shop", {**JSON, "Content-Length": "10"}))
    assert (await send(admin.port, request("GET", "/v1/version", BEARER))).status == 200
    writer.write(b"x" * 10)
    assert (await read_answer(reader)).status == 400
    writer.close()


async def test_head_and_body_have_to_come_in_time(database: Path) -> None:
    async with admin_api(database, settings=AdminSettings(head_seconds=0.2, body_seconds=0.2)) as admin:
        late = await send(admin.port, request("PUT", "/v1/projects/shop", {**JSON, "Content-Length": "10"}, b"{"))
        assert (late.status, late.json()["code"]) == (408, "request_timeout")
        for beginning in (b"", b"GET /v1/version HTT"):
            reader, writer = await asyncio.open_connection("127.0.0.1", admin.port)
            writer.write(beginning)
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            writer.close()


async def test_body_that_breaks_off_changes_nothing(admin: Admin, caplog: pytest.LogCaptureFixture) -> None:
    body = json.dumps({"definition": definition()}).encode()
    _, writer = await asyncio.open_connection("127.0.0.1", admin.port)
    writer.write(request("PUT", "/v1/projects/shop", {**JSON, "Content-Length": str(len(body) + 1)}, body))
    await writer.drain()
    writer.close()
    assert (await send(admin.port, request("GET", "/v1/projects", BEARER))).json() == []
    assert caplog.records == []


async def test_expect_100_continue_is_answered_before_the_body(admin: Admin) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", admin.port)
    body = json.dumps({"definition": definition()}).encode()
    headers = {**JSON, "Content-Length": str(len(body)), "Expect": "100-continue"}
    writer.write(request("PUT", "/v1/projects/shop", headers))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    writer.write(body)
    assert (await read_answer(reader)).status == 200
    writer.close()


async def test_expect_100_continue_is_not_answered_without_the_token(admin: Admin) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": "5", "Expect": "100-continue"}
    reader, writer = await asyncio.open_connection("127.0.0.1", admin.port)
    writer.write(request("PUT", "/v1/projects/shop", headers))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401 ")
    writer.close()


async def test_one_connection_serves_many_requests(admin: Admin) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", admin.port)
    for _ in range(3):
        writer.write(request("GET", "/v1/version", BEARER))
        assert (await read_answer(reader)).status == 200
    writer.write(request("GET", "/v1/version", BEARER) * 3)
    assert [(await read_answer(reader)).status for _ in range(3)] == [200] * 3
    writer.close()
