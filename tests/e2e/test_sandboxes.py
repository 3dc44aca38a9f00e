"""The pool of network sandboxes as a user meets it: faster, otherwise not to be noticed, and never left behind."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import aiohttp

from tests.e2e.conftest import StartDaemon
from tests.e2e.test_http import fetch, project, running
from tests.support import engine
from tests.support.daemon import Daemon
from tests.support.engine_proxy import EngineProxy
from tests.support.wait import eventually


def lent(cluster: str) -> set[str]:
    """Sandboxes whose network a container is in."""
    modes = (container["HostConfig"]["NetworkMode"] for container in engine.containers(cluster))
    return {mode.removeprefix("container:") for mode in modes if mode.startswith("container:")}


def sandboxes(cluster: str) -> set[str]:
    return {str(found["Id"]) for found in engine.sandboxes(cluster) if found["State"] == "running"}


async def full(cluster: str, count: int = 2) -> set[str]:
    return await eventually(lambda: found if len(found := sandboxes(cluster)) == count else set(), within=20)


async def test_a_first_request_takes_one_that_is_ready_and_it_goes_with_the_container(
    daemon: Daemon, cluster: str, image: str
) -> None:
    ready = await full(cluster)
    daemon.put(project(image, idletimeoutseconds=2))
    assert daemon.ask("ps") == [], "sandboxes are not shown"
    async with aiohttp.ClientSession() as session:
        assert (await fetch(session, f"{daemon.public}/"))[0] == 200
        (taken,) = lent(cluster)
        assert taken in ready
        (row,) = daemon.ask("ps")
        assert row["container"] == running(cluster)[0]
        assert list(row["receipt_ms"]) == ["queue", "create", "start", "port_open", "first_ok"]
        await full(cluster, 3)
    await eventually(lambda: not engine.containers(cluster), within=15)
    assert taken not in await full(cluster)


async def test_a_container_whose_sandbox_is_killed_is_replaced_at_once(
    daemon: Daemon, cluster: str, image: str
) -> None:
    await full(cluster)
    daemon.put(project(image, maxconcurrency=10))
    async with aiohttp.ClientSession() as session:
        assert (await fetch(session, f"{daemon.public}/"))[0] == 200
        (before,), (sandbox,) = running(cluster), lent(cluster)
        engine.engine().kill(sandbox)
        codes = Counter([(await fetch(session, f"{daemon.public}/"))[0] for _ in range(20)])
        assert codes == {200: 20}
    await eventually(lambda: running(cluster) and before not in running(cluster), within=20)
    assert sandbox not in await full(cluster, 2 + len(lent(cluster)))


async def test_a_lent_address_is_not_trusted_after_the_sandbox_though_the_engine_is_away(
    make_daemon: StartDaemon, cluster: str, image: str, tmp_path: Path
) -> None:
    """The engine frees it then, and may give it to a container that it starts by itself."""
    proxy = EngineProxy(tmp_path / "engine.sock")
    proxy.start()
    daemon = make_daemon(environ={"DOCKER_HOST": f"unix://{proxy.path}"}).start()
    await full(cluster)
    daemon.put(project(image))
    async with aiohttp.ClientSession() as session:
        assert (await fetch(session, f"{daemon.public}/"))[0] == 200
        (sandbox,) = lent(cluster)
        proxy.stop()
        await eventually(lambda: "cannot be reached" in daemon.log())
        assert (await fetch(session, f"{daemon.public}/"))[0] == 200, "what runs goes on without the engine"
        engine.engine().kill(sandbox)
        await eventually(lambda: "its process ended while the engine was away" in daemon.log())
        assert (await fetch(session, f"{daemon.public}/"))[0] == 503
        proxy.start()

        async def served() -> bool:
            return (await fetch(session, f"{daemon.public}/"))[0] == 200

        await eventually(served, within=20, every=0.1)
        await eventually(lambda: sandbox not in sandboxes(cluster) and len(running(cluster)) == 1, within=15)
    proxy.stop()


async def test_a_daemon_that_is_killed_finds_its_sandboxes_again(daemon: Daemon, cluster: str, image: str) -> None:
    await full(cluster)
    daemon.put(project(image))
    async with aiohttp.ClientSession() as session:
        assert (await fetch(session, f"{daemon.public}/"))[0] == 200
        containers, before = running(cluster), await full(cluster, 3)
        daemon.kill()
        await asyncio.to_thread(daemon.start)
        assert (await fetch(session, f"{daemon.public}/"))[0] == 200
    assert (running(cluster), sandboxes(cluster)) == (containers, before)
    assert await asyncio.to_thread(daemon.terminate) == 0
    assert (running(cluster), sandboxes(cluster)) == (containers, lent(cluster)), "what runs has its network still"


async def test_a_stop_with_containers_leaves_no_sandbox(make_daemon: StartDaemon, cluster: str, image: str) -> None:
    daemon = make_daemon(environ={"MAEL_STOP_CONTAINERS": "true"}).start()
    await full(cluster)
    daemon.put(project(image))
    async with aiohttp.ClientSession() as session:
        assert (await fetch(session, f"{daemon.public}/"))[0] == 200
    assert lent(cluster)
    assert await asyncio.to_thread(daemon.terminate) == 0
    assert engine.containers(cluster) == engine.sandboxes(cluster) == []


async def test_without_a_pool_containers_have_networks_of_their_own(
    make_daemon: StartDaemon, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ={"MAEL_SANDBOX_POOL": "0"}).start()
    daemon.put(project(image))
    async with aiohttp.ClientSession() as session:
        assert (await fetch(session, f"{daemon.public}/"))[0] == 200
    assert (lent(cluster), engine.sandboxes(cluster)) == (set(), [])


async def test_what_nobody_waits_for_leaves_them_to_those_who_do(daemon: Daemon, cluster: str, image: str) -> None:
    ready = await full(cluster)
    daemon.put(project(image, mininstances=2))
    await eventually(lambda: len(running(cluster)) == 2, within=20)
    assert (lent(cluster), sandboxes(cluster)) == (set(), ready)
