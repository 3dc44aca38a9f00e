"""Copies of components' log lines in the daemon's output."""

from __future__ import annotations

import asyncio

from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.runtime.componentlog import copy_log, wants_copy
from tests.fakes.runtime import FakeEngine, FakeRuntime
from tests.support.wait import eventually


async def test_lines_are_copied_with_the_component_s_name_and_none_is_lost_or_doubled_with_the_engine() -> None:
    engine = FakeEngine()
    engine.add_image("app")
    runtime = FakeRuntime(engine, cluster="c", node="n")
    component = Component(ComponentKey("shop", "web"), 1, 0, ComponentDefinition(image="app"))
    container = await runtime.create(component, "i")
    await runtime.start(container)
    copied: list[str] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(copy_log(runtime, container, component.key, copied.append))
        await eventually(lambda: copied == ["componentlog shop_web - listening on 8080"])
        engine.lose()
        await asyncio.sleep(0)
        engine.containers[container].say("while nobody listened", "stderr")
        engine.restore()
        await eventually(lambda: copied[1:] == ["componentlog shop_web - while nobody listened"])
        await engine.kill(container)
    assert len(copied) == 2


def test_only_the_driver_maelstrom_asks_for_a_copy() -> None:
    assert [driver for driver in ("", "json-file", "maelstrom") if wants_copy(driver)] == ["maelstrom"]
