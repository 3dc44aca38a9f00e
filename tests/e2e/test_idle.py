"""The idle tier on the real engine: frozen, woken, taken over by the next process, stopped in the end."""

from __future__ import annotations

import aiohttp

from tests.e2e.conftest import StartDaemon
from tests.e2e.test_http import project, running
from tests.support import engine
from tests.support.daemon import Daemon
from tests.support.wait import eventually


def paused(cluster: str) -> list[str]:
    return [c["Id"] for c in engine.containers(cluster) if c["State"] == "paused"]


async def frozen(daemon: Daemon, cluster: str) -> str:
    await eventually(lambda: [row["state"] for row in daemon.ask("ps")] == ["frozen"], within=15, every=0.3)
    (container,) = await eventually(lambda: paused(cluster), within=10)
    return container


async def timing(session: aiohttp.ClientSession, daemon: Daemon) -> str:
    """Server-Timing of one request, which is not sent twice where a connection breaks."""
    async with session.post(f"{daemon.public}/", headers={"X-Server-Timing": "1"}) as response:
        assert response.status == 200
        return response.headers.get("Server-Timing", "")


async def test_an_idle_container_is_frozen_woken_adopted_and_stopped(
    make_daemon: StartDaemon, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ={"MAEL_SANDBOX_POOL": "1"}).start()
    rules = {"idlebehavior": "pause", "idletimeoutseconds": 1, "stopafterseconds": 4, "httphealthcheckseconds": 1}
    daemon.put(project(image, **rules))
    async with aiohttp.ClientSession() as session:
        said = await timing(session, daemon)
        assert "cold_start;dur" in said
        assert "cold_start.create;dur" in said
        container = await frozen(daemon, cluster)
        said = await timing(session, daemon)
        assert "wake;dur" in said
        assert "wake.first_ok;dur" in said
        assert running(cluster) == [container]
        (row,) = daemon.ask("ps")
        assert list(row["receipt_ms"]) == ["wake", "port_open", "first_ok"]
        assert await frozen(daemon, cluster) == container
        # the next process takes it over as it is
        assert daemon.terminate() == 0
        assert paused(cluster) == [container]
        daemon.start()
        assert [row["state"] for row in daemon.ask("ps")] == ["frozen"]
        assert "wake;dur" in await timing(session, daemon)
        assert running(cluster) == [container]
        # and in the end it is stopped
        await eventually(lambda: not engine.containers(cluster), within=20)
        async with session.get(f"{daemon.admin}/metrics") as response:
            metrics = await response.text()
    assert 'maelstrom_freezes_total{component="shop_web"} 1.0' in metrics
    assert 'maelstrom_wakes_total{component="shop_web"} 1.0' in metrics


async def test_a_new_version_replaces_a_frozen_container(daemon: Daemon, cluster: str, image: str) -> None:
    rules = {"idlebehavior": "pause", "idletimeoutseconds": 1}
    daemon.put(project(image, **rules))
    async with aiohttp.ClientSession() as session:
        await timing(session, daemon)
        container = await frozen(daemon, cluster)
        daemon.put(project(image, **rules, environment=["NEW=1"]))
        await eventually(lambda: not engine.containers(cluster), within=15)
        await timing(session, daemon)
        assert running(cluster) != [container]
