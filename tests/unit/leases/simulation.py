"""Several real keepers over one simulated database in virtual time, with faults drawn from a seed, and an oracle.

The oracle checks at every dispatch that no more requests are open within their deadline than the limit allows (a lower
limit has a second to become known), and at the end that the living hold all of it again. A crashed node's requests stay
open until their deadline: the component goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Coroutine
from typing import Any

from maelstrom.leases import term
from maelstrom.leases.keeper import LeaseKeeper
from maelstrom.leases.lease import Lease, Slot
from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import LeaseLost, Unavailable
from maelstrom.model.source import EventSource, SourceKey, StepFunctionsSource
from tests.unit.leases.database import Database, Line
from tests.unit.leases.virtual import VirtualClock, run

TTL, BEAT = 3.0, 0.7
LONGEST = 6.0  # s, of a request
CONFIRM_SECONDS, SLACK_SECONDS, EXTRA_SECONDS = 1.0, 0.1, 0.1  # little, so that no fault hides behind what is spared
RATE = 0.0045  # two clocks differ by less than the margin
TROUBLE, REST = 40.0, 4 * TTL + 1.1 * (LONGEST + 3)  # s
FAULTS = ("crash", "crash", "freeze", "cut", "outage", "limit", "restart", "failover", "toggle", "read-only")


class Violation(AssertionError):
    """The limit was exceeded, or capacity is not used again."""


class World:
    def __init__(self, seed: int, *, faults: tuple[str, ...] = FAULTS, loss: float | None = None) -> None:
        self.seed = seed
        self.dice = random.Random(seed)
        self.faults = faults
        self.database = Database()
        self.limit = self.dice.choice((1, 2, 3, 5))
        self.source = self.database.add_source(self.limit, round(LONGEST * 1000))
        self.limits = [(float("-inf"), self.limit)]  # since when
        self.open: set[object] = set()
        self.served = 0
        self.most = 0
        self.images: list[bytes] = []
        drawn = self.dice.choice((0.0, 0.02, 0.15))
        self.loss = drawn if loss is None else loss  # of requests and answers
        self.pause = self.dice.choice((2.0, 6.0, 2 * LONGEST))  # s between two faults, at most
        self.failure: Violation | None = None
        self.nodes = [Node(self, i) for i in range(self.dice.choice((2, 3)))]

    async def live(self) -> None:
        """Trouble, then rest; raises Violation."""
        loop = asyncio.get_running_loop()
        for node in self.nodes:
            await node.start()
        end = loop.time() + TROUBLE
        while loop.time() < end and self.failure is None:
            await asyncio.sleep(self.dice.uniform(0.2, self.pause))
            await self._fault()
        for node in self.nodes:
            node.calm()
            await node.start()
        await asyncio.sleep(REST)
        self._check_progress()
        for node in self.nodes:
            await node.stop()
        if self.failure is not None:
            raise self.failure

    def begin(self, request: object) -> None:
        """A request's bytes are sent."""
        now = asyncio.get_running_loop().time()
        self.open.add(request)
        self.served += 1
        self.most = max(self.most, len(self.open))
        # A limit is in force until the next is older than any confirmation can be, and the way from there to here.
        known = now - (CONFIRM_SECONDS + SLACK_SECONDS) * (1 + RATE)
        ends = [since for since, _ in self.limits[1:]] + [float("inf")]
        allowed = max(m for (_, m), end in zip(self.limits, ends, strict=True) if end >= known)
        if len(self.open) > allowed and self.failure is None:
            self.failure = Violation(f"seed {self.seed}: {len(self.open)} open at {now:.3f}, the limit is {allowed}")

    def end(self, request: object) -> None:
        self.open.discard(request)

    def note(self) -> None:
        """A state that a failover may go back to."""
        if self.dice.random() < 0.02:
            self.images.append(self.database.snapshot())
            del self.images[:-3]

    def _check_progress(self) -> None:
        held = sum(node.lease.capacity for node in self.nodes)
        trusted = all(node.keeper.trusted for node in self.nodes)
        if (held != self.limit or not trusted) and self.failure is None:
            self.failure = Violation(f"seed {self.seed}: {held} of {self.limit} slots held at the end")

    async def _fault(self) -> None:
        node, dice = self.dice.choice(self.nodes), self.dice
        kind = dice.choice(self.faults)
        if kind == "crash":
            node.crash()
            await asyncio.sleep(dice.choice((0.0, 0.1, dice.uniform(0, 2 * TTL))))
            await node.start()
        elif kind == "restart":
            await node.stop()
            await node.start()
        elif kind == "toggle":
            await node.toggle(dice.choice((0.0, 0.3, 2.0)))
        elif kind == "limit":
            self.limit = dice.choice((1, 2, 3, 5))
            self.database.set_limit(self.source, self.limit)
            self.limits.append((asyncio.get_running_loop().time(), self.limit))
        elif kind == "failover":
            self._fail_over()
        elif kind == "freeze":
            node.line.freeze()
            await asyncio.sleep(dice.uniform(0.1, 2.5 * TTL))
            node.line.thaw()
        else:
            lines = [node.line] if kind == "cut" else [other.line for other in self.nodes]
            what = "read_only" if kind == "read-only" else "cut"
            for line in lines:
                setattr(line, what, True)
            await asyncio.sleep(dice.uniform(0.1, 2.5 * TTL))
            for line in lines:
                setattr(line, what, False)

    def _fail_over(self) -> None:
        """Another server goes on from an earlier state, with the limit and deadlines of now."""
        if self.images:
            self.database.restore(self.dice.choice(self.images))
            self.images.clear()
            self.database.execute("update era set server = 'the one before'")
            self.database.set_limit(self.source, self.limit)


