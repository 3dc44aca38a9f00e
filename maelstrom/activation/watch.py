"""What the engine says happened: deaths, moved image tags, and after every interruption a full list.

A full list is compared with what this node believes; the first one adopts what a former process left running.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from maelstrom.activation.converge import Converger, new_instance
from maelstrom.activation.deployment import Deployment
from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.activation.starts import Starter, same_run, take_observed
from maelstrom.model.errors import MaelstromError
from maelstrom.model.image import same_image
from maelstrom.plan.backoff import Backoff
from maelstrom.runtime.port import EngineEvent, Observed, Runtime
from maelstrom.runtime.process import has_ended

log = logging.getLogger("maelstrom.activation")

REMOVE_GRACE_SECONDS = 10.0
LIST_AGAIN = Backoff(first=0.2, cap=5.0)
RUNNING = ("ready", "frozen", "draining")
LOOK_SECONDS = 0.05  # less than an engine needs to give a freed address to a container that answers

Spawn = Callable[[Coroutine[Any, Any, Any], str], "asyncio.Task[Any]"]


class FormerProcess(Protocol):
    """The process that had this node before, while it still works requests."""

    def adopted(self, pool: Pool, instance: Instance) -> None:
        """This instance is ours now: what the former still uses of it counts."""
        ...

    async def unused(self, instance: str) -> None:
        """Until the former has no request on an instance that was not adopted."""
        ...


class Watch:
    """Follows the engine's events."""

    def __init__(self, runtime: Runtime, converger: Converger, starter: Starter, spawn: Spawn) -> None:
        self._runtime = runtime
        self._converger = converger
        self._starter = starter
        self._spawn = spawn
        self._adopted = False
        self._looks = False  # at processes, while the engine is lost
        self.former: FormerProcess | None = None  # that still drains
        self.lost = ""  # why the engine cannot be reached; empty while it can
        self.listed = asyncio.Event()  # the first full list was worked: adopted containers are known

    async def run(self) -> None:
        async for event in self._runtime.events():
            match event.kind:
                case "lost":
                    if not self.lost:
                        log.error("the container engine cannot be reached: %s", event.reason)
                    self._is_lost(event.reason or "unreachable")
                case "resync":
                    await self._resync()
                case "die":
                    self._died(event)
                case "unpause":
                    await self._unpaused(event.container)
                case "tag":
                    await self._moved(event.image)

    async def _resync(self) -> None:
        observed = await self._list()
        if self.lost:
            log.info("the container engine can be reached again")
        self.lost = ""
        self._compare({o.container: o for o in observed})
        for deployment in list(self._converger.deployments.values()):
            if deployment.pool.instances:
                await self._converger.look_at_image(deployment)
        self.listed.set()

    def _is_lost(self, reason: str) -> None:
        self.lost = reason
        if not self._looks:
            self._looks = True
            self._spawn(self._look_at_processes(), "look at processes")

    async def _look_at_processes(self) -> None:
        """An engine that is away tells of no death, and one that comes back gives a freed address to a container that
        it starts by itself before it can be asked (F121)."""
        while self.lost:
            for deployment in list(self._converger.deployments.values()):
                for instance in list(deployment.pool.instances):
                    if instance.state in RUNNING and any(map(has_ended, instance.processes)):
                        self._converger.died(deployment, instance, "its process ended while the engine was away")
            await asyncio.sleep(LOOK_SECONDS)
        self._looks = False

    async def _list(self) -> list[Observed]:
        """Tried until it succeeds: without it nothing that happened meanwhile would ever be known."""
        failures = 0
        while True:
            try:
                return await self._runtime.list()
            except MaelstromError as error:
                failures += 1
                self._is_lost(error.message)
                if failures == 1:
                    log.warning("the container engine did not list its containers: %s", error.message)
                await asyncio.sleep(LIST_AGAIN.delay(failures, 0.0))

    def _compare(self, observed: dict[str, Observed]) -> None:
        ours: set[str] = set()
        for deployment in list(self._converger.deployments.values()):
            for instance in list(deployment.pool.instances):
                ours.add(instance.id)
                seen = observed.get(instance.container)
                if instance.state in RUNNING and (seen is None or not same_run(instance, seen)):
                    self._converger.died(deployment, instance, "gone when the engine was listed again")
                elif seen is not None and not seen.paused:
                    self._converger.idle.found_awake(deployment, instance)
        for container in observed.values():
            if container.component is not None and container.instance in ours:
                continue
            if not (not self._adopted and self._adopt(container)):
                name = f"remove {container.container[:12]}"
                self._spawn(self._remove(container), name)
        self._adopted = True

    def _adopt(self, container: Observed) -> bool:
        """Takes over a container that a former process started, where it is still what is wanted."""
        if container.component is None or not container.running or container.address is None:
            return False
        deployment = self._converger.deployments.get(container.component)
        if deployment is None or deployment.removed or container.fingerprint != deployment.fingerprint:
            return False
        if container.paused and deployment.component.definition.idlebehavior != "pause":
            return False
        instance = new_instance(deployment)
        instance.id = container.instance or instance.id
        take_observed(instance, container)
        log.info("%s: adopting container %s", instance.component.full_name, container.container[:12])
        if container.paused:
            self._converger.idle.adopt(deployment, instance)
            return True
        deployment.target += 1
        self._converger.adopt(deployment, instance)
        if self.former is not None:
            self.former.adopted(deployment.pool, instance)
        return True

    async def _remove(self, container: Observed) -> None:
        what = container.component.full_name if container.component is not None else "a helper"
        if self.former is not None:
            await self.former.unused(container.instance)
        log.info("removing container %s of %s: not wanted any more", container.container[:12], what)
        try:
            if container.running and not container.paused:
                await self._runtime.stop(container.container, REMOVE_GRACE_SECONDS)
            else:
                await self._runtime.remove(container.container)
        except MaelstromError as error:
            log.warning("container %s could not be removed: %s", container.container[:12], error.message)

    def _died(self, event: EngineEvent) -> None:
        if self._starter.died(event.container):
            return
        found = self._find(event.container)
        if found is not None:
            self._converger.died(*found, event.reason or "died")

    def _find(self, container: str) -> tuple[Deployment, Instance] | None:
        for deployment in self._converger.deployments.values():
            for instance in deployment.pool.instances:
                if instance.container == container:
                    return deployment, instance
        return None

    async def _unpaused(self, container: str) -> None:
        """Most often our own doing, as the instance's state shows; else the engine is asked: it may be frozen again."""
        found = self._find(container)
        if found is None or found[1].state != "frozen":
            return
        try:
            observed = await self._runtime.inspect(container)
        except MaelstromError as error:
            log.warning("container %s cannot be looked at: %s", container[:12], error.message)
            return
        if observed is not None and observed.running and not observed.paused:
            self._converger.idle.found_awake(*found)

    async def _moved(self, image: str) -> None:
        for deployment in list(self._converger.deployments.values()):
            if same_image(deployment.component.definition.image, image):
                await self._converger.look_at_image(deployment)
