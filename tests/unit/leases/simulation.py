"""Several real keepers over rows in memory in virtual time, with faults drawn from a seed, and an oracle.

Nodes are processes: they are killed and frozen at any await, their statements get lost, come late or twice. A crashed
node's requests stay open until their deadline: the component goes on. After the trouble the nodes that can work must
hold all of the limit again, within the time that was promised.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from typing import Any

from maelstrom.leases.later import name_of
from tests.fakes.lease_rows import Image, LeaseRows
from tests.support.processes import Handle, ProcessLoop
from tests.unit.leases.faults import FAULTS, Faults
from tests.unit.leases.nodes import Node
from tests.unit.leases.oracle import Oracle, Request, Violation
from tests.unit.leases.pace import BEAT, CONFIRM_SECONDS, LONGEST, LOST_COMMITS, RATE, SLACK_SECONDS, TTL, quick

__all__ = ["FAULTS", "Violation", "World", "simulate"]


class World:
    def __init__(self, seed: int, *, faults: tuple[str, ...] = FAULTS, loss: float | None = None) -> None:
        self.seed = seed
        self.dice = dice = random.Random(seed)
        self.loop = ProcessLoop(dice)
        self.rows = LeaseRows(now=lambda: dice.uniform(0, 2e9))
        self.limit = dice.choice((1, 2, 3, 5))
        kinds = sorted(set(faults))
        kinds = dice.sample(kinds, min(len(kinds), dice.choice((1, 2, 3, 5))))
        # In an outage nobody dies: afterwards nobody waits for deadlines, however long they are.
        self.outages_only = kinds == ["outage"]
        self.longest = 5 * LONGEST if self.outages_only else LONGEST  # s: the deadline that is put
        self.all_long = dice.random() < 0.3  # every request takes all of its time
        longest = round(self.longest * 1000)
        self.source = self.rows.add_source(
            self.limit, high_ms=longest, settled_ms=longest, width=dice.choice((1, 2, 5))
        )
        self.oracle = Oracle(self.rows, self.source, (CONFIRM_SECONDS + SLACK_SECONDS) * (1 + RATE))
        self.oracle.limit(float("-inf"), self.limit)
        self.stalled_until = 0.0
        self.calm = False
        drawn = dice.choice((0.0, 0.02, 0.15))
        self.loss = drawn if loss is None else loss  # of requests and answers
        self.nodes = [Node(self, i) for i in range(dice.choice((2, 2, 3, 3, 4, 5)))]
        self._images: list[tuple[float, Image]] = []
        self._deferring: dict[str, tuple[Request | None, float]] = {}
        self._faults = Faults(self, kinds)

    @property
    def now(self) -> float:
        return self.loop.now

    async def live(self) -> None:
        """Trouble, then rest; raises Violation."""
        for node in self.nodes:
            if self.dice.random() < 0.8:
                node.start()
        end = self.now + self.dice.uniform(4.0, 18.0)
        pause = self.dice.choice((2.0, 4.0, 2 * LONGEST))  # s between two faults, at most
        while self.now < end:
            await asyncio.sleep(self.dice.uniform(0.2, pause))
            self._check()
            self._faults.draw()
        await self._rest()
        self._check()

    async def _rest(self) -> None:
        """All faults are over: capacity is used again as soon as was promised."""
        self.calm, self.loss, self.stalled_until = True, 0.0, 0.0
        self._faults.end()
        for node in self.nodes:
            node.calm()
        source = self.rows.sources[self.source]
        waits = 0.0 if self.outages_only else 2 * TTL + 1.1 * (source.high_ms / 1000 + 3) + LOST_COMMITS
        deadline = self.now + waits + TTL + 14 * BEAT
        while not self._all_is_used():
            self._check()
            if self.now > deadline:
                held = {node.name: node.capacity for node in self.nodes}
                raise Violation(f"I3, I4: {held} of {self.limit} slots held at the end, pollers of {source.width}")
            await asyncio.sleep(0.25)
        most = max(m for _, m in self.oracle.limits)
        if source.max_inflight > most and not self.oracle.forgiven:
            raise Violation(f"the audit says {source.max_inflight} were open, of {most}")

    def _all_is_used(self) -> bool:
        """All of the limit is held by those who can work, and their pollers are the same in number to within one."""
        fit = [node.capacity for node in self.nodes if not node.broken]
        width = self.rows.sources[self.source].width or 1
        pollers = [math.ceil(capacity / width) for capacity in fit]
        even = self.outages_only or max(pollers) - min(pollers) <= 1  # a busy one drains for as long as it takes
        return even and sum(fit) == self.limit and all(node.trusted for node in self.nodes)

    def _check(self) -> None:
        if self.oracle.failure:
            raise Violation(self.oracle.failure)
        for trouble in self.loop.troubles:
            raise trouble

    # what nodes and their ways use

    def after(self, seconds: float, callback: Callable[..., Any], *values: Any) -> Handle:
        """Outside of all nodes: happens whatever becomes of them."""
        loop = self.loop
        return loop.call_at(loop.now + seconds, callback, *values, context=loop.outside.context)

    def execute(self, name: str, values: tuple[Any, ...], named: dict[str, Any]) -> Any:
        era = self.rows.era
        wanted = self.oracle.obtainable(values[1]) if name == "grant" else 0
        result = getattr(self.rows, name)(*values, **named)
        if result:
            trusting = {node.session for node in self.nodes if node.trusted} if name == "bury" else set()
            self.oracle.executed(self.now, name, values, result, trusting)
        if name == "defer":
            for item in result or ():
                self._deferred(item.task)
        if wanted and result == []:
            self.oracle.fail(f"nothing was granted where {wanted} were free")
        if self.rows.era != era:
            self.oracle.new_era()
        return result

    def step(self) -> None:
        """Now and then a state that a failover may go back to."""
        if self.dice.random() < 0.03:
            self._images.append((self.now, self.rows.snapshot()))
            del self._images[:-4]

    def begin(self, request: Request, row: str | None, seconds: float) -> None:
        """A request of at most so long is sent under that lease row."""
        self.oracle.begin(self.now, request)
        self.oracle.covered(self.now, row, seconds)
        known = (image[4][self.source].high_ms for at, image in self._images if self.now - at < LOST_COMMITS)
        if 1000 * seconds * (1 - RATE) > min(known, default=math.inf) + 1:
            self.oracle.fail("a deadline was used that a failover may forget")

    def put_limit(self, m: int) -> None:
        self.limit = self.rows.sources[self.source].m = m
        self.oracle.limit(self.now, m)

    def put_deadline(self, seconds: float) -> None:
        self.longest = seconds
        source = self.rows.sources[self.source]
        source.high_ms = max(source.high_ms, round(seconds * 1000))

    def go_back(self, server: str | None) -> None:
        """Another server goes on from an earlier state, or the same from a copy that was put back."""
        images = [image for at, image in self._images if self.now - at < LOST_COMMITS]
        if server is None:  # out of reach where somebody who cannot know begins to work first
            images = [image for image in images if all(self._would_notice(node, image) for node in self.nodes)]
        if not images:
            return
        before = self.rows.snapshot()
        self.rows.restore(self.dice.choice(images))
        if server is not None:
            self.rows.server = server
        self._images.clear()
        self.limit = self.rows.sources[self.source].m or 0
        self.oracle.restored(self.now, before)

    def _would_notice(self, node: Node, image: Image) -> bool:
        era, _, _, _, sources = image
        return node.memory.knows_better(era, sum(source.epoch for source in sources.values()))

    def answer(self, request: Request, token: str) -> None:
        """The component answers for a task: on any node that runs."""
        if request not in self.oracle.open:
            return
        self.oracle.end(request)
        running = [node for node in self.nodes if node.running]
        if running:
            self.dice.choice(running).answer(token)

    def deferring(self, request: Request, token: str, seconds: float) -> None:
        """From when its row is there the request has so long, counted from now; until then it has its deadline."""
        request.task = name_of(token)
        self._deferring[request.task] = request, self.now + seconds

    def _deferred(self, task: str) -> None:
        request, until = self._deferring.pop(task, (None, 0.0))
        if request is not None and request in self.oracle.open:
            request.cut.cancel()
            request.cut = self.after(max(0.0, until - self.now), self.oracle.end, request)


def simulate(seed: int, **options: Any) -> World:
    """One run; raises Violation. The same seed gives the same run."""
    with quick(seed):
        world = World(seed, **options)
        try:
            world.loop.run(world.live())
        except Exception as error:
            reason = str(error) if isinstance(error, Violation) else f"{type(error).__name__}: {error}"
            raise Violation(f"seed {seed}: {reason}; make simulate SEEDS={seed}-{seed} runs it again") from error
        finally:
            for node in world.nodes:
                node.crash()
        return world
