"""The log stream: what it carries, how it ends, and that nothing stays behind (F11, F106)."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator

import pytest

from maelstrom.api.client import Client
from maelstrom.api.ports import NodeStatus
from maelstrom.api.reports import make_report
from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import AmbiguousName, EngineUnavailable, MaelstromError, NotFound, Unavailable
from maelstrom.model.instance import InstanceStatus
from tests.fakes.api import line
from tests.support.admin import TOKEN, Admin, AdminThread
from tests.support.rawhttp import request
from tests.support.wait import eventually

BEARER = {"Authorization": f"Bearer {TOKEN}"}
FOLLOW = request("GET", "/v1/logs?component=web&project=shop&follow=true", BEARER)


def put_projects(client: Client) -> None:
    for name in ("shop", "blog"):
        components = {key: {"component": {"image": "app:1"}} for key in ("web", f"{name}jobs")}
        client.put_project({"name": name, "components": components})


@pytest.fixture
def client(threaded: AdminThread) -> Client:
    client = threaded.client()
    put_projects(client)
    return client


@pytest.fixture
async def following(admin: Admin) -> AsyncIterator[tuple[Admin, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client that follows, its head read."""
    await asyncio.to_thread(put_projects, admin.client())
    reader, writer = await asyncio.open_connection("127.0.0.1", admin.port, limit=1 << 18)
    writer.write(FOLLOW)
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"application/x-ndjson" in head
    await eventually(lambda: admin.node.open_logs == 1)
    yield admin, reader, writer
    writer.close()


def test_lines_carry_everything(client: Client, threaded: AdminThread) -> None:
    threaded.node.lines = [line("héllo €\ttab"), line("oops", stream="stderr"), line("other", project="blog")]
    rows = list(client.logs(["web"], project="shop"))
    assert rows[0] == {
        "project": "shop",
        "component": "web",
        "node": "n1",
        "container": "c" * 64,
        "stream": "stdout",
        "at": "2026-01-31T12:00:00Z",
        "text": "héllo €\ttab",
    }
    assert [(row["stream"], row["text"]) for row in rows[1:]] == [("stderr", "oops")]


def test_lines_that_are_no_text_can_be_read_all_the_same(client: Client, threaded: AdminThread) -> None:
    threaded.node.lines = [line("half \ud800 pair \x00 nul"), line("x" * 65536)]
    rows = list(client.logs(["web"], project="shop"))
    assert rows[0]["text"] == "half ? pair \x00 nul"
    assert len(rows[1]["text"]) == 65536


def test_names_and_globs_choose_components(client: Client, threaded: AdminThread) -> None:
    keys = [("shop", "web"), ("shop", "shopjobs"), ("blog", "web"), ("blog", "blogjobs")]
    threaded.node.lines = [line(f"{p}/{c}", c, p) for p, c in keys]

    def seen(*names: str, project: str | None = None) -> list[str]:
        return [row["text"] for row in client.logs(names, project=project)]

    assert seen("*") == ["shop/web", "shop/shopjobs", "blog/web", "blog/blogjobs"]
    assert seen("*jobs") == ["shop/shopjobs", "blog/blogjobs"]
    assert seen("shop_*") == ["shop/web", "shop/shopjobs"]
    assert seen("w?b", project="blog") == ["blog/web"]
    assert seen("shop_web", "blogjobs") == ["shop/web", "blog/blogjobs"]
    for wrong, error in (("web", AmbiguousName), ("nothing", NotFound), ("nothing*", NotFound)):
        with pytest.raises(error):
            seen(wrong)


def test_nodes_whose_lines_are_missing_are_named(client: Client, threaded: AdminThread) -> None:
    threaded.node.others = [NodeStatus("n2", "ready", "0.1.0")]
    row = InstanceStatus(ComponentKey("shop", "web"), 1, "ready", "n2", "c2", 0, 1.0, None)
    report = make_report(revision=1, instances=[row], sources={})
    threaded.call(threaded.registry.write_report("n2", "s", "0.1.0", report))
    with client.logs(["web"], project="shop") as stream:
        assert stream.missing_nodes == ["n2"]
    with client.logs(["blogjobs"]) as stream:
        assert stream.missing_nodes == []


