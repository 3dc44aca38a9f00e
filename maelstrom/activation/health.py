"""Health checks of running containers, each in a task of its own so that a slow one holds up nothing.

A container that failed `httphealthcheckmaxfailures` checks in a row is given up: replaced at once, its open requests
may end. It must not know why a check fails.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from maelstrom.activation.deployment import Deployment
from maelstrom.activation.instance import Instance
from maelstrom.runtime.ready import probe

log = logging.getLogger("maelstrom.activation")

TICK_SECONDS = 0.5
CHECK_SECONDS = 15.0

Spawn = Callable[[Coroutine[Any, Any, Any], str], "asyncio.Task[Any]"]


class Health:
    """Looks at every ready instance at its component's interval."""

    def __init__(
        self,
        deployments: Callable[[], Iterable[Deployment]],
        give_up: Callable[[Deployment, Instance, str], None],
        spawn: Spawn,
        monotonic: Callable[[], float],
    ) -> None:
        self._deployments = deployments
        self._give_up = give_up
        self._spawn = spawn
        self._monotonic = monotonic
        self.check_seconds = CHECK_SECONDS
        # instance id -> monotonic; its last check's end, infinite while one runs
        self._checked: dict[str, float] = {}
        self.last_pass = 0.0

    async def run(self) -> None:
        while True:
            self._pass(self._monotonic())
            await asyncio.sleep(TICK_SECONDS)

    def _pass(self, now: float) -> None:
        checked: dict[str, float] = {}
        for deployment in self._deployments():
            interval = deployment.component.definition.httphealthcheckseconds
            for instance in deployment.pool.instances:
                if instance.state != "ready":
                    continue
                at = self._checked.get(instance.id, instance.ready_at)
                if now >= at + interval:
                    at = float("inf")
                    name = f"health {instance.component.full_name} {instance.id}"
                    self._spawn(self._check(deployment, instance), name)
                checked[instance.id] = at
        self._checked = checked
        self.last_pass = now

    async def _check(self, deployment: Deployment, instance: Instance) -> None:
        definition = deployment.component.definition
        since = instance.ready_at
        try:
            failure = await probe(instance.address, definition.httphealthcheckpath, self.check_seconds)
        finally:
            if instance.id in self._checked:
                self._checked[instance.id] = self._monotonic()
        if instance.state != "ready" or instance.ready_at != since:
            return  # also where it was frozen meanwhile, and is awake again: that took its time away
        if not failure:
            instance.health_failures = 0
            return
        instance.health_failures += 1
        most = definition.httphealthcheckmaxfailures
        log.warning(
            "%s: health check %d of %d failed: %s",
            instance.component.full_name,
            instance.health_failures,
            most,
            failure,
        )
        if instance.health_failures >= most:
            self._give_up(deployment, instance, f"{most} health checks failed, the last: {failure}")
