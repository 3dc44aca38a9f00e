"""A node is followed by a new process of itself: no request fails, limits hold, and its starter sees one process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.conftest import StartDaemon
from tests.support import engine
from tests.support.daemon import Daemon
from tests.support.load import Load, most_at_a_time
from tests.support.wait import eventually

RATE = 200  # requests a second
LIMIT = 4


def project(image: str, **fields: object) -> str:
    lines = "".join(f"\n    {key}: {value}" for key, value in fields.items())
    return f"""
name: shop
components:
  web:
    image: {image}
    httphealthcheckpath: /health
    mininstances: 1
    maxinstances: 1{lines}
    eventsources:
      site: {{http: {{pathprefix: /}}}}
"""


async def followed(daemon: Daemon, former: int) -> int:
    """The pid of the process that follows."""

    def there() -> bool:
        daemon.look_ready()
        return bool(daemon.ready["pid"] != former)

    await eventually(there, within=30)
    return int(daemon.ready["pid"])


async def test_two_upgrades_under_load_fail_no_request_and_keep_the_limit(
    daemon: Daemon, cluster: str, image: str
) -> None:
    daemon.put(project(image, maxconcurrency=LIMIT))
    (container,) = await eventually(lambda: engine.containers(cluster), within=20)
    assert daemon.process is not None
    first, addresses = daemon.ready["pid"], {name: daemon.ready[name] for name in ("public", "admin", "internal")}
    load = Load(daemon.public, RATE)
    async with load.running():
        await eventually(lambda: load.answers["200"] > RATE, within=20)
        daemon.process.send_signal(signal.SIGHUP)
        second = await followed(daemon, first)
        at_second = load.answers["200"]
        await eventually(lambda: load.answers["200"] > at_second + RATE, within=20)
        done = await asyncio.to_thread(daemon.maelstromd, "upgrade")
        assert done.returncode == 0, done.stderr
        third = await followed(daemon, second)
        at_third = load.answers["200"]
        await eventually(lambda: load.answers["200"] > at_third + RATE, within=20)
    assert set(load.answers) == {"200"}, (load.answers, daemon.log())
    assert {name: daemon.ready[name] for name in addresses} == addresses
    assert [c["Id"] for c in engine.containers(cluster) if c["State"] == "running"].count(container["Id"]) == 1
    assert await most_at_a_time(daemon.public) <= LIMIT
    assert daemon.running, "for its starter it is one process that goes on"
    assert os.getpgid(third) == os.getpgid(daemon.process.pid)
    assert [row["state"] for row in daemon.ask("nodes")] == ["ready"]
    assert daemon.terminate() == 0
    assert not (daemon.state / "ready.json").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(third, 0)


async def test_requests_that_are_open_or_wait_at_the_upgrade_are_answered_within_the_limit(
    daemon: Daemon, image: str
) -> None:
    daemon.put(project(image, maxconcurrency=LIMIT))
    first = daemon.ready["pid"]
    answers: Counter[int] = Counter()
    over = asyncio.Event()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def busy() -> None:
            while not over.is_set():
                async with session.get(f"{daemon.public}/keep?s=0.5") as response:
                    await response.read()
                    answers[response.status] += 1

        callers = [asyncio.create_task(busy()) for _ in range(2 * LIMIT)]  # half of them always wait
        await eventually(lambda: answers[200] > LIMIT, within=20)
        os.kill(first, signal.SIGHUP)
        await followed(daemon, first)
        so_far = answers[200]
        await eventually(lambda: answers[200] > so_far + 2 * LIMIT, within=20)
        over.set()
        await asyncio.gather(*callers)
    assert set(answers) == {200}
    assert await most_at_a_time(daemon.public) == LIMIT
    # nobody would stop the node if it lived on without the process that its starter knows
    second = daemon.ready["pid"]
    await eventually(lambda: "foreground" in Path(f"/proc/{first}/cmdline").read_text(), within=20)
    daemon.kill()
    await eventually(lambda: not Path(f"/proc/{second}").exists(), within=20)
    assert not (daemon.state / "ready.json").exists()


async def test_a_service_manager_hands_over_its_socket_and_is_told_how_upgrades_go(
    make_daemon: StartDaemon, tmp_path: Path
) -> None:
    config = tmp_path / "settings"
    config.write_text("MAEL_ACCESS_LOG=off\n")
    with (
        socket.create_server(("127.0.0.1", 0)) as given,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        daemon = make_daemon(environ={"NOTIFY_SOCKET": str(tmp_path / "notify"), "MAEL_PUBLIC_LISTEN": "127.0.0.1:1"})
        daemon.listens = given
        daemon.arguments = ("--config", str(config))
        daemon.start()
        first, public = daemon.ready["pid"], f"http://127.0.0.1:{given.getsockname()[1]}"
        assert daemon.public == public
        assert manager.recv(100) == b"READY=1"

        config.write_text("MAEL_ACCESS_LOG=sometimes\n")
        done = await asyncio.to_thread(daemon.maelstromd, "upgrade")
        assert (done.returncode, "ended with 2" in done.stderr) == (1, True)
        assert "'sometimes' is neither" in daemon.log()
        assert manager.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert manager.recv(100) == b"READY=1"
        daemon.look_ready()
        assert daemon.ready["pid"] == first, "all stays as it was"

        config.write_text("MAEL_ACCESS_LOG=all\n")
        os.kill(first, signal.SIGHUP)
        await followed(daemon, first)
        assert manager.recv(100).startswith(b"RELOADING=1")
        assert manager.recv(100) == b"READY=1"
        assert daemon.public == public
        async with aiohttp.ClientSession() as session, session.get(f"{public}/none") as response:
            assert response.status == 404
        await eventually(lambda: '"GET /none" 404' in daemon.log(), within=20)
        assert daemon.terminate() == 0
        assert manager.recv(100) == b"STOPPING=1"
