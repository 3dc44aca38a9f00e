"""A container engine in this process: the runtime's port without Docker, proven by the same contract suite.

Its containers run tests/component as servers on loopback addresses of their own, so whatever talks HTTP to a component
can be tested on it. Addresses are given again as soon as they are free, as a real engine does.

    engine = FakeEngine()
    engine.add_image("app:1")
    runtime = FakeRuntime(engine, cluster="c", node="n1")
    engine.fail("start", RuntimeFailed("no"))     # the next start
    engine.delays["create"] = 0.1                 # seconds, each
    engine.lose() … engine.restore()
    await engine.kill(container, oom=True)

What a component does is chosen by its environment (START_DELAY, EXIT_AT_START, … of tests/component/app.py).
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import sys
from collections.abc import AsyncGenerator
from typing import Any

from maelstrom.model.component import Component, ComponentKey
from maelstrom.model.errors import EngineUnavailable, ImageMissing, MaelstromError, PullFailed, RuntimeFailed
from maelstrom.model.image import normalise
from maelstrom.runtime.port import EngineEvent, LogLine, Observed
from maelstrom.runtime.spec import Identity, create_body
from tests.fakes.container import FakeContainer


class FakeEngine:
    """What several runtimes share. `calls` lists what was asked of it: (method, container or component)."""

    def __init__(self) -> None:
        self.images: dict[str, str] = {}
        self.registry: dict[str, str] = {}  # what can be pulled: reference -> id
        self.containers: dict[str, FakeContainer] = {}
        self.calls: list[tuple[str, str]] = []
        self.delays: dict[str, float] = {}
        self.reachable = True
        self._failures: dict[str, list[MaelstromError]] = {}
        self._listeners: set[_Listener] = set()
        self._numbers = itertools.count(1)
        self._addresses: set[int] = set()

    # what a test does

    def add_image(self, name: str, id: str = "") -> str:
        """An image that is here; returns its id. An id given before moves the tag."""
        id = id or _digest(name, str(next(self._numbers)))
        self.images[normalise(name)] = id
        return id

    def tag(self, name: str, as_name: str) -> None:
        """As `docker tag`: everybody is told."""
        self.images[normalise(as_name)] = self.images[normalise(name)]
        if self.reachable:
            self._tell(EngineEvent("tag", image=normalise(as_name)))

    def fail(self, method: str, error: MaelstromError, times: int = 1) -> None:
        """The next calls of a method of the port raise this."""
        self._failures.setdefault(method, []).extend([error] * times)

    def lose(self) -> None:
        """As when the engine's socket is gone; containers run on."""
        self.reachable = False
        for container in self.containers.values():
            container.engine_lost()
        self._tell(EngineEvent("lost", reason="lost by the test"))

    def restore(self) -> None:
        self.reachable = True
        self._tell(EngineEvent("resync"))

    async def kill(self, container: str, code: int = 137, *, oom: bool = False) -> None:
        """As when its process ends by itself, or the kernel ends it."""
        await self.containers[container].end(code, oom=oom)

    def pause(self, container: str) -> None:
        """As when somebody else does it, or the runtime."""
        self.containers[container].pause()

    def unpause(self, container: str) -> None:
        found = self.containers[container]
        if found.unpause():
            self._tell(EngineEvent("unpause", container=container), found.labels)

    async def close(self) -> None:
        for container in list(self.containers.values()):
            await container.end(137)
        self.containers.clear()

    # what the runtimes do

    async def enter(self, method: str, subject: str) -> None:
        self.calls.append((method, subject))
        if delay := self.delays.get(method):
            await asyncio.sleep(delay)
        if not self.reachable:
            raise EngineUnavailable("the Docker engine cannot be reached: lost by the test")
        if failures := self._failures.get(method):
            raise failures.pop(0)

    def make(self, body: dict[str, Any]) -> str:
        name = normalise(body["Image"])
        image = body["Image"] if body["Image"] in self.images.values() else self.images.get(name)
        if image is None:
            raise ImageMissing(f"No such image: {body['Image']}")
        id = _digest("container", str(next(self._numbers)))
        self.containers[id] = FakeContainer(id, image, body, self)
        return id

    def get(self, container: str) -> FakeContainer:
        found = self.containers.get(container)
        if found is None:
            raise RuntimeFailed(f"No such container: {container}", status=404)
        return found

    def take_address(self) -> str:
        """The lowest one that is free, in a network that no other test process uses."""
        number = next(n for n in itertools.count(2) if n not in self._addresses)
        self._addresses.add(number)
        return f"127.{64 + (os.getpid() >> 8) % 64}.{os.getpid() % 256}.{number}"

    def give_address(self, address: str) -> None:
        self._addresses.discard(int(address.rpartition(".")[2]))

    def died(self, container: FakeContainer) -> None:
        reason = f"exited with code {container.exit_code}"
        self._tell(EngineEvent("die", container=container.id, reason=reason), container.labels)

    def listen(self, identity: Identity) -> _Listener:
        listener = _Listener(identity)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: _Listener) -> None:
        self._listeners.discard(listener)

    def _tell(self, event: EngineEvent, labels: dict[str, str] | None = None) -> None:
        for listener in self._listeners:
            if labels is None or (self.reachable and listener.identity.owns(labels)):
                listener.events.put_nowait(event)


