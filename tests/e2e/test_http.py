"""The main job for web traffic: from zero to a container and back, on real parts."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.conftest import StartDaemon
from tests.support import engine
from tests.support.daemon import Daemon
from tests.support.postgres import PostgresServer
from tests.support.wait import eventually


def project(image: str, **fields: object) -> str:
    """One component `web` of project `shop`, reached by any path."""
    lines = "".join(f"\n    {key}: {value}" for key, value in fields.items())
    return f"""
name: shop
components:
  web:
    image: {image}
    httphealthcheckpath: /health
    stopgraceseconds: 5{lines}
    eventsources:
      site: {{http: {{pathprefix: /}}}}
"""


def running(cluster: str) -> list[str]:
    return [c["Id"] for c in engine.containers(cluster) if c["State"] == "running"]


async def fetch(session: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    async with session.get(url) as response:
        return response.status, (await response.text())


async def test_200_first_requests_start_one_container_and_are_all_answered(
    daemon: Daemon, cluster: str, image: str
) -> None:
    daemon.put(project(image, maxconcurrency=20))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        answers = await asyncio.gather(*(fetch(session, f"{daemon.public}/echo") for _ in range(200)))
    assert Counter(status for status, _ in answers) == {200: 200}
    assert len(engine.containers(cluster)) == 1
    (row,) = daemon.ask("ps")
    assert row["state"] == "ready"
    assert row["container"] == running(cluster)[0]
    assert list(row["receipt_ms"]) == ["queue", "create", "start", "port_open", "first_ok"]


async def test_the_limit_of_a_container_holds_and_those_who_wait_are_served_in_the_end(
    daemon: Daemon, image: str
) -> None:
    daemon.put(project(image, maxconcurrency=3, maxinstances=1))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        answers = await asyncio.gather(*(fetch(session, f"{daemon.public}/sleep?s=0.05") for _ in range(40)))
        assert {status for status, _ in answers} == {200}
        async with session.get(f"{daemon.public}/conc") as response:
            assert (await response.json())["peak"] == 3


async def test_a_full_queue_shows_the_project_s_page_and_a_new_page_starts_nothing_anew(
    daemon: Daemon, cluster: str, image: str, tmp_path: Path
) -> None:
    page = tmp_path / "busy.html"
    own = project(image, maxconcurrency=1, maxinstances=1, maxqueue=1, fairness="client")
    own += f"responseheaders: [{{name: X-Frame-Options, value: DENY}}]\nerrorpages: {{503: {{file: {page}}}}}\n"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        for text in ("<h1>Busy</h1>", "<h1>Still busy</h1>"):
            page.write_text(text)
            daemon.put(own)

            async def refused(text: str = text) -> bool:
                waiting = [asyncio.create_task(fetch(session, f"{daemon.public}/sleep?s=0.5")) for _ in range(2)]
                await asyncio.sleep(0.1)
                async with session.get(f"{daemon.public}/echo") as answer:
                    body, headers = await answer.text(), answer.headers
                await asyncio.gather(*waiting)
                assert headers["X-Frame-Options"] == "DENY"
                assert (answer.status == 503) == (headers.get("Maelstrom-Error") == "queue_full")
                return body == text and headers["Content-Type"] == "text/html; charset=utf-8"

            await eventually(refused, within=20)
    assert len(engine.containers(cluster)) == 1


async def test_what_is_open_is_shown_at_its_source(daemon: Daemon, image: str) -> None:
    daemon.put(project(image))

    async def inflight() -> int:
        (row,) = await asyncio.to_thread(daemon.ask, "es", "ls", "--type", "http")
        count: int = row["inflight"]
        return count

    async def one() -> bool:
        return await inflight() == 1

    async with aiohttp.ClientSession() as session:
        working = asyncio.create_task(fetch(session, f"{daemon.public}/sleep?s=3"))
        await eventually(one, within=20)
        assert (await working)[0] == 200
    assert await inflight() == 0


async def test_after_the_idle_time_the_container_is_gone_and_the_next_request_starts_another(
    daemon: Daemon, cluster: str, image: str
) -> None:
    daemon.put(project(image, idletimeoutseconds=1))
    async with aiohttp.ClientSession() as session:
        # busy for longer than the idle time: it counts from the end of the request
        assert (await fetch(session, f"{daemon.public}/sleep?s=2.5"))[0] == 200
        first = running(cluster)
        assert len(first) == 1
        await eventually(lambda: not engine.containers(cluster), within=10)
        assert daemon.ask("ps") == []
        assert (await fetch(session, f"{daemon.public}/"))[0] == 200
        assert running(cluster) != first


@pytest.mark.parametrize("order", ["startstop", "stopstart"])
async def test_a_new_version_rolls_without_a_failed_request(
    daemon: Daemon, cluster: str, image: str, order: str
) -> None:
    daemon.put(project(image, maxconcurrency=10, mininstances=1, restartorder=order))
    codes: Counter[int] = Counter()
    stop = asyncio.Event()
    async with aiohttp.ClientSession() as session:

        async def load() -> None:
            while not stop.is_set():
                codes[(await fetch(session, f"{daemon.public}/sleep?s=0.02"))[0]] += 1

        clients = [asyncio.create_task(load()) for _ in range(5)]
        await eventually(lambda: codes[200] > 10, within=20)
        (first,) = running(cluster)

        async def shows(version: int) -> bool:
            rows = await asyncio.to_thread(daemon.ask, "ps")
            return [(r["version"], r["state"]) for r in rows] == [(version, "ready")]

        rules = project(image, maxconcurrency=11, mininstances=1, restartorder=order)
        await asyncio.to_thread(daemon.put, rules)
        await eventually(lambda: shows(2), within=30)
        assert running(cluster) == [first], "it only follows other rules"
        new = project(image, maxconcurrency=11, mininstances=1, restartorder=order, environment=["NEW=1"])
        await asyncio.to_thread(daemon.put, new)
        await eventually(lambda: shows(3), within=30)
        stop.set()
        await asyncio.gather(*clients)
    assert set(codes) == {200}
    assert len(engine.containers(cluster)) == 1
    assert running(cluster) != [first]


async def test_a_restart_asked_for_rolls_to_new_containers_of_the_same_version(
    daemon: Daemon, cluster: str, image: str
) -> None:
    daemon.put(project(image, mininstances=1))
    (before,) = await eventually(lambda: running(cluster), within=20)
    done = await asyncio.to_thread(daemon.maelctl, "comp", "restart", "web")
    assert done.returncode == 0, done.stderr
    await eventually(lambda: running(cluster) and before not in running(cluster), within=20)
    assert [r["version"] for r in daemon.ask("ps")] == [1]


async def test_min_instances_are_there_without_a_request_and_put_waits_for_them(
    daemon: Daemon, cluster: str, image: str
) -> None:
    path = daemon.directory / "project.yml"
    path.write_text(project(image, mininstances=2))
    done = await asyncio.to_thread(daemon.maelctl, "put", str(path), "--wait", "--timeout", "30")
    assert done.returncode == 0, done.stderr
    assert len(running(cluster)) == 2


async def test_warm_traffic_goes_on_while_the_database_is_away(
    make_daemon: StartDaemon, postgres: PostgresServer, image: str
) -> None:
    url = postgres.url(postgres.new_database())
    daemon = make_daemon(environ={"MAEL_DATABASE_URL": url}).start()
    daemon.put(project(image, maxconcurrency=10))
    async with aiohttp.ClientSession() as session:
        assert (await fetch(session, f"{daemon.public}/"))[0] == 200
        await asyncio.to_thread(postgres.stop)
        try:
            for _ in range(200):
                assert (await fetch(session, f"{daemon.public}/"))[0] == 200
            # people are told, with a code of its own
            assert daemon.maelctl("project", "ls").returncode in (1, 6)
        finally:
            await asyncio.to_thread(postgres.start)

        async def back() -> bool:
            return (await asyncio.to_thread(daemon.maelctl, "project", "ls")).returncode == 0

        await eventually(back, within=30, every=0.3)
        daemon.put(project(image, maxconcurrency=9))
        assert (await fetch(session, f"{daemon.public}/"))[0] == 200
    assert "internal error" not in daemon.log()
