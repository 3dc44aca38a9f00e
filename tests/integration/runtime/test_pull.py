"""Pulls that fail fail loudly and in time (F58), by the engine and by a command of the component."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.errors import PullFailed
from maelstrom.runtime.docker import DockerRuntime
from tests.support.images import component_image
from tests.support.registry import Registry
from tests.support.wait import eventually


def component(image: str, **definition: Any) -> Component:
    return Component(ComponentKey("shop", "web"), 1, 0, ComponentDefinition(image=image, **definition))


async def test_a_pulled_image_is_here_under_its_id(runtime: DockerRuntime, registry: Registry) -> None:
    image = f"{registry.address}/team/app:1"
    assert await runtime.image_id(image) is None
    assert await runtime.pull(component(image), 30) == registry.image_id
    assert await runtime.image_id(image) == registry.image_id


async def test_pulling_again_brings_what_the_tag_names_now(runtime: DockerRuntime, registry: Registry) -> None:
    image = f"{registry.address}/app"
    first = await runtime.pull(component(image), 30)
    registry.set_contents("second")
    assert await runtime.pull(component(image), 30) == registry.image_id != first


async def test_a_tag_that_the_registry_lacks_fails(runtime: DockerRuntime, registry: Registry) -> None:
    with pytest.raises(PullFailed, match="manifest"):
        await runtime.pull(component(f"{registry.address}/app:missing"), 30)


async def test_an_error_inside_the_stream_fails_although_the_engine_said_200(
    runtime: DockerRuntime, registry: Registry
) -> None:
    registry.mode = "broken"
    with pytest.raises(PullFailed, match="failed: "):
        await runtime.pull(component(f"{registry.address}/app:1"), 30)
    assert await runtime.image_id(f"{registry.address}/app:1") is None


async def test_a_registry_that_hangs_fails_in_time(runtime: DockerRuntime, registry: Registry) -> None:
    registry.mode = "hanging"
    with pytest.raises(PullFailed, match=r"within 0\.5 s"):
        await runtime.pull(component(f"{registry.address}/app:1"), 0.5)


async def test_credentials_of_the_component_are_used_and_never_shown(runtime: DockerRuntime) -> None:
    registry = Registry(username="robot", password="s3cret")
    image = f"{registry.address}/app:1"
    try:
        with pytest.raises(PullFailed, match=r"(?i)auth"):
            await runtime.pull(component(image), 30)
        with pytest.raises(PullFailed) as wrong:
            await runtime.pull(component(image, pullusername="robot", pullpassword="wr0ng"), 30)
        assert "wr0ng" not in str(wrong.value.as_json())
        good = component(image, pullusername="robot", pullpassword="s3cret")
        assert await runtime.pull(good, 30) == registry.image_id
    finally:
        registry.close()


async def test_a_registry_that_is_not_there_is_named(runtime: DockerRuntime) -> None:
    with pytest.raises(PullFailed, match="connection refused") as raised:
        await runtime.pull(component("127.0.0.1:9/app:1"), 30)
    assert "cannot be reached" in raised.value.hint


async def test_an_image_named_by_its_id_cannot_be_pulled(runtime: DockerRuntime) -> None:
    with pytest.raises(PullFailed, match="is not on this host"):
        await runtime.pull(component("sha256:" + "0" * 64), 30)


async def test_a_command_gets_the_image_in_every_place_and_no_settings_of_the_daemon(tmp_path: Path) -> None:
    image = component_image()
    out = tmp_path / "out"
    script = 'echo "$0 $1 ${MAEL_ADMIN_TOKEN:-none} $PULL_VISIBLE" > ' + str(out)
    environ = {**os.environ, "MAEL_ADMIN_TOKEN": "secret", "PULL_VISIBLE": "yes"}
    runtime = DockerRuntime(cluster="c", node="n", environ=environ)
    made = component(image, pullcommand=("sh", "-c", script, "<image>", "again:<image>"))
    assert await runtime.pull(made, 30) == await runtime.image_id(image)
    assert out.read_text() == f"{image} again:{image} none yes\n"
    assert made.definition.pullcommand is not None
    assert made.definition.pullcommand[3] == "<image>"
    await runtime.close()


async def test_a_command_that_fails_is_told_with_the_end_of_its_output(runtime: DockerRuntime) -> None:
    command = ("sh", "-c", "seq 1 5000; echo no such account >&2; exit 3")
    with pytest.raises(PullFailed, match="ended with 3") as raised:
        await runtime.pull(component(component_image(), pullcommand=command), 30)
    assert raised.value.message.endswith("no such account")
    assert len(raised.value.message) < 3000


async def test_a_command_that_brings_no_image_fails(runtime: DockerRuntime) -> None:
    with pytest.raises(PullFailed, match="has no such image"):
        await runtime.pull(component("never-there:1", pullcommand=("true",)), 30)


async def test_a_command_that_does_not_exist_fails(runtime: DockerRuntime) -> None:
    with pytest.raises(PullFailed, match="no-such-program"):
        await runtime.pull(component("x", pullcommand=("no-such-program",)), 30)


async def test_a_command_that_hangs_is_ended_with_its_children(runtime: DockerRuntime, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = ("sh", "-c", f"sleep 300 & echo $! > {pids}; wait")
    with pytest.raises(PullFailed, match=r"within 0\.5 s"):
        await runtime.pull(component("x", pullcommand=command), 0.5)
    await eventually(lambda: not _runs(int(pids.read_text())))


async def test_what_a_command_leaves_in_the_background_holds_nothing_up(runtime: DockerRuntime, tmp_path: Path) -> None:
    image = component_image()
    pids = tmp_path / "pids"
    command = ("sh", "-c", f"sleep 300 & echo $! > {pids}")
    async with asyncio.timeout(10):
        assert await runtime.pull(component(image, pullcommand=command), 30)
    await eventually(lambda: not _runs(int(pids.read_text())))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
