"""Network sandboxes on the real engine: what a container shares with its own, and that none is left or lent twice."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.errors import ImageMissing, RuntimeFailed
from maelstrom.runtime.docker import DockerRuntime
from maelstrom.runtime.observed import CUT_OFF
from maelstrom.runtime.port import EngineEvent, Observed
from maelstrom.runtime.ready import wait_ready
from tests.support.engine import containers, engine, own_network, sandboxes
from tests.support.images import component_image
from tests.support.wait import eventually

Make = Callable[..., DockerRuntime]


def component(**definition: Any) -> Component:
    definition = {"image": component_image(), **definition}
    return Component(ComponentKey("shop", "web"), 1, 0, ComponentDefinition(**definition))


@pytest.fixture
async def make(cluster: str) -> AsyncGenerator[Make, None]:
    """Runtimes of one node, as one process after another would make them."""
    made: list[DockerRuntime] = []

    def one(most: int = 1) -> DockerRuntime:
        made.append(DockerRuntime(cluster=cluster, node="node1", environ=os.environ, sandboxes=most))
        return made[-1]

    yield one
    for runtime in made:
        await runtime.close()


async def run(runtime: DockerRuntime, **definition: Any) -> Observed:
    """A container that answers, in a sandbox's network where its definition allows that."""
    await runtime.fill_sandboxes()
    observed = await runtime.start(await runtime.create(component(**definition), "i"))
    assert observed.address is not None
    await wait_ready(observed.address, "/health", seconds=20)
    return observed


async def gone(cluster: str) -> None:
    """All of a container: itself at once, its sandbox a moment later."""
    assert containers(cluster) == []
    await eventually(lambda: sandboxes(cluster) == [], within=10)


def ids(found: list[dict[str, Any]]) -> set[str]:
    return {str(container["Id"]) for container in found}


def inspected(container: str) -> dict[str, Any]:
    body: dict[str, Any] = engine().inspect_container(container)
    return body


async def test_a_container_is_started_into_a_network_made_before_and_answers_there(make: Make, cluster: str) -> None:
    runtime = make()
    await runtime.fill_sandboxes()
    (ready,) = ids(sandboxes(cluster))
    observed = await run(runtime)
    assert observed.sandbox == ready
    assert observed.address is not None
    assert observed.address.host == inspected(ready)["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    assert await runtime.list() == [observed], "sandboxes are nobody's containers"


async def test_nothing_is_shared_but_the_network_and_its_three_files(make: Make) -> None:
    observed = await run(make())

    def spaces(pid: int) -> dict[str, str]:
        return {path.name: str(path.readlink()) for path in Path(f"/proc/{pid}/ns").iterdir()}

    ours, lent, here = spaces(observed.pid), spaces(observed.sandbox_pid), spaces(os.getpid())
    shared = {name for name in ours if ours[name] == lent[name]}
    assert shared - {name for name in ours if ours[name] == here[name]} == {"net"}
    assert {"pid", "ipc", "uts", "mnt"} & shared == set()
    own, other = inspected(observed.container), inspected(observed.sandbox)
    files = ("HostnamePath", "HostsPath", "ResolvConfPath")
    assert [own[name] for name in files] == [other[name] for name in files]
    assert own["HostConfig"]["PidMode"] == own["HostConfig"]["UTSMode"] == ""
    assert own["GraphDriver"]["Data"] != other["GraphDriver"]["Data"]


async def test_the_sandbox_is_one_sleeping_thread_without_any_right(make: Make) -> None:
    observed = await run(make())
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{observed.sandbox_pid}/status").read_text().splitlines()
    )
    assert (status["Name"], status["Threads"], status["State"][0]) == ("sandbox", "1", "S")
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Uid"].split()[0]) == ("1", "65534")
    assert inspected(observed.sandbox)["HostConfig"]["ReadonlyRootfs"]
    assert inspected(observed.sandbox)["HostConfig"]["LogConfig"]["Type"] == "none"


