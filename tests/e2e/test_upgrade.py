"""A node is followed by a new process of itself: no request fails, no limit is exceeded, its starter sees one process."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.e2e.conftest import StartDaemon
from tests.support import engine
from tests.support.daemon import Daemon
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


class Load:
    """Requests at a steady rate, half of them on connections that are kept open, half on new ones."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: Counter[str] = Counter()
        self.slowest = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        kept, fresh = aiohttp.TCPConnector(limit=0), aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=kept) as one, aiohttp.ClientSession(connector=fresh) as other:
            tasks: set[asyncio.Task[None]] = set()
            pacing = asyncio.create_task(self._pace(one, other, tasks))
            try:
                yield
            finally:
                pacing.cancel()
                await asyncio.gather(*tasks)

    async def _pace(
        self, one: aiohttp.ClientSession, other: aiohttp.ClientSession, tasks: set[asyncio.Task[None]]
    ) -> None:
        number = 0
        while True:
            number += 1
            tasks.add(asyncio.create_task(self._ask(one if number % 2 else other, number)))
            await asyncio.sleep(1 / RATE)

    async def _ask(self, session: aiohttp.ClientSession, number: int) -> None:
        begun = time.monotonic()
        try:
            # what a client cannot send again is what a gap would show
            async with session.post(f"{self.url}/sleep?s=0.01", data=b"x" * (number % 100)) as response:
                await response.read()
                self.answers[str(response.status)] += 1
        except aiohttp.ClientError as error:
            self.answers[type(error).__name__] += 1
        self.slowest = max(self.slowest, time.monotonic() - begun)


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
    load = Load(daemon.public)
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
    async with aiohttp.ClientSession() as session, session.get(f"{daemon.public}/conc") as response:
        assert (await response.json())["peak"] <= LIMIT
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
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask() -> int:
            async with session.get(f"{daemon.public}/sleep?s=1") as response:
                await response.read()
                return response.status

        early = [asyncio.create_task(ask()) for _ in range(2 * LIMIT)]

        async def all_wait() -> bool:
            rows = await asyncio.to_thread(daemon.ask, "ps")
            return sum(row["inflight"] for row in rows) == LIMIT

        await eventually(all_wait, within=20)
        os.kill(first, signal.SIGHUP)
        await followed(daemon, first)
        late = [asyncio.create_task(ask()) for _ in range(LIMIT)]
        assert set(await asyncio.gather(*early, *late)) == {200}
        async with session.get(f"{daemon.public}/conc") as response:
            assert (await response.json())["peak"] == LIMIT


async def test_an_upgrade_that_cannot_work_changes_nothing(make_daemon: StartDaemon, image: str) -> None:
    daemon = make_daemon()
    config = daemon.directory / "settings"
    config.parent.mkdir(parents=True)
    config.write_text("MAEL_ACCESS_LOG=off\n")
    daemon.arguments = ("--config", str(config))
    daemon.start()
    daemon.put(project(image))
    config.write_text("MAEL_ACCESS_LOG=sometimes\n")
    load = Load(daemon.public)
    async with load.running():
        await eventually(lambda: load.answers["200"] > 20, within=20)
        done = await asyncio.to_thread(daemon.maelstromd, "upgrade", "--access-log", "off")
        assert done.returncode == 1
        assert "ended with 2" in done.stderr
        at_end = load.answers["200"]
        await eventually(lambda: load.answers["200"] > at_end + 20, within=20)
    assert set(load.answers) == {"200"}
    pid = daemon.ready["pid"]
    daemon.look_ready()
    assert daemon.ready["pid"] == pid
    assert "MAEL_ACCESS_LOG" in daemon.log()
