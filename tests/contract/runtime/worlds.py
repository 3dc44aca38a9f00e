"""The two worlds in which the runtime's promises are kept: the real Docker engine, and the tests' fake of it."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.runtime.docker import DockerRuntime
from maelstrom.runtime.port import Runtime
from tests.fakes.runtime import FakeEngine, FakeRuntime
from tests.support.engine import engine, own_cluster
from tests.support.engine_proxy import EngineProxy
from tests.support.images import component_image

PRIVATE_URL = "http://192.0.2.7:8375"
_numbers = itertools.count(1)


class World(Protocol):
    """An engine with one image of tests/component, and what tests do to it behind the runtime's back."""

    image: str
    cluster: str

    def runtime(self, node: str = "node1", cluster: str = "") -> Runtime: ...

    def fragile_runtime(self) -> Runtime:
        """One whose engine can be lost."""
        ...

    async def lose(self) -> None: ...

    async def restore(self) -> None: ...

    async def kill(self, container: str) -> None: ...

    async def unpause(self, container: str) -> None: ...

    async def tag(self, image: str) -> None:
        """Gives the image another name."""
        ...


class PooledRuntime(DockerRuntime):
    """Whatever may be started into a network sandbox is."""

    async def create(self, component: Component, instance_id: str, *, urgent: bool = True) -> str:
        await self.fill_sandboxes()
        return await super().create(component, instance_id, urgent=urgent)


class RealWorld:
    def __init__(self, cluster: str, folder: Path, *, sandboxes: int) -> None:
        self._sandboxes = sandboxes
        self.image = component_image()
        self.cluster = cluster
        self.runtimes: list[DockerRuntime] = []
        self.tags: list[str] = []
        self._proxy = EngineProxy(folder / "engine.sock")

    def runtime(self, node: str = "node1", cluster: str = "") -> DockerRuntime:
        return self._made(node, cluster, dict(os.environ))

    def fragile_runtime(self) -> DockerRuntime:
        self._proxy.start()
        return self._made("node1", "", {**os.environ, "DOCKER_HOST": f"unix://{self._proxy.path}"})

    async def lose(self) -> None:
        await asyncio.to_thread(self._proxy.stop)

    async def restore(self) -> None:
        self._proxy.start()

    async def kill(self, container: str) -> None:
        await asyncio.to_thread(engine().kill, container)

    async def unpause(self, container: str) -> None:
        await asyncio.to_thread(engine().unpause, container)

    async def tag(self, image: str) -> None:
        self.tags.append(image)
        await asyncio.to_thread(engine().tag, self.image, *image.rsplit(":", 1))

    async def close(self) -> None:
        self._proxy.stop()
        for runtime in self.runtimes:
            await runtime.close()
        for tag in self.tags:
            engine().remove_image(tag)

    def _made(self, node: str, cluster: str, environ: dict[str, str]) -> DockerRuntime:
        kind = PooledRuntime if self._sandboxes else DockerRuntime
        runtime = kind(
            cluster=cluster or self.cluster,
            node=node,
            private_url=PRIVATE_URL,
            environ=environ,
            sandboxes=self._sandboxes,
        )
        self.runtimes.append(runtime)
        return runtime


class FakeWorld:
    def __init__(self) -> None:
        self.image = "test-component:1"
        self.cluster = "test"
        self.engine = FakeEngine()
        self.engine.add_image(self.image)

    def runtime(self, node: str = "node1", cluster: str = "") -> FakeRuntime:
        return FakeRuntime(self.engine, cluster=cluster or self.cluster, node=node, private_url=PRIVATE_URL)

    def fragile_runtime(self) -> FakeRuntime:
        return self.runtime()

    async def lose(self) -> None:
        self.engine.lose()

    async def restore(self) -> None:
        self.engine.restore()

    async def kill(self, container: str) -> None:
        await self.engine.kill(container)

    async def unpause(self, container: str) -> None:
        self.engine.unpause(container)

    async def tag(self, image: str) -> None:
        self.engine.tag(self.image, image)


@asynccontextmanager
async def world(kind: str, folder: Path) -> AsyncGenerator[World, None]:
    if kind == "fake":
        fake = FakeWorld()
        yield fake
        await fake.engine.close()
        return
    with own_cluster() as cluster:
        real = RealWorld(cluster, folder, sandboxes=1 if kind == "sandboxes" else 0)
        try:
            yield real
        finally:
            await real.close()


def component(image: str, name: str = "web", version: int = 1, **definition: Any) -> Component:
    return Component(ComponentKey("shop", name), version, 0, ComponentDefinition(image=image, **definition))


def instance_id() -> str:
    return f"i{next(_numbers)}"
