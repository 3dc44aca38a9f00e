"""Fields of the project file as a process in the container sees them, and as the engine took them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.errors import RuntimeFailed
from maelstrom.model.mount import Mount
from maelstrom.runtime.docker import DockerRuntime
from maelstrom.runtime.port import Observed
from tests.support.engine import LABEL_CLUSTER, containers, engine, own_network
from tests.support.images import component_image, python_image
from tests.support.wait import eventually

SLEEP = ("python3", "-c", "import time; time.sleep(600)")


def component(**definition: Any) -> Component:
    definition = {"image": python_image(), "command": SLEEP, **definition}
    return Component(ComponentKey("shop", "web"), 1, 0, ComponentDefinition(**definition))


async def run(runtime: DockerRuntime, **definition: Any) -> Observed:
    observed = await runtime.start(await runtime.create(component(**definition), "i"))
    assert observed.running
    return observed


async def sees(runtime: DockerRuntime, observed: Observed, *expressions: str) -> str:
    """The first that Python inside the container finds untrue."""
    code = "import os, resource, socket, sys\nfor number, text in enumerate(sys.argv[1:], 1):\n"
    code += "    if not eval(text): raise SystemExit(number)"
    number = await runtime.exec(observed.container, ("python3", "-c", code, *expressions), 20)
    return expressions[number - 1] if number else ""


def asked(observed: Observed) -> dict[str, Any]:
    body: dict[str, Any] = engine().inspect_container(observed.container)
    return body


async def test_process_names_limits_and_mounts_are_what_the_definition_says(
    runtime: DockerRuntime, tmp_path: Path
) -> None:
    (tmp_path / "given").write_text("from the host")
    tmp_path.chmod(0o755)
    observed = await run(
        runtime,
        user="1234:2345",
        hostname="web-1",
        domainname="example.test",
        environment=("GREETING=good morning",),
        containerinit=True,
        capdrop=("ALL",),
        ulimits=("nofile=123:456",),
        volumes=(
            Mount(source=str(tmp_path), target="/host", readonly=True),
            Mount(type="volume", target="/volume"),
            Mount(type="tmpfs", target="/quick"),
        ),
        dns=("192.0.2.53",),
        dnssearch=("search.test",),
        dnsoptions=("ndots:3",),
        limitmemory=256,
        reservememory=64,
        cpushares=512,
    )
    mounts = "dict(line.split()[1:3] for line in open('/proc/mounts'))"
    untrue = await sees(
        runtime,
        observed,
        "(os.getuid(), os.getgid()) == (1234, 2345)",
        "socket.gethostname() == 'web-1'",
        "'web-1.example.test' in open('/etc/hosts').read()",
        "os.environ['GREETING'] == 'good morning'",
        "open('/proc/1/comm').read().strip() == 'docker-init'",
        "'CapEff:\\t0000000000000000' in open('/proc/self/status').read()",
        "resource.getrlimit(resource.RLIMIT_NOFILE) == (123, 456)",
        "open('/host/given').read() == 'from the host'",
        "not os.access('/host', os.W_OK)",
        f"{mounts}['/quick'] == 'tmpfs' and '/volume' in {mounts}",
        "'nameserver 192.0.2.53' in open('/etc/resolv.conf').read()",
        "'search search.test' in open('/etc/resolv.conf').read()",
        "'ndots:3' in open('/etc/resolv.conf').read()",
    )
    assert untrue == ""
    host = asked(observed)["HostConfig"]
    assert (host["Memory"], host["MemoryReservation"], host["CpuShares"]) == (256 << 20, 64 << 20, 512)


async def test_command_and_entrypoint_replace_the_image_s(runtime: DockerRuntime) -> None:
    observed = await run(runtime, entrypoint=("python3", "-c"), command=("import time; time.sleep(600)",))
    assert (asked(observed)["Path"], asked(observed)["Args"][0]) == ("python3", "-c")


async def test_without_them_the_image_s_own_are_used(runtime: DockerRuntime) -> None:
    observed = await run(runtime, image=component_image(), command=None)
    assert asked(observed)["Args"][-1] == "tests.component.app"


async def test_published_ports_answer_on_the_host(runtime: DockerRuntime) -> None:
    observed = await run(runtime, image=component_image(), command=None, ports=("127.0.0.1::8080",))
    bound = asked(observed)["NetworkSettings"]["Ports"]["8080/tcp"]
    assert [binding["HostIp"] for binding in bound] == ["127.0.0.1"]

    async def answers() -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(bound[0]["HostPort"]))
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        try:
            return b" 200 " in await reader.readline()
        finally:
            writer.close()

    assert await eventually(answers, ignoring=(OSError,), within=15)


async def test_a_component_s_own_network_gives_the_address(runtime: DockerRuntime, cluster: str) -> None:
    network = own_network(cluster)
    observed = await run(runtime, networkname=network)
    networks = asked(observed)["NetworkSettings"]["Networks"]
    assert list(networks) == [network]
    assert observed.address is not None
    assert observed.address.host == networks[network]["IPAddress"]


async def test_log_driver_and_its_options(runtime: DockerRuntime) -> None:
    observed = await run(runtime, logdriver="json-file", logdriveroptions={"max-size": "1m", "max-file": "2"})
    assert asked(observed)["HostConfig"]["LogConfig"]["Config"] == {"max-size": "1m", "max-file": "2"}


@pytest.mark.parametrize(
    ("definition", "said", "hint"),
    [
        ({"command": ("no-such-program",)}, "not found", "command"),
        ({"networkname": "no-such-network"}, "no-such-network", "networkname"),
        ({"volumes": (Mount(source="/no/such/path", target="/x"),)}, "/no/such/path", "volumes"),
        ({"logdriver": "json-file", "logdriveroptions": {"no-such": "x"}}, "no-such", "logdriveroptions"),
        ({"user": "nobody-knows-me"}, "nobody-knows-me", "engine"),
    ],
)
async def test_what_the_engine_refuses_is_told_in_its_words_with_a_hint(
    runtime: DockerRuntime, definition: dict[str, Any], said: str, hint: str
) -> None:
    with pytest.raises(RuntimeFailed, match=said) as raised:
        await run(runtime, **definition)
    assert hint in raised.value.hint


async def test_a_host_port_that_is_taken_is_told(runtime: DockerRuntime) -> None:
    first = await run(runtime, ports=("127.0.0.1::8000",))
    taken = asked(first)["NetworkSettings"]["Ports"]["8000/tcp"][0]["HostPort"]
    with pytest.raises(RuntimeFailed, match="allocated") as raised:
        await run(runtime, ports=(f"127.0.0.1:{taken}:8000",))
    assert "ports" in raised.value.hint


async def test_a_start_that_failed_is_seen_with_the_engine_s_words(runtime: DockerRuntime) -> None:
    container = await runtime.create(component(command=("no-such-program",)), "i")
    with pytest.raises(RuntimeFailed):
        await runtime.start(container)
    observed = await runtime.inspect(container)
    assert observed is not None
    assert (observed.running, observed.started_at) == (False, "")
    assert "no-such-program" in observed.error


async def test_one_that_takes_more_memory_than_its_limit_is_killed(runtime: DockerRuntime) -> None:
    greedy = ("python3", "-c", "x = [bytearray(b'x' * 10_000_000) for _ in range(100)]")
    container = await runtime.create(component(command=greedy, limitmemory=40, reservememory=20), "i")
    await runtime.start(container)
    observed = await eventually(lambda: _ended(runtime, container), within=20)
    assert observed.exit_code == 137
    # whether the engine has heard of the reason before the end depends on the engine
    assert observed.oom_killed == asked(observed)["State"]["OOMKilled"]


async def _ended(runtime: DockerRuntime, container: str) -> Observed | None:
    found = await runtime.inspect(container)
    return found if found is not None and not found.running else None


async def test_anonymous_volumes_go_with_their_container_and_named_ones_stay(
    runtime: DockerRuntime, cluster: str
) -> None:
    volumes = (Mount(type="volume", target="/a"), Mount(type="volume", source=cluster, target="/b"))
    stopped, removed = await asyncio.gather(*(run(runtime, volumes=volumes) for _ in range(2)))
    names = {mount["Name"] for observed in (stopped, removed) for mount in asked(observed)["Mounts"]}
    await runtime.stop(stopped.container, 0)
    await runtime.remove(removed.container)
    left = {volume["Name"] for volume in engine().volumes()["Volumes"] or ()}
    engine().remove_volume(cluster)
    assert names & left == {cluster}


async def test_helpers_with_our_labels_are_listed_as_no_component(runtime: DockerRuntime, cluster: str) -> None:
    labels = {"maelstrom": "true", LABEL_CLUSTER: cluster, "maelstrom_node": "node1"}
    helper = engine().create_container(python_image(), labels=labels)["Id"]
    assert [(o.container, o.component) for o in await runtime.list()] == [(helper, None)]


async def test_a_create_that_nobody_waits_for_any_more_leaves_nothing(runtime: DockerRuntime, cluster: str) -> None:
    await runtime.reach()
    for turns in (1, 3, 10):
        creating = asyncio.ensure_future(runtime.create(component(), "i"))
        for _ in range(turns):
            await asyncio.sleep(0)
        creating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await creating
    await runtime.close()
    assert containers(cluster) == []


async def test_many_slow_stops_do_not_hold_up_a_look(runtime: DockerRuntime) -> None:
    stubborn = ("python3", "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(600)")
    observed = await run(runtime, command=stubborn)
    await eventually(lambda: runtime.log_tail(observed.container, 1), within=15)
    async with asyncio.TaskGroup() as group:
        stops = [group.create_task(runtime.stop(observed.container, 3)) for _ in range(30)]
        await asyncio.sleep(0)
        for _ in range(20):
            assert (found := await runtime.inspect(observed.container)) is not None
            assert found.running
        assert not any(stop.done() for stop in stops)
        await runtime.remove(observed.container)