async def test_inside_all_looks_as_in_a_network_of_its_own(make: Make) -> None:
    runtime = make()
    observed = await run(runtime)
    plain = await run(runtime, hostname="plain")
    assert (bool(observed.sandbox), bool(plain.sandbox)) == (True, False)
    code = """
import os, re, socket, sys
name = socket.gethostname()
assert re.fullmatch("[0-9a-f]{12}", name) and os.environ["HOSTNAME"] == name, name
assert open("/etc/hostname").read().strip() == name
address = socket.gethostbyname(name)
server = socket.create_server((address, 0))
assert f"{address}\\t{name}" in open("/etc/hosts").read()
assert "nameserver" in open("/etc/resolv.conf").read()
assert os.path.exists("/sys/class/net/eth0") and sorted(os.listdir("/sys/class/net")) == ["eth0", "lo"]
socket.create_server(("", 81))
open("/etc/hosts", "a").write("192.0.2.1 mine\\n")
assert socket.gethostbyname("mine") == "192.0.2.1"
assert [p for p in os.listdir("/proc") if p.isdigit() and open(f"/proc/{p}/comm").read() == "sandbox\\n"] == []
"""
    assert await runtime.exec(observed.container, ("python3", "-c", code), 20) == 0
    assert plain.address is not None
    reach = f"import socket; socket.create_connection(({plain.address.host!r}, 8080), 5)"
    assert await runtime.exec(observed.container, ("python3", "-c", reach), 20) == 0, "containers reach one another"


async def test_one_that_has_a_network_of_its_own_to_say_takes_the_plain_way(make: Make, cluster: str) -> None:
    runtime = make()
    network = own_network(cluster)
    for definition in ({"networkname": network}, {"dns": ("192.0.2.53",)}, {"ports": ("127.0.0.1::8080",)}):
        assert (await run(runtime, **definition)).sandbox == ""
    assert len(sandboxes(cluster)) == 1, "the one that was ready still is"


@pytest.mark.parametrize("end", ["stop", "remove"])
async def test_a_sandbox_goes_with_its_container(make: Make, cluster: str, end: str) -> None:
    runtime = make()
    observed = await run(runtime)
    await (runtime.stop(observed.container, 5) if end == "stop" else runtime.remove(observed.container))
    await gone(cluster)


async def test_also_where_the_container_was_removed_by_hand(make: Make, cluster: str) -> None:
    runtime = make()
    observed = await run(runtime)
    engine().remove_container(observed.container, force=True)
    assert ids(sandboxes(cluster)) == {observed.sandbox}, "it holds the address until nobody uses it any more"
    await runtime.remove(observed.container)
    await gone(cluster)


async def test_also_by_a_process_that_has_never_seen_it(make: Make, cluster: str) -> None:
    observed = await run(make())
    await make(0).stop(observed.container, 5)
    await gone(cluster)


async def test_the_end_of_a_sandbox_is_the_end_of_its_container(make: Make) -> None:
    runtime = make()
    observed = await run(runtime)
    async with aclosing(runtime.events()) as events:
        assert (await anext(events)).kind == "resync"
        engine().kill(observed.sandbox)
        told = await _next_death(events)
    assert (told.container, told.reason) == (observed.container, CUT_OFF)
    seen = await runtime.inspect(observed.container)
    assert seen is not None
    assert (seen.running, seen.address, seen.error) == (False, None, CUT_OFF)
    engine().start(observed.sandbox)  # as a helpful person might
    assert (seen := await runtime.inspect(observed.container)) is not None
    assert (seen.running, seen.address) == (False, None), "it has another network now"


async def test_one_that_died_while_it_was_ready_is_neither_lent_nor_left(make: Make, cluster: str) -> None:
    runtime = make()
    await runtime.fill_sandboxes()
    (dead,) = ids(sandboxes(cluster))
    engine().kill(dead)
    observed = await runtime.start(await runtime.create(component(), "i"))
    assert (observed.running, observed.sandbox) == (True, "")
    await eventually(lambda: sandboxes(cluster) == [], within=10)