def test_follow_goes_on_as_lines_come(client: Client, threaded: AdminThread) -> None:
    threaded.node.lines = [line("old")]
    with client.logs(["web"], project="shop", follow=True) as stream:
        rows = iter(stream)
        assert next(rows)["text"] == "old"
        for text in ("new", "newer"):
            threaded.call(threaded.node.more_lines.put(line(text)))
            assert next(rows)["text"] == text


def test_fault_in_the_middle_is_an_error_and_not_an_end(client: Client, threaded: AdminThread) -> None:
    threaded.node.lines = [line("first")]
    threaded.call(threaded.node.more_lines.put(EngineUnavailable("Docker is away")))
    rows = iter(client.logs(["web"], project="shop", follow=True))
    assert next(rows)["text"] == "first"
    with pytest.raises(EngineUnavailable, match="Docker is away"):
        next(rows)


def test_stop_of_the_server_ends_a_stream_at_once_and_says_so(client: Client, threaded: AdminThread) -> None:
    seen: list[str] = []

    def follow() -> None:
        try:
            seen.extend(row["text"] for row in client.logs(["web"], project="shop", follow=True))
        except MaelstromError as error:
            seen.append(error.code)

    thread = threading.Thread(target=follow)
    thread.start()
    threaded.call(eventually(lambda: threaded.node.open_logs == 1))
    threaded.call(threaded.server.stop(5))
    thread.join(5)
    assert seen == ["draining"]
    assert threaded.node.open_logs == 0


async def test_client_that_leaves_frees_everything_at_once(
    following: tuple[Admin, asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    admin, _, writer = following
    writer.close()
    await eventually(lambda: admin.node.open_logs == 0, within=2)


async def test_client_that_only_stops_sending_frees_everything_too(
    following: tuple[Admin, asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    admin, _, writer = following
    writer.transport.abort()
    await eventually(lambda: admin.node.open_logs == 0, within=2)


async def test_client_that_does_not_read_holds_up_the_source_and_not_the_memory(
    following: tuple[Admin, asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    admin, reader, writer = following
    waiting = admin.node.more_lines
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(3000):
        waiting.put_nowait(line("x" * 10_000))
    sizes = [waiting.qsize()]

    def settled() -> bool:
        sizes.append(waiting.qsize())
        return sizes[-1] == sizes[-2] < 3000

    await eventually(settled, every=0.1)
    assert waiting.qsize() > 500
    writer.transport.resume_reading()  # type: ignore[attr-defined]
    seen = 0
    async with asyncio.timeout(10):
        while seen < 3000:
            seen += (await reader.readuntil(b'"text"')).count(b'"text"')


def test_stream_that_is_cut_is_an_error(client: Client, threaded: AdminThread) -> None:
    threaded.node.lines = [line("first")]
    stream = client.logs(["web"], project="shop", follow=True)
    rows = iter(stream)
    assert next(rows)["text"] == "first"

    async def cut() -> None:
        listener = threaded.server._listener
        assert listener is not None
        for connection in listener.connections:
            assert connection.transport is not None
            connection.transport.abort()

    threaded.call(cut())
    with pytest.raises(Unavailable):
        next(rows)


async def test_head_of_the_stream_is_not_offered(admin: Admin) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", admin.port)
    writer.write(request("HEAD", "/v1/logs?component=web", BEARER))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 405 ")
    writer.close()


def test_json_lines_are_one_object_each(client: Client, threaded: AdminThread) -> None:
    threaded.node.lines = [line("a\nb\r\nc\u2028d")]
    _, response = client._send("GET", "/v1/logs", {"component": ["web"], "project": "shop"}, None)
    text = response.read()
    assert text.count(b"\n") == 1
    assert json.loads(text)["text"] == "a\nb\r\nc\u2028d"
