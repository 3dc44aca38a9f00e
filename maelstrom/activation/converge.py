"""The loop that makes this node's containers what they should be: observe, plan, act.

It is woken by a hint (somebody waits, something ended, a definition changed) or by its tick, takes no input, and
looks at everything again. It must not know of requests: they meet it only in the pool.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

from maelstrom.activation.deployment import QUICK_DEATH_SECONDS, QUICK_DEATHS_FORGIVEN, Deployment, slots_of
from maelstrom.activation.idle import IdleTier
from maelstrom.activation.images import Images
from maelstrom.activation.instance import Instance
from maelstrom.activation.load import SAMPLE_SECONDS
from maelstrom.activation.memory import Memory
from maelstrom.activation.pool import Pool
from maelstrom.activation.starts import Starter, as_start_failed
from maelstrom.activation.stops import Stopper
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.errors import EngineUnavailable, MaelstromError, NoCapacity
from maelstrom.model.instance import BlackBox
from maelstrom.plan.autoscale import wanted_instances
from maelstrom.plan.backoff import Backoff
from maelstrom.plan.converge import Drain, Freeze, Start, Wake, plan_component
from maelstrom.runtime.port import Runtime

log = logging.getLogger("maelstrom.activation")

START_BACKOFF = Backoff(first=1.0, cap=60.0)
ENGINE_BACKOFF = Backoff(first=1.0, cap=2.0)  # an engine that is back is used at once
NO_MEMORY_SECONDS = 1.0

Spawn = Callable[[Coroutine[Any, Any, Any], str], "asyncio.Task[Any]"]


class Converger:
    """Owner of all deployments of this node."""

    def __init__(
        self,
        runtime: Runtime,
        starter: Starter,
        stopper: Stopper,
        images: Images,
        spawn: Spawn,
        *,
        monotonic: Callable[[], float],
        now: Callable[[], float],
        jitter: Callable[[], float],
        memory_mib: int,
    ) -> None:
        self.deployments: dict[ComponentKey, Deployment] = {}
        self.last_pass = 0.0  # monotonic
        self.idle = IdleTier(runtime, starter, self, monotonic)
        self._starter = starter
        self._stopper = stopper
        self._images = images
        self._spawn = spawn
        self._monotonic = monotonic
        self._now = now  # seconds since 1970, for people
        self._jitter = jitter  # 0..1
        self._memory = Memory(memory_mib, self.deployments)
        self._dirty: set[Deployment] = set()
        self._hint = asyncio.Event()
        self._next_tick = 0.0
        self._start_tasks: dict[str, asyncio.Task[Any]] = {}
        self._drain_until: dict[str, float] = {}
        self._closing = False  # the node ends: nothing is started any more, whatever is missing
        self._ends: set[asyncio.Task[Any]] = set()  # containers that are being stopped, buried or frozen

    # hints

    def wake(self, deployment: Deployment) -> None:
        self._dirty.add(deployment)
        self._hint.set()

    def add(self, component: Component, fingerprint: str) -> Deployment:
        """The deployment of a component, made where there is none."""

        def hint(_: Pool) -> None:
            self.wake(deployment)

        deployment = Deployment(component, fingerprint, hint, hint)
        self.deployments[component.key] = deployment
        self.wake(deployment)
        return deployment

    # the loop

    async def run(self) -> None:
        while True:
            self._pass()
            try:
                async with asyncio.timeout(max(0.0, self._next_tick - self._monotonic())):
                    await self._hint.wait()
            except TimeoutError:
                continue

    def _pass(self) -> None:
        now = self._monotonic()
        self._hint.clear()
        dirty, self._dirty = self._dirty, set()
        if now >= self._next_tick:
            self._next_tick = now + SAMPLE_SECONDS
            for deployment in self.deployments.values():
                if deployment.active:
                    dirty.add(deployment)
                    self._tick(deployment, now)
        for deployment in dirty:
            self._converge(deployment, now)
        self.last_pass = now

    def _tick(self, deployment: Deployment, now: float) -> None:
        pool = deployment.pool
        if any(i.state == "ready" for i in pool.instances):
            # what waits for a first instance, or for one that cannot start, asks for no more of them
            deployment.meter.sample(pool.demand)
        if pool.failure is not None and now >= deployment.not_before:
            pool.failure = None  # the back-off is over: the next claim, or mininstances, tries again
        for instance in pool.instances:
            if now >= self._drain_until.get(instance.id, float("inf")):
                log.warning(
                    "%s: %d requests were cut, draining took too long", instance.component.full_name, instance.in_flight
                )
                self._stop(deployment, instance)

    def _converge(self, deployment: Deployment, now: float) -> None:
        pool = deployment.pool
        for instance in pool.instances:
            deployment.meter.used(instance.last_used)
            if instance.suspect and instance.state == "ready":
                self._verify(deployment, instance)
            elif instance.state == "draining" and not instance.in_flight and instance.id not in self._start_tasks:
                self._stop(deployment, instance)  # a start that was given up ends by itself
        definition: ComponentDefinition | None = None if deployment.removed else deployment.component.definition
        why = "removed" if definition is None else self._aim(deployment, definition, now)
        for action in plan_component(definition, deployment.seen(now), deployment.target, why):
            match action:
                case Start(reason):
                    if not self._start(deployment, reason, now):
                        break
                case Drain(id, reason):
                    found = deployment.instance(id)
                    if found is not None:
                        self.drain(deployment, found, reason)
                case Freeze(id, reason) | Wake(id, reason):
                    found = deployment.instance(id)
                    if found is not None and not self._closing:
                        go = self.idle.freeze if isinstance(action, Freeze) else self.idle.wake
                        go(deployment, found, reason)
        if pool.queue:
            self._starter.look()
        if deployment.removed and not pool.instances:
            self.deployments.pop(deployment.component.key, None)

    def _aim(self, deployment: Deployment, definition: ComponentDefinition, now: float) -> str:
        """Sets how many instances there should be; says why."""
        load = deployment.meter.load(deployment.pool.demand, now)
        frozen = sum(1 for i in deployment.pool.instances if i.state == "frozen" and deployment.current(i))
        want = wanted_instances(definition, load, deployment.target, frozen)
        if want.count != deployment.target:
            deployment.target = want.count
            deployment.meter.reset()
        return want.reason

    # actions

    def _start(self, deployment: Deployment, reason: str, now: float) -> bool:
        if now < deployment.not_before or self._closing:
            return False
        component = deployment.component
        pool = deployment.pool
        if not self._memory.fits(component.definition):
            self._no_memory(deployment, now)
            return False
        instance = new_instance(deployment)
        pool.instances.append(instance)
        log.info("%s: starting an instance (%s)", component.key.full_name, reason, extra={"instance": instance.id})
        start = self._starter.start(component, instance, pool.urgency)
        self.track(deployment, instance, "start", self._started(deployment, instance, start))
        return True

    def _no_memory(self, deployment: Deployment, now: float) -> None:
        """Frozen instances go for it, and it waits for their end; without any it is said so."""
        component, pool = deployment.component, deployment.pool
        frozen = self._memory.make_room(deployment)
        if frozen is None:
            pool.failure = error = NoCapacity(
                f"no memory left for {component.key.full_name}: it reserves {component.definition.reservememory} MiB,"
                f" {self._memory.reserved} of {self._memory.mib} MiB are taken"
            )
            deployment.not_before = now + NO_MEMORY_SECONDS
            if not any(i.state in ("starting", "ready") for i in pool.instances):
                pool.refuse_all(error)
        for owner, instance in frozen or ():
            self.drain(owner, instance, f"its memory is needed for {component.key.full_name}")

    def adopt(self, deployment: Deployment, instance: Instance) -> None:
        """A container that runs already: ready after its first good answer."""
        deployment.pool.instances.append(instance)
        start = self._starter.adopt(deployment.component, instance)
        self.track(deployment, instance, "start", self._started(deployment, instance, start))

    def track(self, deployment: Deployment, instance: Instance, verb: str, work: Coroutine[Any, Any, None]) -> None:
        """A start or a wake: `drain` may cancel it."""

        def ended(_: object) -> None:
            self._start_tasks.pop(instance.id, None)
            self.wake(deployment)

        task = self._spawn(work, f"{verb} {instance.component.full_name} {instance.id}")
        self._start_tasks[instance.id] = task
        task.add_done_callback(ended)

    async def _started(self, deployment: Deployment, instance: Instance, start: Coroutine[Any, Any, None]) -> None:
        pool = deployment.pool
        try:
            await start
        except asyncio.CancelledError:
            if instance in pool.instances:
                pool.instances.remove(instance)  # drained while it started, or the node stops
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the callers who wait are told
            instance.state = "failed"
            self._start_failed(deployment, instance, error)
        else:
            now = self._monotonic()
            instance.ready_at = instance.last_used = now
            if instance.state == "starting":
                instance.state = "ready"
            deployment.stats.add(instance.receipt)
            deployment.failures = 0
            deployment.failed = None
            pool.failure = None
            log.info(
                "%s: ready after %.0f ms",
                instance.component.full_name,
                instance.receipt.total_ms,
                extra={"instance": instance.id, "receipt_ms": instance.receipt.phases},
            )
            pool.grant()
            if not deployment.current(instance):
                await self.look_at_image(deployment)  # a pull, or a tag moved while it started

    def _start_failed(self, deployment: Deployment, instance: Instance, error: Exception) -> None:
        backoff = ENGINE_BACKOFF if isinstance(error, EngineUnavailable) else START_BACKOFF
        seconds = backoff.delay(deployment.failures + 1, self._jitter())
        failure = as_start_failed(instance, error)
        if instance.black_box is None:  # it never came to a container
            instance.black_box = BlackBox(reason=failure.message, at=self._now())
        failure.fields["retry_after"] = max(1, round(seconds))
        log.warning("%s; next try in %.1f s", failure.message, seconds, extra={"instance": instance.id})
        deployment.start_failed(failure, instance, self._monotonic() + seconds)

    async def look_at_image(self, deployment: Deployment) -> None:
        """Instances of an image that its name does not stand for any more are replaced, as those of an old version."""
        image_id = await self._images.current_id(deployment.component)
        if image_id is not None and image_id != deployment.image_id:
            deployment.image_id = image_id
            self.wake(deployment)

    def drain(self, deployment: Deployment, instance: Instance, reason: str) -> None:
        """No more requests for it; it is stopped when those it has have ended, or at their longest deadline."""
        log.info("%s: draining (%s)", instance.component.full_name, reason, extra={"instance": instance.id})
        task = self._start_tasks.get(instance.id)
        if instance.state == "starting":
            instance.state = "draining"
            if task is not None:
                task.cancel()
            return
        instance.state = "draining"
        deployment.pool.recall(instance)
        longest = self._monotonic() + deployment.longest_seconds
        self._drain_until[instance.id] = max([longest, *instance.deadlines])
        if not instance.in_flight:
            self._stop(deployment, instance)

    def _stop(self, deployment: Deployment, instance: Instance) -> None:
        instance.state = "stopping"
        self._drain_until.pop(instance.id, None)
        instance.cut()
        self.finish(self._stopped(deployment, instance), f"stop {instance.component.full_name} {instance.id}")

    def finish(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[Any]:
        """It is waited for when the node ends."""
        task = self._spawn(work, name)
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)
        return task

    def _gone(self, deployment: Deployment, instance: Instance) -> None:
        for waiting in (deployment, *self._memory.gone(instance)):
            self.wake(waiting)

    async def _stopped(self, deployment: Deployment, instance: Instance) -> None:
        try:
            await self._stopper.stop(deployment.component.definition, instance)
        except MaelstromError as error:
            # the next full list of the engine finds what is left
            log.warning("%s: could not be stopped: %s", instance.component.full_name, error.message)
        finally:
            if instance in deployment.pool.instances:
                deployment.pool.instances.remove(instance)
            self._gone(deployment, instance)

    def _verify(self, deployment: Deployment, instance: Instance) -> None:
        name = f"verify {instance.component.full_name} {instance.id}"
        if self._stopper.verifying(instance):
            return
        self._spawn(self._verified(deployment, instance), name)

    async def _verified(self, deployment: Deployment, instance: Instance) -> None:
        alive = await self._stopper.same(instance)
        if alive is None or instance.state != "ready":
            return  # the engine cannot say: asked again at the next tick
        if alive:
            instance.suspect = False
            deployment.pool.grant()
        else:
            self.died(deployment, instance, "gone")

    def died(self, deployment: Deployment, instance: Instance, why: str) -> None:
        """The engine says that a container that was ready has ended: replaced at once, its open requests are cut."""
        if instance.state == "stopping" or instance not in deployment.pool.instances:
            return
        now = self._monotonic()
        deployment.pool.instances.remove(instance)
        self._drain_until.pop(instance.id, None)
        instance.state = "failed"
        deployment.failed = instance
        deployment.stats.deaths += 1
        quick = now - instance.ready_at < QUICK_DEATH_SECONDS
        deployment.quick_deaths = deployment.quick_deaths + 1 if quick else 0
        if deployment.quick_deaths > QUICK_DEATHS_FORGIVEN:
            tries = deployment.quick_deaths - QUICK_DEATHS_FORGIVEN
            deployment.not_before = now + START_BACKOFF.delay(tries, self._jitter())
        log.warning("%s: died (%s)", instance.component.full_name, why, extra={"container": instance.container})
        instance.cut()
        self.finish(self._stopper.bury(instance, why), f"bury {instance.component.full_name} {instance.id}")
        self._gone(deployment, instance)

    async def stop(self) -> None:
        """Ends starts under way and waits for what is being stopped; containers that run are left as they are."""
        self._closing = True
        tasks = list(self._start_tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._ends, return_exceptions=True)


def new_instance(deployment: Deployment) -> Instance:
    component = deployment.component
    slots = slots_of(component.definition)
    return Instance(uuid.uuid4().hex[:12], component.key, component.version, deployment.fingerprint, slots)