async def test_the_pool_is_filled_again_after_use_and_after_a_death_and_never_over(make: Make, cluster: str) -> None:
    runtime = make(2)
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(runtime.keep_sandboxes())
        following = group.create_task(_follow(runtime))
        await runtime.reach()
        await eventually(lambda: _running(cluster) == 2, within=15)
        observed = await runtime.start(await runtime.create(component(), "i"))
        assert observed.sandbox
        await eventually(lambda: _running(cluster) == 3, within=15)
        engine().kill(next(iter(ids(sandboxes(cluster)) - {observed.sandbox})))
        await eventually(lambda: _running(cluster) == len(sandboxes(cluster)) == 3, within=15)
        keeping.cancel()
        following.cancel()
    await runtime.close()
    assert ids(sandboxes(cluster)) == {observed.sandbox}, "the unused ones go at the end, a lent one stays"


async def test_the_next_process_takes_over_what_is_of_use_and_removes_the_rest(make: Make, cluster: str) -> None:
    first = make(3)
    observed = await run(first)
    await first.fill_sandboxes()
    unused = ids(sandboxes(cluster)) - {observed.sandbox}
    dead = unused.pop()
    engine().kill(dead)
    old = engine().inspect_container(observed.sandbox)["Config"]
    old["Labels"]["maelstrom_sandbox"] = "as an older version made them"
    old["Labels"]["maelstrom_instance"] = "another"
    engine().start(engine().create_container_from_config(old)["Id"])
    second = make(2)
    assert await second.list() == [observed]
    await eventually(lambda: ids(sandboxes(cluster)) == unused | {observed.sandbox}, within=15)
    again = await second.start(await second.create(component(), "j"))
    assert again.sandbox in unused
    third = make(0)
    assert {seen.container for seen in await third.list()} == {observed.container, again.container}
    await eventually(lambda: ids(sandboxes(cluster)) == {observed.sandbox, again.sandbox}, within=15)
    await third.stop(observed.container, 5)
    await third.stop(again.container, 5)
    await gone(cluster)


async def test_a_container_that_could_not_be_made_leaves_the_sandbox_to_the_next(make: Make, cluster: str) -> None:
    runtime = make()
    await runtime.fill_sandboxes()
    with pytest.raises(ImageMissing):
        await runtime.create(component(image="nonesuch:1"), "i")
    with pytest.raises(RuntimeFailed):
        await runtime.create(component(logdriver="json-file", logdriveroptions={"no-such": "x"}), "i")
    ready = ids(sandboxes(cluster))
    assert {(await run(runtime)).sandbox} == ready


async def test_a_create_that_nobody_waits_for_any_more_leaves_no_sandbox(make: Make, cluster: str) -> None:
    runtime = make()
    for turns in (1, 3, 10, 100):
        await runtime.fill_sandboxes()
        creating = asyncio.ensure_future(runtime.create(component(), "i"))
        for _ in range(turns):
            await asyncio.sleep(0)
        creating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await creating
    await runtime.close()
    assert containers(cluster) == sandboxes(cluster) == []


async def test_a_fill_that_is_broken_off_leaves_nothing(make: Make, cluster: str) -> None:
    runtime = make(2)
    await runtime.reach()
    filling = asyncio.ensure_future(runtime.fill_sandboxes())
    await eventually(lambda: sandboxes(cluster), within=10)
    filling.cancel()
    await asyncio.gather(filling, return_exceptions=True)
    await runtime.close()
    assert sandboxes(cluster) == []


async def test_an_engine_that_stops_does_not_wait_for_sandboxes(make: Make, cluster: str) -> None:
    """A first process hears no SIGTERM: without a signal of its own each would hold the engine for ten seconds."""
    await make().fill_sandboxes()
    (ready,) = ids(sandboxes(cluster))
    async with asyncio.timeout(5):
        await asyncio.to_thread(engine().stop, ready, timeout=60)


async def _next_death(events: AsyncGenerator[EngineEvent, None]) -> EngineEvent:
    async with asyncio.timeout(10):
        async for event in events:
            if event.kind == "die":
                return event
    raise AssertionError("the events ended")


async def _follow(runtime: DockerRuntime) -> None:
    async for _ in runtime.events():
        continue


def _running(cluster: str) -> int:
    return sum(1 for sandbox in sandboxes(cluster) if sandbox["State"] == "running")
