"""The worlds as fixtures, and a listener to a runtime's events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from maelstrom.runtime.port import EngineEvent, Runtime
from tests.contract.runtime.worlds import World, world
from tests.support.wait import eventually


@pytest.fixture(params=["fake", "docker", "sandboxes"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[World, None]:
    """The world that the test is in: the fake, Docker, or Docker with containers that are lent their network."""
    async with world(request.param, tmp_path) as found:
        yield found


class Heard:
    """Events of a runtime as they come in."""

    def __init__(self) -> None:
        self.events: list[EngineEvent] = []

    def kinds(self) -> list[str]:
        """Without tags: those of everybody on the engine are told."""
        return [event.kind for event in self.events if event.kind != "tag"]

    async def until(self, check: Callable[[EngineEvent], bool]) -> EngineEvent:
        return await eventually(lambda: next(filter(check, self.events), None), within=15)

    async def listen(self, runtime: Runtime) -> None:
        async for event in runtime.events():
            self.events.append(event)


@pytest.fixture
async def hear() -> AsyncGenerator[Callable[[Runtime], Heard], None]:
    """Listens to a runtime's events until the test is over."""
    tasks: list[asyncio.Task[None]] = []

    def begin(runtime: Runtime) -> Heard:
        heard = Heard()
        tasks.append(asyncio.get_running_loop().create_task(heard.listen(runtime)))
        return heard

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
