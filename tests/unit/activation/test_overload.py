"""A pool under more load than it can serve, simulated: who is refused, and whether the work that is done is in time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.errors import MaelstromError, QueueFull

SLOTS = 4


class Job:
    """One request of the simulation."""

    patient = False

    def __init__(self, world: Overload, left: float, key: bytes) -> None:
        self.world = world
        self.left = left
        self.until = world.now + left
        self.ahead = len(world.pool.queue)
        self.key = key
        self.outcome = "waits"

    def granted(self, instance: Instance) -> None:
        self.outcome = "in time" if self.world.now + self.world.work <= self.until + 1e-9 else "too late"
        heapq.heappush(self.world.ends, self.world.now + self.world.work)

    def refused(self, error: MaelstromError) -> None:
        self.outcome = "pushed out"

    def seconds_left(self) -> float:
        return self.until - self.world.now

    def fairness_key(self, by: str) -> bytes:
        return self.key


class Overload:
    """Requests that all take `work` seconds on four slots; those whose deadline passes in the queue leave it."""

    def __init__(self, work: float, **fields: object) -> None:
        self.work = work
        self.now = 0.0
        self.ends: list[float] = []
        self.jobs: list[Job] = []
        key = ComponentKey("shop", "web")
        definition = ComponentDefinition.model_validate({"image": "x", "maxqueue": 10_000, **fields})
        self.pool = Pool(Component(key, 1, 1, definition), lambda _: None, lambda _: None)
        instance = Instance("i", key, 1, "f", SLOTS)
        instance.state = "ready"
        self.pool.instances.append(instance)

    def run(self, seconds: float, per_second: float, comes: Callable[[], tuple[float, bytes]]) -> None:
        until = self.now + seconds
        while self.now < until:
            at = self.now + 1.0 / per_second
            while self.ends and self.ends[0] <= at:
                self.now = heapq.heappop(self.ends)
                self._expire()
                self.pool.release(self.pool.instances[0], self.now)
            self.now = at
            self._expire()
            job = Job(self, *comes())
            self.jobs.append(job)
            try:
                instance = self.pool.claim(job)
            except QueueFull:
                job.outcome = "refused"
                continue
            if instance is not None:
                job.granted(instance)

    def _expire(self) -> None:
        for job in [job for job in self.pool.queue if isinstance(job, Job) and job.until <= self.now]:
            self.pool.withdraw(job)
            job.outcome = "expired"

    def count(self, outcome: str) -> int:
        return sum(job.outcome == outcome for job in self.jobs)


def test_in_overload_no_slot_works_for_somebody_who_is_gone() -> None:
    world = Overload(work=0.4)  # 10 a second
    world.run(60.0, 20.0, lambda: (5.0, b""))
    started = world.count("in time") + world.count("too late")
    assert started > 590, "no slot was ever free"
    assert world.count("too late") <= 5
    assert world.count("expired") <= 5, "who cannot be served hears so at once"
    assert world.count("refused") > 400


def test_nobody_is_refused_who_has_time_for_its_turn() -> None:
    dice = random.Random(7)
    world = Overload(work=0.4)
    world.run(60.0, 20.0, lambda: (dice.choice((0.5, 2.0, 5.0, 30.0)), b""))
    for job in world.jobs:
        if job.outcome == "refused":
            wait = job.ahead / 10.0
            assert wait > (job.left - 3.5 * world.work if job.left > 2.0 else job.left / 3)
    assert world.count("refused") > 500
    assert world.count("too late") < 30


def test_where_there_is_room_for_all_nobody_is_refused() -> None:
    world = Overload(work=0.4)
    dice = random.Random(3)
    world.run(60.0, 9.5, lambda: (dice.uniform(2.0, 5.0), b""))
    assert world.count("refused") == 0


def test_one_noisy_client_does_not_block_the_rest() -> None:
    """Nineteen of twenty requests are one client's; the others get an answer, each at its first try."""
    for fairness, served in (("client", True), ("", False)):
        world = Overload(work=0.4, fairness=fairness, maxqueue=100)
        numbers = iter(range(100_000))

        def comes(numbers: object = numbers) -> tuple[float, bytes]:
            number = next(numbers)  # type: ignore[call-overload]
            return 5.0, b"quiet-%d" % (number // 20 % 5) if number % 20 == 0 else b"noisy"

        world.run(60.0, 40.0, comes)
        quiet = [job for job in world.jobs if job.key != b"noisy"]
        assert all(job.outcome in ("in time", "waits") for job in quiet) is served
        assert world.count("in time") > 550
