"""The face of activation to the doors and the daemon: which pool serves a component, and what runs.

Builds the parts, follows the node's view of what is wanted, and stops them in order.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from maelstrom.activation.callers import ContainerAddresses
from maelstrom.activation.converge import Converger
from maelstrom.activation.deployment import Deployment
from maelstrom.activation.governor import Governor
from maelstrom.activation.health import Health
from maelstrom.activation.images import Images
from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.activation.starts import Starter
from maelstrom.activation.stops import Stopper
from maelstrom.activation.watch import Watch
from maelstrom.model.component import Component, ComponentKey
from maelstrom.model.errors import MaelstromError, NoRoute
from maelstrom.model.instance import InstanceStatus
from maelstrom.runtime.componentlog import copy_log, wants_copy
from maelstrom.runtime.port import Runtime
from maelstrom.runtime.spec import fingerprint

log = logging.getLogger("maelstrom.activation")
lines = logging.getLogger("maelstrom.componentlog")

Spawn = Callable[[Coroutine[Any, Any, Any], str], "asyncio.Task[Any]"]


class Activation:
    """All components of this node."""

    def __init__(self, runtime: Runtime, spawn: Spawn, *, node: str, memory_mib: int) -> None:
        self._runtime = runtime
        self._spawn = spawn
        self._node = node
        self._by_name: dict[str, ComponentKey] = {}
        self._images = Images(runtime, spawn)
        self._starter = Starter(runtime, self._images, Governor(), time.monotonic, self._copy_log)
        self._stopper = Stopper(runtime)
        self.converger = Converger(
            runtime,
            self._starter,
            self._stopper,
            self._images,
            spawn,
            monotonic=time.monotonic,
            now=time.time,
            jitter=random.random,
            memory_mib=memory_mib,
        )
        self.watch = Watch(runtime, self.converger, self._starter, spawn)
        self.callers = ContainerAddresses(self.converger.deployments, self.watch.listed)
        self.health = Health(
            lambda: list(self.converger.deployments.values()), self.converger.drain, spawn, time.monotonic
        )

    # what doors ask

    @property
    def deployments(self) -> Mapping[ComponentKey, Deployment]:
        return self.converger.deployments

    def pool(self, key: ComponentKey) -> Pool | None:
        """The pool of a component; None if there is no such component."""
        deployment = self.converger.deployments.get(key)
        return None if deployment is None or deployment.removed else deployment.pool

    def find(self, full_name: str) -> Pool | None:
        """The same by the full name, `<project>_<component>`; several could be spelled so, but only one is stored."""
        key = self._by_name.get(full_name)
        return None if key is None else self.pool(key)

    def statuses(self) -> list[InstanceStatus]:
        """Every instance of this node, and the last that failed where none runs now."""
        rows: list[InstanceStatus] = []
        epoch = time.time() - time.monotonic()
        for deployment in self.converger.deployments.values():
            rows += [i.status(self._node, epoch) for i in deployment.pool.instances]
            if deployment.failed is not None:
                rows.append(deployment.failed.status(self._node, epoch))
        return rows

    # what the daemon calls

    def follow(self, components: Mapping[ComponentKey, Component]) -> None:
        """Takes over what is wanted now: a new view of the registry."""
        deployments = self.converger.deployments
        self._by_name = {key.full_name: key for key in components}
        for key, component in components.items():
            deployment = deployments.get(key)
            if deployment is None:
                self.converger.add(component, fingerprint(component))
            elif deployment.component != component or deployment.removed:
                deployment.want(component, fingerprint(component))
                self.converger.wake(deployment)
            if self._images.wanted_on_put(component):
                self._spawn(self._pull_on_put(component), f"pull {component.definition.image}")
        for key, deployment in list(deployments.items()):
            if key not in components and not deployment.removed:
                deployment.removed = True
                deployment.pool.closed = True
                deployment.pool.refuse_all(NoRoute(f"{key.full_name} was removed"))
                self.converger.wake(deployment)

    async def _pull_on_put(self, component: Component) -> None:
        try:
            await self._images.pull(component)
        except MaelstromError as error:
            log.warning("%s: %s", component.key.full_name, error.message)  # the start tries again and says so

    def _copy_log(self, component: Component, container: str, since: float) -> None:
        if wants_copy(component.definition.logdriver):
            copy = copy_log(self._runtime, container, component.key, lines.info, since=since)
            self._spawn(copy, f"copy the log of {component.key.full_name} {container[:12]}")

    def drain(self) -> None:
        """No new claims from now on; those who wait are refused when the gateway says so."""
        for deployment in self.converger.deployments.values():
            deployment.pool.draining = True

    async def stop(self, *, stop_containers: bool) -> None:
        """After the doors: ends starts under way; containers go on for the next process, or are stopped too."""
        await self.converger.stop()
        if stop_containers:
            await asyncio.gather(
                *(
                    self._stop_one(deployment, instance)
                    for deployment in self.converger.deployments.values()
                    for instance in deployment.pool.instances
                )
            )

    async def _stop_one(self, deployment: Deployment, instance: Instance) -> None:
        instance.state = "stopping"  # its death is no news
        instance.cut()
        try:
            await self._runtime.stop(instance.container, deployment.component.definition.stopgraceseconds)
        except MaelstromError as error:
            log.warning("%s: could not be stopped: %s", instance.component.full_name, error.message)
