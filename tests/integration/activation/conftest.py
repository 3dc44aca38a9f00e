"""Activation over an engine in this process: real HTTP, real time, no Docker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from maelstrom.activation.deployment import Deployment
from maelstrom.activation.service import Activation
from maelstrom.activation.transport import Transport
from maelstrom.activation.work import WorkAnswer, WorkRequest
from maelstrom.daemon.supervisor import Supervisor
from maelstrom.gateway.wire.answer_reader import AnswerReader
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from tests.fakes.runtime import FakeEngine, FakeRuntime

KEY = ComponentKey("shop", "web")
IMAGE = "web:1"


class Here:
    """One node's activation on the engine."""

    def __init__(self, engine: FakeEngine, *, memory_mib: int = 4096) -> None:
        self.engine = engine
        self.runtime = FakeRuntime(engine, cluster="c", node="n")
        self.supervisor = Supervisor()
        self.activation = Activation(self.runtime, self.supervisor.spawn, node="n", memory_mib=memory_mib)
        self.transport = Transport(self.activation.pool, AnswerReader)
        self.wanted: dict[ComponentKey, Component] = {}

    async def start(self) -> None:
        self.supervisor.keep("watch", self.activation.watch.run)
        await asyncio.wait_for(self.activation.watch.listed.wait(), 10)
        self.supervisor.keep("converge", self.activation.converger.run)
        self.supervisor.keep("health", self.activation.health.run)

    async def stop(self, *, stop_containers: bool = False) -> None:
        self.supervisor.ending = True
        await self.activation.stop(stop_containers=stop_containers)
        await self.transport.stop()
        await self.supervisor.end()

    def put(self, version: int = 1, *, key: ComponentKey = KEY, generation: int = 0, **fields: object) -> None:
        definition = ComponentDefinition.model_validate(
            {"image": IMAGE, "httphealthcheckpath": "/health", "stopgraceseconds": 1, **fields}
        )
        self.wanted[key] = Component(key, version, generation, definition)
        self.activation.follow(self.wanted)

    def remove(self, key: ComponentKey = KEY) -> None:
        del self.wanted[key]
        self.activation.follow(self.wanted)

    @property
    def deployment(self) -> Deployment:
        return self.activation.deployments[KEY]

    def states(self) -> list[tuple[int, str]]:
        return [(s.version, s.state) for s in self.activation.statuses()]

    async def ask(self, path: str = "/", *, key: ComponentKey = KEY, seconds: float = 20) -> WorkAnswer:
        return await self.transport.work(key, WorkRequest("GET", path), seconds=seconds)

    def count(self, method: str) -> int:
        return sum(1 for name, _ in self.engine.calls if name == method)


@pytest.fixture
async def engine() -> AsyncIterator[FakeEngine]:
    engine = FakeEngine()
    engine.add_image(IMAGE)
    yield engine
    await engine.close()


@pytest.fixture
async def here(engine: FakeEngine) -> AsyncIterator[Here]:
    here = Here(engine)
    await here.start()
    yield here
    await here.stop()
