"""The public gateway by two processes: one node for its containers, its clients and its operator."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from typing import Any

import aiohttp

from tests.e2e.conftest import StartDaemon
from tests.e2e.test_http import fetch, project
from tests.support.daemon import Daemon
from tests.support.wait import eventually


def workers_of(daemon: Daemon) -> list[int]:
    """Process ids of what the daemon has started."""
    assert daemon.process is not None
    pid = daemon.process.pid
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [int(one) for one in children.read().split()]


async def peak(session: aiohttp.ClientSession, daemon: Daemon) -> int:
    async with session.get(f"{daemon.public}/conc") as response:
        found: int = (await response.json())["peak"]
        return found


async def test_two_processes_serve_one_port_and_keep_one_limit_also_when_one_is_killed_or_all_are_followed(
    make_daemon: StartDaemon, image: str
) -> None:
    daemon = make_daemon(environ={"MAEL_GATEWAY_WORKERS": "2"}).start()
    assert daemon.process is not None
    workers = workers_of(daemon)
    assert len(workers) == 2
    assert {os.getpgid(pid) for pid in workers} == {os.getpgid(daemon.process.pid)}
    daemon.put(project(image, maxconcurrency=3, maxinstances=1))
    codes: Counter[Any] = Counter()
    stop = asyncio.Event()

    async def client() -> None:
        async with aiohttp.ClientSession() as own:
            while not stop.is_set():
                try:
                    codes[(await fetch(own, f"{daemon.public}/sleep?s=0.02"))[0]] += 1
                except aiohttp.ClientConnectionError:
                    codes["cut"] += 1

    clients = [asyncio.create_task(client()) for _ in range(12)]
    try:
        await eventually(lambda: codes[200] > 50, within=30)
        os.kill(workers[0], signal.SIGKILL)
        before = codes[200]
        await eventually(lambda: len(set(workers_of(daemon)) - {workers[0]}) == 2, within=10)
        await eventually(lambda: codes[200] > before + 200, within=20)
        (row,) = await asyncio.to_thread(daemon.ask, "ps")
        assert 1 <= row["inflight"] <= 3
    finally:
        stop.set()
        await asyncio.gather(*clients)
    assert set(codes) <= {200, "cut"}
    assert codes["cut"] <= 12  # at most what the dead worker had open
    async with aiohttp.ClientSession() as session:
        assert await peak(session, daemon) == 3

        async def idle() -> bool:
            (row,) = await asyncio.to_thread(daemon.ask, "ps")
            return bool(row["inflight"] == 0)

        await eventually(idle, within=5)
        async with session.get(f"{daemon.admin}/metrics") as response:
            text = await response.text()
    (counted,) = [
        line
        for line in text.splitlines()
        if line.startswith("maelstrom_gateway_requests_total") and 'code="200"' in line
    ]
    assert float(counted.rpartition(" ")[2]) > before
    slow = asyncio.create_task(one(f"{daemon.public}/sleep?s=3"))

    async def open_there() -> bool:
        rows = await asyncio.to_thread(daemon.ask, "ps")
        return any(row["inflight"] for row in rows)

    await eventually(open_there)
    done = await asyncio.to_thread(daemon.maelstromd, "upgrade")
    assert done.returncode == 0, done.stderr
    daemon.look_ready()
    assert daemon.ready["pid"] != daemon.process.pid
    assert await one(f"{daemon.public}/sleep?s=0") == 200  # by workers of the new process
    assert await slow == 200  # by one of the old
    assert await asyncio.to_thread(daemon.terminate) == 0
    assert "internal error" not in daemon.log()


async def one(url: str) -> int:
    async with aiohttp.ClientSession() as session:
        return (await fetch(session, url))[0]
