"""Cron under random faults, in virtual time: whatever becomes of nodes, role, ledger and clock, nothing fires twice.

A seed that fails is run again by its number.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from maelstrom.activation.work import WorkAnswer, WorkRequest
from maelstrom.model.cron import Opened, OpenRun, Tick
from maelstrom.model.errors import MaelstromError, Unavailable
from maelstrom.model.source import EventSource, SourceKey
from tests.fakes.cron import FakeLedger, Row
from tests.fakes.sources import FakeWorker, answer
from tests.support.virtual_time import in_virtual_time
from tests.unit.sources.test_cron import START, Cluster, Node, cluster_of, source

SEEDS = 40
FAULT_SECONDS = 400
QUIET_SECONDS = 150  # longer than any promise: then everything that was cut off is over
OVERLAPS = ("allow", "forbid", "replace")


class Component:
    """What all nodes' requests end at: it counts them, and those that are open at once."""

    def __init__(self, dice: random.Random) -> None:
        self.requests: Counter[tuple[str, str, str]] = Counter()
        self.open: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()
        self._dice = dice

    async def handle(self, request: WorkRequest) -> WorkAnswer:
        headers = dict(request.headers)
        name = headers["Maelstrom-Event-Source"]
        self.requests[name, headers["Maelstrom-Scheduled-At"], headers["Maelstrom-Attempt"]] += 1
        self.open[name] += 1
        self.peak[name] = max(self.peak[name], self.open[name])
        try:
            await asyncio.sleep(self._dice.choice([0.1, 2, 9, 30]))
        finally:
            self.open[name] -= 1
        return answer(status=self._dice.choice([200, 200, 503]))


class Faults:
    """One at a time, of all kinds."""

    def __init__(self, cluster: Cluster, component: Component, dice: random.Random) -> None:
        self.cluster = cluster
        self.component = component
        self.dice = dice
        self.alive = [self.begin(f"h{n}") for n in range(3)]
        self.alive[0].role.give()
        self.kinds: list[Callable[[], Awaitable[None]]] = [
            self.crash, self.cut_off, self.mend, self.hand_over, self.split, self.lose_an_answer, self.away, self.step,
            self.toggle,
        ]  # fmt: skip

    def begin(self, home: str) -> Node:
        node = Node(self.cluster, f"p{len(self.cluster.nodes)}", FakeWorker(self.component.handle))
        node.ledger.home = home
        self.cluster.nodes.append(node)
        return node

    async def strike(self) -> None:
        await self.dice.choice(self.kinds)()

    async def crash(self) -> None:
        """A node dies and comes back as another process."""
        node = self.dice.choice(self.alive)
        held = node.role.held
        await node.kill()
        self.alive.remove(node)
        self.alive.append(self.begin(node.ledger.home))
        if held:
            self.dice.choice(self.alive).role.give()

    async def cut_off(self) -> None:
        """Believes what it believed, and reaches no database."""
        self.dice.choice(self.alive).ledger.cut = Unavailable("cut off")

    async def mend(self) -> None:
        for node in self.alive:
            node.ledger.cut = None

    async def hand_over(self) -> None:
        for node in self.alive:
            node.role.take()
        await asyncio.sleep(self.dice.choice([0, 3, 12]))
        self.dice.choice(self.alive).role.give()

    async def split(self) -> None:
        """Who held the role is not told."""
        self.dice.choice(self.alive).role.give()

    async def lose_an_answer(self) -> None:
        self.cluster.tables.lost = Unavailable("the answer was lost")

    async def away(self) -> None:
        self.cluster.tables.broken = MaelstromError("the database is away")
        await asyncio.sleep(self.dice.choice([1, 8, 25]))
        self.cluster.tables.broken = None

    async def step(self) -> None:
        self.cluster.skew += self.dice.choice([-3600, -40, 40, 3600])

    async def toggle(self) -> None:
        sources = list(self.cluster.view.snapshot.sources.values())
        self.cluster.view.put(*(_toggled(one) if self.dice.random() < 0.3 else one for one in sources))

    async def quiet(self) -> None:
        """All is well again, and one node plans."""
        self.cluster.tables.broken = self.cluster.tables.lost = None
        await self.mend()
        self.cluster.view.put(*_sources())
        for node in self.alive:
            node.role.take()
        self.alive[0].role.give()
        await asyncio.sleep(QUIET_SECONDS)


