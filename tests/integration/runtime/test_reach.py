"""Containers are reached wherever the engine is: here, on another host, or around the daemon itself."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import sysconfig
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.runtime.docker import DockerRuntime
from maelstrom.runtime.port import EngineEvent
from maelstrom.runtime.ready import wait_ready
from tests.support.engine import LABEL_CLUSTER, containers, engine, own_network
from tests.support.engine_proxy import EngineProxy
from tests.support.images import component_image, python_image
from tests.support.second_engine import SecondEngine, second_engine
from tests.support.wait import eventually

ROOT = Path(__file__).resolve().parents[3]


def component() -> Component:
    return Component(ComponentKey("shop", "web"), 1, 0, ComponentDefinition(image=component_image()))


@pytest.fixture(scope="module")
def far() -> Generator[SecondEngine, None, None]:
    with second_engine() as found:
        found.load(component_image())
        yield found


@pytest.fixture
async def far_runtime(far: SecondEngine) -> AsyncGenerator[DockerRuntime, None]:
    runtime = DockerRuntime(cluster="far", node="n", environ={**os.environ, "DOCKER_HOST": far.tcp})
    yield runtime
    for observed in await runtime.list():
        await runtime.remove(observed.container)
    await runtime.close()


async def test_an_engine_on_this_host_is_reached_at_its_bridge(runtime: DockerRuntime) -> None:
    reach = await runtime.reach()
    assert not reach.publication.publish
    assert reach.listen == reach.callback
    async with await asyncio.start_server(lambda *_: None, reach.listen, 0) as server:
        assert server.sockets


async def test_the_same_engine_behind_an_unusual_socket_is_known_by_a_bridge_made_there(
    cluster: str, tmp_path: Path
) -> None:
    proxy = EngineProxy(tmp_path / "engine.sock")
    proxy.start()
    runtime = DockerRuntime(cluster=cluster, node="n", environ={**os.environ, "DOCKER_HOST": f"unix://{proxy.path}"})
    assert not (await runtime.reach()).publication.publish
    assert engine().networks(filters={"label": f"{LABEL_CLUSTER}={cluster}"}) == []
    await runtime.close()
    proxy.stop()


async def test_containers_of_a_remote_engine_are_reached_at_its_host_and_reach_us(
    far: SecondEngine, far_runtime: DockerRuntime
) -> None:
    reach = await far_runtime.reach()
    assert (reach.host, reach.listen, reach.callback) == (far.host, far.here, far.here)
    observed = await far_runtime.start(await far_runtime.create(component(), "i"))
    assert observed.address is not None
    assert observed.address.host == far.host
    await wait_ready(observed.address, "/health", seconds=20)
    async with await asyncio.start_server(lambda _, writer: writer.close(), reach.listen, 0) as server:
        port = server.sockets[0].getsockname()[1]
        call = f"import socket; socket.create_connection(({reach.callback!r}, {port}), 5)"
        assert await far_runtime.exec(observed.container, ("python3", "-c", call), 20) == 0


async def test_another_engine_whose_bridge_has_the_same_address_as_ours_is_not_mistaken_for_it(
    far: SecondEngine,
) -> None:
    runtime = DockerRuntime(cluster="far", node="n", environ={**os.environ, "DOCKER_HOST": far.socket})
    assert (await runtime.reach()).publication.publish
    await runtime.close()


async def test_an_engine_that_restarts_is_lost_comes_back_and_says_what_has_died(
    far: SecondEngine, far_runtime: DockerRuntime
) -> None:
    events: list[EngineEvent] = []

    async def listen() -> None:
        async for event in far_runtime.events():
            events.append(event)  # noqa: PERF401 - seen while it goes on

    container = await far_runtime.create(component(), "i")
    observed = await far_runtime.start(container)
    assert observed.address is not None
    await wait_ready(observed.address, "/health", seconds=20)  # a process that is not up yet takes no signal
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(listen())

        def kinds() -> list[str]:
            """Tags are told too: the image was loaded a moment ago."""
            return [e.kind for e in events if e.kind in ("lost", "resync")]

        await eventually(lambda: kinds()[-1:] == ["resync"], within=20)
        before = kinds()  # a slow machine may have needed more than one try
        await asyncio.to_thread(far.stop)
        await eventually(lambda: kinds() == [*before, "lost"], within=20)
        await asyncio.to_thread(far.start)
        await eventually(lambda: kinds() == [*before, "lost", "resync"], within=20)
        listening.cancel()
    assert [(o.container, o.running) for o in await far_runtime.list()] == [(container, False)]


INSIDE = """
import asyncio, json, os, sys
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.runtime.docker import DockerRuntime
from maelstrom.runtime.ready import wait_ready

async def main(cluster, image):
    runtime = DockerRuntime(cluster=cluster, node="inside", environ=os.environ)
    reach = await runtime.reach()
    component = Component(ComponentKey("shop", "web"), 1, 0, ComponentDefinition(image=image))
    observed = await runtime.start(await runtime.create(component, "i"))
    await wait_ready(observed.address, "/health", seconds=20)
    print(json.dumps([reach.publication.network, reach.listen, observed.address.host]), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_daemon_in_a_container_puts_components_on_its_own_network(cluster: str) -> None:
    network = own_network(cluster)
    host = engine().create_host_config(
        binds=["/var/run/docker.sock:/var/run/docker.sock", f"{ROOT}:{ROOT}:ro", f"{sys.prefix}:{sys.prefix}:ro"],
        network_mode=network,
    )
    daemon = engine().create_container(
        python_image(),
        ["python3", "-c", INSIDE, cluster, component_image()],
        labels={LABEL_CLUSTER: cluster},
        environment={"PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}", "PYTHONDONTWRITEBYTECODE": "1"},
        host_config=host,
    )["Id"]
    engine().start(daemon)
    ended = await asyncio.to_thread(engine().wait, daemon, timeout=60)
    said = engine().logs(daemon).decode()
    assert ended["StatusCode"] == 0, said
    joined, listen, address = json.loads(said.splitlines()[-1])
    assert joined == network
    ends = engine().inspect_network(network)["Containers"]
    assert [end["IPv4Address"].partition("/")[0] for end in ends.values()] == [address]
    assert listen.rpartition(".")[0] == address.rpartition(".")[0]
    assert len(containers(cluster)) == 2
