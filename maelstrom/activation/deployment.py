"""One component as this node runs it: its pool, its load, and what its last starts came to.

Only the converger changes it. Plain state: no I/O, no tasks.
"""

from __future__ import annotations

from collections.abc import Callable

from maelstrom.activation.instance import Instance
from maelstrom.activation.load import LoadMeter
from maelstrom.activation.pool import NO_LIMIT, Pool
from maelstrom.model.component import Component, ComponentDefinition
from maelstrom.model.errors import MaelstromError
from maelstrom.model.instance import Receipt
from maelstrom.plan.converge import Seen

QUICK_DEATH_SECONDS = 10.0
QUICK_DEATHS_FORGIVEN = 4


class StartStats:
    """Counters of starts, read by metrics."""

    __slots__ = ("deaths", "failed", "freezes", "phase_ms", "started", "wake_ms", "wakes")

    def __init__(self) -> None:
        self.started = 0
        self.failed = 0
        self.deaths = 0
        self.phase_ms: dict[str, float] = {}  # sum over all starts
        self.freezes = 0
        self.wakes = 0
        self.wake_ms = 0.0  # sum

    def add(self, receipt: Receipt) -> None:
        self.started += 1
        for phase, ms in receipt.phases.items():
            self.phase_ms[phase] = self.phase_ms.get(phase, 0.0) + ms

    def woke(self, receipt: Receipt) -> None:
        self.wakes += 1
        self.wake_ms += receipt.total_ms


class Deployment:
    """State of one component; `component` is what is wanted now, also while older instances still run."""

    __slots__ = (
        "component",
        "failed",
        "failures",
        "fingerprint",
        "image_id",
        "longest_seconds",
        "meter",
        "not_before",
        "pool",
        "quick_deaths",
        "removed",
        "stats",
        "target",
    )

    def __init__(
        self, component: Component, fingerprint: str, on_want: Callable[[Pool], None], on_idle: Callable[[Pool], None]
    ) -> None:
        self.component = component
        self.fingerprint = fingerprint
        self.pool = Pool(component, on_want, on_idle)
        self.meter = LoadMeter()
        self.removed = False
        self.failures = 0  # starts that failed one after another
        self.quick_deaths = 0  # instances that died soon after they were ready, one after another
        self.not_before = 0.0  # monotonic: no start before (back-off)
        self.failed: Instance | None = None  # the last one that failed, until one is ready again
        self.image_id: str | None = None  # what the image's name stands for now, where that is known
        self.stats = StartStats()
        self.target = 0  # how many instances there should be
        self.longest_seconds = (
            component.definition.maxdurationseconds
        )  # ever allowed to a request: it may still be at work

    @property
    def active(self) -> bool:
        """Whether time alone may ask for something to be done."""
        return bool(
            self.pool.instances
            or self.pool.queue
            or self.pool.failure
            or self.removed
            or self.target
            or self.component.definition.mininstances
        )

    def want(self, component: Component, fingerprint: str) -> None:
        """A new definition or generation: what failed before says nothing about it.

        Instances that would be made just the same go on as this version, and by its rules from now on.
        """
        if fingerprint != self.fingerprint:
            self.image_id = None
        self.component = component
        self.longest_seconds = max(self.longest_seconds, component.definition.maxdurationseconds)
        self.fingerprint = fingerprint
        self.pool.component = component
        self.removed = False
        self.pool.closed = False
        self.forgive()
        for instance in self.pool.instances:
            if instance.fingerprint == fingerprint and instance.state in ("starting", "ready", "frozen"):
                self._rename(instance)
        if any(i.state == "ready" and self.current(i) for i in self.pool.instances):
            self.failed = None  # it was of a version in between
        self.pool.grant()

    def _rename(self, instance: Instance) -> None:
        """It goes on as the present version. Requests that it has beyond a lower limit may end."""
        instance.version = self.component.version
        before, instance.limit = instance.limit, slots_of(self.component.definition)
        if instance.limit < before:
            self.pool.recall(instance)

    def forgive(self) -> None:
        self.failures = 0
        self.quick_deaths = 0
        self.not_before = 0.0
        self.pool.failure = None

    def current(self, instance: Instance) -> bool:
        if instance.fingerprint != self.fingerprint:
            return False
        return self.image_id is None or not instance.image_id or instance.image_id == self.image_id

    def seen(self, now: float) -> list[Seen]:
        return [
            Seen(
                id=i.id,
                state=i.state if i.state in ("starting", "ready", "frozen") else "draining",
                current=self.current(i),
                in_flight=i.in_flight,
                idle_seconds=now - i.last_used,
                frozen_seconds=now - i.frozen_at if i.state == "frozen" else 0.0,
            )
            for i in self.pool.instances
        ]

    def instance(self, id: str) -> Instance | None:
        return next((i for i in self.pool.instances if i.id == id), None)

    def start_failed(self, error: MaelstromError, instance: Instance, not_before: float) -> None:
        """Takes it out. Callers who wait are told at once, unless another instance serves or an older start goes on.

        Younger starts keep nobody waiting: where all fail, one is always on its way.
        """
        instances = self.pool.instances
        older = instances[: instances.index(instance)]
        instances.remove(instance)
        self.stats.failed += 1
        self.failures += 1
        self.not_before = not_before
        self.failed = instance
        self.pool.failure = error
        if not any(i.state == "ready" for i in instances) and not any(i.state == "starting" for i in older):
            self.pool.refuse_all(error)


def slots_of(definition: ComponentDefinition) -> int:
    """Requests that one instance may have at a time."""
    return NO_LIMIT if definition.softconcurrencylimit else definition.maxconcurrency
