"""gRPC from a client to a real container, by HTTP/2 all the way, through a daemon with workers."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import struct
from pathlib import Path

import aiohttp

from tests.e2e.conftest import StartDaemon
from tests.support import http2_server
from tests.support.certificates import Authority
from tests.support.daemon import Daemon
from tests.support.http2 import Http2Caller
from tests.support.images import python_image

MESSAGE = struct.pack("!BI", 0, 2) + b"hi"
GRPC = (("content-type", "application/grpc"), ("te", "trailers"))
MAIN = """
import asyncio
import http2_server
from http2_server import Http2Server

http2_server.SECONDS = 60.0  # calls stay open while the node is upgraded


async def handler(call):
    if call.has("te"):
        call.head(103)
    body = await call.whole()
    if call[":path"] == "/grpc.health.v1.Health/Check":
        body = b"\\0\\0\\0\\0\\2\\x08\\1"
    call.head(200, ("content-type", "application/grpc"))
    call.data(body or call[":authority"].encode())
    call.end(("grpc-status", "0"), ("x-deadline", call["maelstrom-deadline"] if call.has("maelstrom-deadline") else ""))


async def main():
    server = await asyncio.start_server(lambda r, w: Http2Server(r, w, handler, {}).serve(), "0.0.0.0", 50051)
    await server.serve_forever()


asyncio.run(main())
"""


def component(folder: Path) -> str:
    """A project whose component is a server of the tests, with the library that it needs."""
    folder.mkdir()
    for name in ("h2", "hpack", "hyperframe"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        shutil.copytree(Path(spec.origin).parent, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(http2_server.__file__, folder / "http2_server.py")
    (folder / "main.py").write_text(MAIN)
    return f"""
name: shop
components:
  rates:
    image: {python_image()}
    command: [python3, -u, /srv/main.py]
    volumes: [{{type: bind, source: {folder}, target: /srv, readonly: true}}]
    httpversion: 2
    httpport: 50051
    httphealthcheckpath: /grpc.health.v1.Health/Check
    maxconcurrency: 20
    eventsources:
      site: {{http: {{hostname: rates.test}}}}
"""


async def test_calls_reach_a_container_and_its_status_comes_back_also_across_an_upgrade(
    make_daemon: StartDaemon, tmp_path: Path
) -> None:
    authority = Authority()
    authority.pair("rates.test").write(tmp_path / "tls", "rates")
    settings = {
        "MAEL_PUBLIC_TLS_LISTEN": "127.0.0.1:0",
        "MAEL_TLS_CERTIFICATES": str(tmp_path / "tls"),
        "MAEL_GATEWAY_WORKERS": "2",
        "MAEL_SHUTDOWN_GRACE_SECONDS": "30",  # as long as calls may stay open
    }
    daemon: Daemon = make_daemon(environ=settings).start()
    daemon.put(component(tmp_path / "srv"))
    host, _, port = daemon.ready["public_tls"].rpartition("/")[2].rpartition(":")

    async def connected() -> Http2Caller:
        return await Http2Caller.open(host, int(port), authority.trust("h2"), "rates.test")

    caller = await connected()
    for stream in [call(caller, end=True) for _ in range(5)]:
        await called(caller, stream)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{daemon.public}/x", headers={"Host": "rates.test"}) as plain,
    ):
        assert (plain.status, await plain.read()) == (200, b"rates.test")

    opened = [call(caller, end=False) for _ in range(3)]
    await caller.until(lambda: all(caller.answers[stream].interim for stream in opened), within=30)
    upgrading = asyncio.create_task(asyncio.to_thread(daemon.maelstromd, "upgrade"))
    await caller.until(lambda: caller.goaway is not None, within=60)
    late = call(caller, end=True)  # as if the client had not known yet
    done = await upgrading
    assert done.returncode == 0, done.stderr
    follower = await connected()
    await called(follower, call(follower, end=True))
    for stream in opened:
        caller.data(stream, b"", end=True)
    for stream in (*opened, late):
        await called(caller, stream)
    goaway = await caller.closed()
    assert goaway is not None
    assert (goaway.error_code, goaway.last_stream_id) == (0, late)
    await called(follower, call(follower, end=True))
    follower.close()


def call(caller: Http2Caller, *, end: bool) -> int:
    return caller.request("/s.Rates/Get", *GRPC, method="POST", body=MESSAGE, end=end, authority="rates.test")


async def called(caller: Http2Caller, stream: int) -> None:
    answer = await caller.answer(stream, within=30)
    assert (answer.status, answer.body, answer.trailer["grpc-status"]) == (200, MESSAGE, "0")
    assert 0 < float(answer.trailer["x-deadline"]) <= 300
