"""Threads and connections end with what they were for."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import aclosing

from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.runtime.docker import DockerRuntime
from maelstrom.runtime.port import EngineEvent
from tests.support.images import component_image
from tests.support.wait import eventually

KEY = ComponentKey("shop", "web")


def component(command: tuple[str, ...] | None = None) -> Component:
    return Component(KEY, 1, 0, ComponentDefinition(image=component_image(), command=command))


def threads(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(name)]


async def test_a_reader_who_leaves_frees_the_thread_that_followed(runtime: DockerRuntime) -> None:
    container = await runtime.create(component(), "i")
    await runtime.start(container)
    async with aclosing(runtime.logs(container, KEY, since=0, follow=True)) as lines:
        assert "listening" in (await anext(lines)).text
        assert threads("docker-logs")
    await eventually(lambda: not threads("docker-logs"))


async def test_a_slow_reader_holds_the_log_back_and_loses_nothing(runtime: DockerRuntime) -> None:
    chatty = ("python3", "-c", "for n in range(20000): print(n)")
    container = await runtime.create(component(chatty), "i")
    await runtime.start(container)
    seen: list[str] = []
    async for line in runtime.logs(container, KEY, since=0, follow=True):
        if len(seen) < 20:
            await asyncio.sleep(0.01)
        seen.append(line.text)
    assert seen == [str(n) for n in range(20000)]


async def test_closing_ends_listeners_and_every_thread(cluster: str) -> None:
    runtime = DockerRuntime(cluster=cluster, node="n", environ=os.environ)
    before = set(threads("docker-"))
    told: list[EngineEvent] = []

    async def listen() -> None:
        async for event in runtime.events():
            told.append(event)  # noqa: PERF401 - seen while it goes on

    async with asyncio.TaskGroup() as group:
        listening = group.create_task(listen())
        await eventually(lambda: told)
        await asyncio.gather(*(runtime.image_id(component_image()) for _ in range(10)))
        await runtime.close()
        await eventually(lambda: told[-1].kind == "lost")
        listening.cancel()
    await eventually(lambda: not set(threads("docker-")) - before)
