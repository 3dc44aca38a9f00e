"""The idle tier: instances that are not needed are frozen, and woken when they are.

A frozen one keeps its memory and its address and uses no CPU; it is not checked, and whoever wants it waits as for a
start. Connections to it are closed before: its component may have given them up by its own clock when it wakes. It must
not know why an instance is frozen or woken.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from maelstrom.activation.deployment import Deployment
from maelstrom.activation.instance import Instance
from maelstrom.activation.starts import Starter
from maelstrom.model.errors import EngineUnavailable, MaelstromError, StartFailed
from maelstrom.runtime.port import Runtime

log = logging.getLogger("maelstrom.activation")

ENGINE_SECONDS = 1.0  # until an engine that could not be reached is asked again


class Owner(Protocol):
    """The converger, as far as the idle tier needs it."""

    def wake(self, deployment: Deployment) -> None: ...

    def drain(self, deployment: Deployment, instance: Instance, reason: str) -> None: ...

    def died(self, deployment: Deployment, instance: Instance, why: str) -> None: ...

    def track(self, deployment: Deployment, instance: Instance, verb: str, work: Coroutine[Any, Any, None]) -> None: ...

    def finish(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[Any]: ...


class IdleTier:
    """Freezes and wakes for one converger."""

    def __init__(self, runtime: Runtime, starter: Starter, owner: Owner, monotonic: Callable[[], float]) -> None:
        self._runtime = runtime
        self._starter = starter
        self._owner = owner
        self._monotonic = monotonic
        self._not_before = 0.0  # monotonic: the engine could not be reached
        self._freezing: dict[str, asyncio.Task[Any]] = {}  # instance id -> what the engine is asked

    def freeze(self, deployment: Deployment, instance: Instance, reason: str) -> None:
        """One without requests gets no more from now on."""
        if instance.state != "ready" or instance.in_flight or instance.suspect:
            return
        log.info("%s: freezing (%s)", instance.component.full_name, reason, extra={"instance": instance.id})
        instance.state = "frozen"
        instance.frozen_at = self._monotonic()
        deployment.pool.recall(instance)
        instance.cut()
        name = f"freeze {instance.component.full_name} {instance.id}"
        self._freezing[instance.id] = self._owner.finish(self._freeze(deployment, instance), name)

    async def _freeze(self, deployment: Deployment, instance: Instance) -> None:
        try:
            await self._runtime.freeze(instance.container)
            deployment.stats.freezes += 1
        except MaelstromError as error:
            if instance.state == "frozen":
                self._not_frozen(deployment, instance, error)
        finally:
            self._freezing.pop(instance.id, None)
            self._owner.wake(deployment)

    def _not_frozen(self, deployment: Deployment, instance: Instance, error: MaelstromError) -> None:
        instance.state = "ready"
        instance.last_used = self._monotonic()  # tried again after another idle time
        log.warning("%s: could not be frozen: %s", instance.component.full_name, error.message)
        if isinstance(error, EngineUnavailable):
            deployment.pool.suspect(instance)
            deployment.pool.grant()
        else:
            self._owner.drain(deployment, instance, "could not be frozen")

    def wake(self, deployment: Deployment, instance: Instance, reason: str) -> None:
        """It serves again as soon as it has given a good answer."""
        if instance.state != "frozen" or self._monotonic() < self._not_before:
            return
        log.info("%s: waking (%s)", instance.component.full_name, reason, extra={"instance": instance.id})
        instance.state = "starting"
        self._owner.track(deployment, instance, "wake", self._wake(deployment, instance))

    async def _wake(self, deployment: Deployment, instance: Instance) -> None:
        """Cancelled, where it is not wanted any more, it leaves an instance that is to be stopped, or adopted again."""
        freezing = self._freezing.get(instance.id)
        if freezing is not None:
            await asyncio.wait((freezing,))
        try:
            await self._starter.wake(deployment.component, instance)
        except EngineUnavailable as error:
            self._still_frozen(deployment, instance, error)
        except Exception as error:  # noqa: BLE001 - whatever it was, another one takes its place
            why = error.message if isinstance(error, MaelstromError) else repr(error)
            self._owner.died(deployment, instance, f"did not wake: {why}")
        else:
            self._woken(deployment, instance)

    def _still_frozen(self, deployment: Deployment, instance: Instance, error: EngineUnavailable) -> None:
        if instance.state == "starting":
            instance.state = "frozen"
        self._not_before = self._monotonic() + ENGINE_SECONDS
        failure = StartFailed(
            f"{instance.component.full_name} could not be woken: {error.message}",
            hint=error.hint,
            cause=error.code,
            retry_after=round(ENGINE_SECONDS),
        )
        log.warning("%s; next try in %.1f s", failure.message, ENGINE_SECONDS, extra={"instance": instance.id})
        if not any(i.state in ("ready", "starting") for i in deployment.pool.instances):
            deployment.pool.refuse_all(failure)

    def _woken(self, deployment: Deployment, instance: Instance) -> None:
        instance.ready_at = instance.last_used = self._monotonic()
        instance.woken = True
        instance.health_failures = 0
        if instance.state == "starting":
            instance.state = "ready"
        deployment.stats.woke(instance.receipt)
        deployment.pool.failure = None
        log.info(
            "%s: awake after %.0f ms",
            instance.component.full_name,
            instance.receipt.total_ms,
            extra={"instance": instance.id, "receipt_ms": instance.receipt.phases},
        )
        deployment.pool.grant()

    def found_awake(self, deployment: Deployment, instance: Instance) -> None:
        """Somebody else has woken it, so he needs it: it is frozen again after another idle time."""
        if instance.id not in self._freezing:
            self.wake(deployment, instance, "it was unpaused by somebody else")

    def adopt(self, deployment: Deployment, instance: Instance) -> None:
        """A frozen one of a former process: its time until it is stopped begins anew."""
        instance.state = "frozen"
        instance.frozen_at = self._monotonic()
        deployment.pool.instances.append(instance)
        self._starter.adopted(deployment.component, instance)