class Node:
    """One process after the other with one state directory."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.name = f"n{number}"
        self.clock = VirtualClock(1 + world.dice.uniform(-RATE, RATE))
        self.running = False
        self._tasks: list[asyncio.Task[Any]] = []

    lease: Lease

    async def start(self) -> None:
        if self.running:
            return
        world = self.world
        self.running = True
        dice = random.Random(world.dice.random())
        self.line = Line(world.database, TTL / 5, dice, world.loss)
        self.line.on_step = world.note
        self.keeper = LeaseKeeper(
            self.line, node=self.name, state_dir_id=self.name, beat_seconds=BEAT, ttl_seconds=TTL, clock=self.clock
        )
        while True:
            with contextlib.suppress(Unavailable):
                await self.keeper.start()
                break
        self._hold()
        self._spawn(self.keeper.run())
        for _ in range(5):
            self._spawn(Poller(self, dice).run())

    def _hold(self) -> None:
        definition = StepFunctionsSource(activityname="a", path="/", maxconcurrency=self.world.limit)
        source = EventSource(SourceKey("p", "s"), ComponentKey("p", "c"), 1, True, definition, self.world.source)
        self.lease = self.keeper.hold(source)

    async def toggle(self, seconds: float) -> None:
        """Lets the source go and takes it up again."""
        keeper, lease = self.keeper, self.lease
        keeper.drop(lease)
        await asyncio.sleep(seconds)
        if keeper is self.keeper:
            self._hold()
            lease.tell()

    def calm(self) -> None:
        self.line.loss = 0.0
        self.line.cut = False
        self.line.thaw()
        self.world.loss = 0.0

    def crash(self) -> None:
        self.running = False
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    async def stop(self) -> None:
        """In order: no more polls, what is open ends, then the session."""
        if not self.running:
            return
        self.keeper.leave()
        for task in self._tasks[1:]:
            task.cancel()
        await asyncio.wait(self._tasks[1:])
        with contextlib.suppress(Unavailable):
            await self.keeper.stop()
        self.crash()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))


class Poller:
    """Takes a slot, polls a little, dispatches what comes."""

    def __init__(self, node: Node, dice: random.Random) -> None:
        self.node, self.dice = node, dice

    async def run(self) -> None:
        while True:
            lease = self.node.lease
            slot = lease.take()
            if slot is None:
                await lease.changed()
                continue
            try:
                await asyncio.sleep(self.dice.choice((0.0, 0.05, 0.2)))
                if self.dice.random() < 0.8:
                    await self._work(slot)
            except LeaseLost:
                pass
            finally:
                slot.give_back()

    async def _work(self, slot: Slot) -> None:
        seconds = self.dice.choice((0.2, LONGEST, self.dice.uniform(0.1, LONGEST)))
        await slot.admit(seconds)
        await asyncio.sleep(self.dice.choice((0.0, 0.0, 0.9 * SLACK_SECONDS)))
        world, loop, request = self.node.world, asyncio.get_running_loop(), object()
        world.begin(request)
        cut = loop.call_later(seconds / self.node.clock.rate, world.end, request)  # also if nobody is left to cut it
        try:
            await asyncio.sleep(seconds * self.dice.choice((0.01, 0.5, 1.0)) / self.node.clock.rate)
        finally:
            if self.node.running:  # a request that is cut ends, too; a crash cuts nothing
                world.end(request)
                cut.cancel()


def simulate(seed: int, **options: Any) -> World:
    """One run; raises Violation. The same seed gives the same run."""
    logging.getLogger("maelstrom.leases").setLevel(logging.CRITICAL)
    random.seed(seed)
    world = World(seed, **options)
    kept = term.SLACK_SECONDS, term.EXTRA_SECONDS
    term.SLACK_SECONDS, term.EXTRA_SECONDS = SLACK_SECONDS, EXTRA_SECONDS
    try:
        run(world.live())
    finally:
        term.SLACK_SECONDS, term.EXTRA_SECONDS = kept
        world.database.close()
    return world