class FakeRuntime:
    """The port over a FakeEngine."""

    def __init__(self, engine: FakeEngine, *, cluster: str, node: str, private_url: str = "http://127.0.0.1:1") -> None:
        self.engine = engine
        self.private_url = private_url
        self._identity = Identity(cluster, node)

    async def create(self, component: Component, instance_id: str, *, urgent: bool = True) -> str:
        await self.engine.enter("create", component.key.full_name)
        return self.engine.make(create_body(component, instance_id, self._identity, private_url=self.private_url))

    async def start(self, container: str) -> Observed:
        await self.engine.enter("start", container)
        found = self.engine.get(container)
        await found.start()
        return found.observed()

    async def inspect(self, container: str) -> Observed | None:
        await self.engine.enter("inspect", container)
        found = self.engine.containers.get(container)
        return None if found is None else found.observed()

    async def list(self) -> list[Observed]:
        await self.engine.enter("list", "")
        return [c.observed() for c in self.engine.containers.values() if self._identity.owns(c.labels)]

    async def freeze(self, container: str) -> None:
        await self.engine.enter("freeze", container)
        if not self.engine.get(container).running:
            raise RuntimeFailed(f"Container {container} is not running", status=409)
        self.engine.pause(container)

    async def thaw(self, container: str) -> bool:
        await self.engine.enter("thaw", container)
        found = self.engine.containers.get(container)
        if found is None or not found.running:
            return False
        self.engine.unpause(container)
        return True

    async def stop(self, container: str, grace_seconds: float) -> None:
        await self.engine.enter("stop", container)
        found = self.engine.containers.get(container)
        if found is not None:
            self.engine.unpause(container)
            await found.terminate(grace_seconds)
            self.engine.containers.pop(container, None)

    async def remove(self, container: str) -> None:
        await self.engine.enter("remove", container)
        found = self.engine.containers.get(container)
        if found is not None:
            await found.end(137)
            self.engine.containers.pop(container, None)

    async def exec(self, container: str, command: tuple[str, ...], timeout_seconds: float) -> int:
        """Runs it on this machine, `python3` as this very Python."""
        await self.engine.enter("exec", container)
        if not self.engine.get(container).running:
            raise RuntimeFailed(f"Container {container} is not running", status=409)
        program = sys.executable if command[0] == "python3" else command[0]
        try:
            process = await asyncio.create_subprocess_exec(program, *command[1:])
        except FileNotFoundError as error:
            raise RuntimeFailed(f"exec: {command[0]}: executable file not found in $PATH", status=400) from error
        try:
            async with asyncio.timeout(timeout_seconds):
                return await process.wait()
        except TimeoutError:
            raise RuntimeFailed(f"{command[0]} did not end within {timeout_seconds:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def image_id(self, image: str) -> str | None:
        await self.engine.enter("image_id", image)
        return self.engine.images.get(normalise(image))

    async def pull(self, component: Component, timeout_seconds: float) -> str:
        name = component.definition.image
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.engine.enter("pull", name)
        except TimeoutError:
            raise PullFailed(f"the pull of {name} did not end within {timeout_seconds:g} s") from None
        image = self.engine.registry.get(normalise(name))
        if image is None:
            raise PullFailed(f"the pull of {name} failed: manifest unknown")
        self.engine.images[normalise(name)] = image
        return image

    async def log_tail(self, container: str, lines: int) -> tuple[str, ...]:
        await self.engine.enter("log_tail", container)
        found = self.engine.containers.get(container)
        return () if found is None else tuple(line.text for line in found.readable_log[-lines:])

    async def logs(
        self, container: str, component: ComponentKey, *, since: float, follow: bool
    ) -> AsyncGenerator[LogLine, None]:
        await self.engine.enter("logs", container)
        found = self.engine.containers.get(container)
        if found is None:
            return
        async for line in found.lines(since, follow):
            yield LogLine(container, component, line.stream, line.at, line.text)

    async def events(self) -> AsyncGenerator[EngineEvent, None]:
        listener = self.engine.listen(self._identity)
        try:
            yield EngineEvent("resync") if self.engine.reachable else EngineEvent("lost", reason="lost by the test")
            while True:
                yield await listener.events.get()
        finally:
            self.engine.leave(listener)

    async def close(self) -> None:
        """Nothing is held; the engine is the test's."""


class _Listener:
    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.events: asyncio.Queue[EngineEvent] = asyncio.Queue()


def _digest(*parts: str) -> str:
    digest = hashlib.sha256("/".join(parts).encode()).hexdigest()
    return digest if parts[0] == "container" else f"sha256:{digest}"
