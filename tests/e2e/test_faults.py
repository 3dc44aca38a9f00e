"""What goes wrong, on real parts: containers that die, a daemon that is killed or stopped, an engine that is away."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import aiohttp
import docker

from tests.e2e.conftest import StartDaemon
from tests.e2e.test_http import fetch, project, running
from tests.support import engine
from tests.support.daemon import Daemon
from tests.support.engine_proxy import EngineProxy
from tests.support.wait import eventually


async def test_a_component_that_exits_at_start_is_told_to_its_callers_at_once_with_the_reason(
    daemon: Daemon, cluster: str, image: str
) -> None:
    daemon.put(project(image, environment="[EXIT_AT_START=3]", maxdurationseconds=60))
    before_the_deadline = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=before_the_deadline) as session:
        async with session.get(f"{daemon.public}/") as response:
            assert response.status == 503
            assert response.headers["Maelstrom-Error"] == "start_failed"
            assert int(response.headers["Retry-After"]) >= 1
        # the next one is not made to wait for what is known
        async with session.get(f"{daemon.public}/") as response:
            assert response.headers["Maelstrom-Error"] == "start_failed"
    (row,) = daemon.ask("ps")
    assert row["state"] == "failed"
    assert row["black_box"]["exit_code"] == 3
    assert "code 3" in row["black_box"]["reason"]
    await eventually(lambda: not engine.containers(cluster), within=10)


async def test_a_container_that_dies_is_replaced_at_once_and_its_request_fails_once(
    daemon: Daemon, cluster: str, image: str
) -> None:
    daemon.put(project(image, maxconcurrency=10, networkname=await own_network(cluster)))
    async with aiohttp.ClientSession() as session:
        assert (await fetch(session, f"{daemon.public}/"))[0] == 200
        (before,) = running(cluster)
        async with session.post(f"{daemon.public}/crash?code=7", data=b"x") as response:
            assert (response.status, response.headers["Maelstrom-Error"]) == (502, "upstream_broken")
        assert (await fetch(session, f"{daemon.public}/"))[0] == 200
        assert before not in running(cluster)


async def own_network(cluster: str) -> str:
    """A network of the test's own: a crashed container's address goes to the next one at once."""
    engine.engine().create_network(cluster, labels={engine.LABEL_CLUSTER: cluster})
    return cluster


async def test_requests_go_on_when_a_container_is_killed_behind_the_daemons_back(
    daemon: Daemon, cluster: str, image: str
) -> None:
    daemon.put(project(image, maxconcurrency=10, mininstances=2, networkname=await own_network(cluster)))
    await eventually(lambda: len(running(cluster)) == 2, within=20)

    async def ready() -> bool:
        rows = await asyncio.to_thread(daemon.ask, "ps")
        return [r["state"] for r in rows] == ["ready", "ready"]

    await eventually(ready, within=20)
    async with aiohttp.ClientSession() as session:
        engine.engine().kill(running(cluster)[0])
        codes = Counter([(await fetch(session, f"{daemon.public}/"))[0] for _ in range(100)])
        assert codes == {200: 100}
    await eventually(ready, within=20)


async def test_a_strangers_answer_is_never_passed_on_though_the_engine_is_away_and_the_address_is_his_now(
    make_daemon: StartDaemon, cluster: str, image: str, tmp_path: Path
) -> None:
    client, subnet = engine.engine(), docker.types.IPAMPool(subnet="10.213.77.0/24")
    pools = docker.types.IPAMConfig(pool_configs=[subnet])
    client.create_network(cluster, ipam=pools, labels={engine.LABEL_CLUSTER: cluster})
    proxy = EngineProxy(tmp_path / "engine.sock")
    proxy.start()
    daemon = make_daemon(environ={"DOCKER_HOST": f"unix://{proxy.path}"}).start()
    daemon.put(project(image, networkname=cluster))
    async with aiohttp.ClientSession() as session:
        assert "shop_web" in (await fetch(session, f"{daemon.public}/echo"))[1]
        (ours,) = running(cluster)
        address = client.inspect_container(ours)["NetworkSettings"]["Networks"][cluster]["IPAddress"]
        proxy.stop()
        await eventually(lambda: "cannot be reached" in daemon.log())
        assert (await fetch(session, f"{daemon.public}/"))[0] == 200, "what runs goes on without the engine"
        client.kill(ours)
        at = client.create_networking_config({cluster: client.create_endpoint_config(ipv4_address=address)})
        labels = {engine.LABEL_CLUSTER: cluster}
        stranger = client.create_container(image, labels=labels, networking_config=at)["Id"]
        client.start(stranger)
        stranger_says = f"http://{address}:8080/"
        await eventually(lambda: fetch(session, stranger_says), within=10, ignoring=(aiohttp.ClientError,))
        codes = Counter([(await fetch(session, f"{daemon.public}/echo"))[0] for _ in range(5)])
        assert codes == {503: 5}
        proxy.start()

        async def served() -> bool:
            return (await fetch(session, f"{daemon.public}/echo"))[0] == 200

        await eventually(served, within=20, every=0.1)
        assert "shop_web" in (await fetch(session, f"{daemon.public}/echo"))[1]
    proxy.stop()


async def test_a_daemon_that_is_killed_adopts_its_containers_and_serves_again(
    daemon: Daemon, cluster: str, image: str
) -> None:
    daemon.put(project(image, maxconcurrency=10, mininstances=1))
    async with aiohttp.ClientSession() as session:
        assert (await fetch(session, f"{daemon.public}/"))[0] == 200
        before = running(cluster)
        daemon.kill()
        # one that is not wanted any more, and one that is somebody else's
        orphan = stray(cluster, daemon.node, image)
        foreign = stray(cluster, "another-node", image)
        await asyncio.to_thread(daemon.start)
        assert (await fetch(session, f"{daemon.public}/"))[0] == 200
        await eventually(lambda: orphan not in [c["Id"] for c in engine.containers(cluster)], within=20)
        assert sorted(running(cluster)) == sorted([*before, foreign])


def stray(cluster: str, node: str, image: str) -> str:
    """A running container with the labels of a node, of a component that does not exist."""
    labels = {
        "maelstrom": "true",
        "maelstrom_cluster": cluster,
        "maelstrom_node": node,
        "maelstrom_project": "gone",
        "maelstrom_component": "gone_web",
        "maelstrom_version": "1",
    }
    client = engine.engine()
    container: str = client.create_container(image, labels=labels)["Id"]
    client.start(container)
    return container


async def test_a_stop_under_load_fails_no_request_and_leaves_the_containers_to_the_next_start(
    daemon: Daemon, cluster: str, image: str
) -> None:
    daemon.put(project(image, maxconcurrency=20))
    codes: Counter[int] = Counter()
    refused = 0
    async with aiohttp.ClientSession() as session:

        async def load() -> None:
            nonlocal refused
            while True:
                try:
                    codes[(await fetch(session, f"{daemon.public}/sleep?s=0.05"))[0]] += 1
                except aiohttp.ClientConnectorError:
                    refused += 1  # the listener is closed: this client has ended in order
                    return

        clients = [asyncio.create_task(load()) for _ in range(10)]
        await eventually(lambda: codes[200] > 50, within=20)
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*clients)
        assert await asyncio.to_thread(daemon.process.wait, 20) == 0
    assert set(codes) == {200}
    assert refused == 10
    assert len(running(cluster)) == 1
    assert not (daemon.state / "ready.json").exists()


async def test_containers_are_stopped_too_where_that_is_asked_for(
    make_daemon: StartDaemon, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ={"MAEL_STOP_CONTAINERS": "true"}).start()
    daemon.put(project(image, mininstances=1))
    await eventually(lambda: running(cluster), within=20)
    assert await asyncio.to_thread(daemon.terminate) == 0
    assert daemon.log().rstrip().endswith("stopped"), "the log says that it is over"
    assert running(cluster) == []


async def test_a_second_signal_ends_at_once(make_daemon: StartDaemon, image: str) -> None:
    daemon = make_daemon(environ={"MAEL_SHUTDOWN_GRACE_SECONDS": "60"}).start()
    daemon.put(project(image))
    async with aiohttp.ClientSession() as session:
        hanging = asyncio.create_task(fetch(session, f"{daemon.public}/hang"))
        await eventually(lambda: daemon.ask("ps") and daemon.ask("ps")[0]["inflight"] == 1, within=20)
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGTERM)
        await eventually(lambda: "stopping" in daemon.log(), within=10)
        daemon.process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(daemon.process.wait, 10) == 0
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)


async def test_a_hanging_container_is_found_out_and_replaced(daemon: Daemon, cluster: str, image: str) -> None:
    daemon.put(
        project(image, mininstances=1, maxconcurrency=10, httphealthcheckseconds=1, httphealthcheckmaxfailures=2)
    )
    async with aiohttp.ClientSession() as session:
        assert (await fetch(session, f"{daemon.public}/"))[0] == 200
        (before,) = running(cluster)
        assert (await fetch(session, f"{daemon.public}/health/off"))[0] == 200
        await eventually(lambda: running(cluster) and before not in running(cluster), within=20)
        assert (await fetch(session, f"{daemon.public}/"))[0] == 200


async def test_two_daemons_on_one_engine_leave_each_others_containers_alone(
    make_daemon: StartDaemon, cluster: str, image: str
) -> None:
    one, two = make_daemon("one").start(), make_daemon("two").start()
    for daemon in (one, two):
        daemon.put(project(image, mininstances=1))
    await eventually(lambda: len(running(cluster)) == 2, within=20)
    before = sorted(running(cluster))
    one.kill()
    await asyncio.to_thread(one.start)
    async with aiohttp.ClientSession() as session:
        for daemon in (one, two):
            assert (await fetch(session, f"{daemon.public}/"))[0] == 200
    assert sorted(running(cluster)) == before


async def test_the_pid_in_ready_json_is_in_the_process_group_that_was_started(daemon: Daemon) -> None:
    assert os.getpgid(daemon.ready["pid"]) == os.getpgid(0)