def _sources(**changes: Any) -> list[EventSource]:
    fields = {"maxdurationseconds": 20, "catchup": "all", "retries": 1, **changes}
    return [
        source("@every 7s", key=SourceKey("shop", overlap), id=id, overlap=overlap, **fields)
        for id, overlap in enumerate(OVERLAPS, 1)
    ]


def _toggled(one: EventSource) -> EventSource:
    overlap = one.key.name
    return next(other for other in _sources(enabled=not one.enabled) if other.key.name == overlap)


def violations(seed: int, ledger: type[FakeLedger] = FakeLedger) -> list[str]:
    """What went wrong in the run of that number."""
    found: list[str] = []

    @in_virtual_time
    async def run() -> None:
        dice = random.Random(seed)
        component = Component(dice)
        async with cluster_of(*_sources()) as cluster:
            cluster.ledger = ledger
            faults = Faults(cluster, component, dice)
            end = asyncio.get_running_loop().time() + FAULT_SECONDS
            while asyncio.get_running_loop().time() < end:
                await asyncio.sleep(dice.choice([0.01, 1, 5, 20]))
                await faults.strike()
            await faults.quiet()
            found.extend(f"twice: {request}" for request, times in component.requests.items() if times > 1)
            found.extend(f"at once: {name}" for name in OVERLAPS[1:] if component.peak[f"shop_{name}"] != 1)
            found.extend(_standstill(cluster))

    run()
    return found


def _standstill(cluster: Cluster) -> Iterator[str]:
    """Every recent time was decided; no run of the dead is open any more."""
    now = START + asyncio.get_running_loop().time() + cluster.skew
    recent = [time for time in cluster.tables.planned(1) if now - 60 <= time <= now]
    if len(recent) < 8 or {later - earlier for earlier, later in pairwise(recent)} != {7}:
        yield f"missing: {recent}"
    living = {node.name for node in cluster.nodes if not node.running.done()}
    if not {row.open.owner for row in cluster.tables.running()} <= living:
        yield "open: a run of the dead"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_fires_twice_nor_beside_another_where_that_is_forbidden(seed: int) -> None:
    assert violations(seed) == []


class WithoutKey(FakeLedger):
    """Inserts what is there already."""

    async def open(self, ticks: Sequence[Tick], epoch: int, now: float) -> list[Opened]:
        await self._call("open")
        opened = [self._insert(tick, "planned", now) for tick in ticks]
        self._answer_lost()
        return opened


class WithoutSpans(FakeLedger):
    """What is pruned is forgotten."""

    async def prune(self, now: float, sources: Collection[int] = ()) -> None:
        await super().prune(now, sources)
        for progress in self.tables.sources.values():
            progress.pruned = ()


class Own(FakeLedger):
    """Only its own process's runs are open to it."""

    def _open_of(self, tick: Tick) -> list[Row]:
        return [row for row in super()._open_of(tick) if row.open.owner == self.process]


class Hasty(FakeLedger):
    """Promises less than it takes."""

    async def open_runs(self) -> list[OpenRun]:
        return [replace(run, promise_ms=1000) for run in await super().open_runs()]


@pytest.mark.parametrize("ledger", [WithoutKey, WithoutSpans, Own, Hasty])
def test_it_notices_a_ledger_without(ledger: type[FakeLedger]) -> None:
    assert any(violations(seed, ledger) for seed in range(SEEDS))
