"""A node of the simulation: one process after the other with one state directory, each with a real keeper."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import random
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, cast

from maelstrom.leases.keeper import LeaseKeeper
from maelstrom.leases.lease import Lease, Slot
from maelstrom.leases.statements import Statements
from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import LeaseLost, Unavailable
from maelstrom.model.source import EventSource, SourceKey, StepFunctionsSource
from tests.support.processes import Process
from tests.unit.leases.network import Network
from tests.unit.leases.oracle import Request
from tests.unit.leases.pace import BEAT, LONGEST, LOST_COMMITS, RATE, SLACK_SECONDS, TTL

if TYPE_CHECKING:
    from tests.unit.leases.simulation import World


@functools.cache
def event_source(id: int, limit: int) -> EventSource:
    definition = StepFunctionsSource(activityname="a", path="/", maxconcurrency=limit)
    return EventSource(SourceKey("p", "s"), ComponentKey("p", "c"), 1, True, definition, id)


def broken_is_told(lease: Lease) -> None:
    lease.unfit("broken")


class NodeClock:
    """Runs a little too fast or too slow; the wall clock beside it is stepped, and nothing may depend on it."""

    def __init__(self, world: World) -> None:
        self.rate = 1 + world.dice.choice((-RATE, RATE, world.dice.uniform(-RATE, RATE)))
        self.step = 0.0
        self._loop = world.loop

    def monotonic(self) -> float:
        return self._loop.now * self.rate

    def now(self) -> float:
        return 1.7e9 + self._loop.now + self.step

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.rate)


class StateDirectory:
    """What outlives a node's processes."""

    def __init__(self) -> None:
        self._text = ""

    def recall(self) -> str:
        return self._text

    def keep(self, text: str) -> None:
        self._text = text

    def knows_better(self, era: str, flushed: int) -> bool:
        """It would notice if the database were like that again."""
        known = json.loads(self._text or '{"eras": [], "flushed": 0}')
        return era in known["eras"] and (era != known["eras"][-1] or flushed < known["flushed"])


class Node:
    def __init__(self, world: World, number: int) -> None:
        self.name = f"n{number}"
        self.world = world
        self.clock = NodeClock(world)
        self.process: Process | None = None
        self.broken = False  # it reaches the database, and not what is to be polled
        self.network: Network
        self.keeper: LeaseKeeper
        self.lease: Lease | None = None
        self._dice = random.Random(world.dice.random())
        self.memory = StateDirectory()
        self._works = 0
        self._idle = asyncio.Event()
        self._stopping = False

    @property
    def running(self) -> bool:
        return self.process is not None and not self.process.dead

    @property
    def capacity(self) -> int:
        return self.lease.capacity if self.running and self.lease is not None else 0

    @property
    def trusted(self) -> bool:
        return self.running and self.keeper.trusted

    @property
    def session(self) -> str:
        return self.keeper._session() or ""

    # from outside

    def start(self) -> None:
        if self.running:
            return
        self.process = self.world.loop.process()
        self.lease = None
        self._works = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self.network = Network(self.world, TTL / 5, self._dice)
        self.keeper = LeaseKeeper(
            cast(Statements, self.network),
            node=self.name,
            state_dir_id=self.name,
            beat_seconds=BEAT,
            ttl_seconds=TTL,
            clock=self.clock,
            lost_commits_seconds=LOST_COMMITS,
            memory=self.memory,
        )
        self.process.spawn(self._run())

    def crash(self) -> None:
        if self.process is not None:
            self.process.kill()

    def stop(self) -> None:
        """In order: no more polls, what is open ends, then the session."""
        if self.process is not None and self.running and self.lease is not None:
            self._stopping = True
            self.process.spawn(self._stop())

    def toggle(self, seconds: float) -> None:
        """Lets the source go and takes it up again."""
        if self.process is not None and self.running:
            self.process.spawn(self._toggle(seconds))

    def pause(self, seconds: float) -> None:
        if self.process is not None and self.running and self.lease is not None:
            self.process.spawn(self._pause(self.lease, seconds))

    def answer(self, token: str) -> None:
        assert self.process is not None, "only what runs is asked"
        self.process.spawn(self._answer(token))

    def calm(self) -> None:
        if self.process is not None:
            self.process.thaw()
        if self._stopping:
            self.crash()
        self.start()
        self.network.cut = self.network.read_only = False

    # inside the process

    async def _run(self) -> None:
        while True:
            try:
                await self.keeper.start()
                break
            except Unavailable:
                await asyncio.sleep(0.1)
        self._hold()
        for work in (self.keeper._loops.write(), self.keeper._loops.observe()):  # as `run` does, which waits for both
            asyncio.get_running_loop().create_task(self._must_not_fail(work))
        while True:
            lease = self.lease
            assert lease is not None, "it is held from the start on"
            slot = lease.take()
            if slot is None:
                await lease.changed()
            else:
                asyncio.get_running_loop().create_task(self._poll(lease, slot))

    async def _must_not_fail(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            self.world.loop.call_exception_handler({"defect": error})
            raise

    def _hold(self) -> None:
        source = self.world.rows.sources[self.world.source]
        self.lease = self.keeper.hold(event_source(source.id, source.m or 1))

    async def _stop(self) -> None:
        self.keeper.leave()
        await self._idle.wait()
        with contextlib.suppress(Unavailable):
            await self.keeper.stop()
        self.world.after(0, self.crash)

    async def _toggle(self, seconds: float) -> None:
        if self.lease is None:
            return
        before = self.lease
        self.keeper.drop(before)
        await asyncio.sleep(seconds)
        self._hold()
        before.tell()

    async def _pause(self, lease: Lease, seconds: float) -> None:
        with contextlib.suppress(Unavailable):
            await lease.pause(seconds)

    async def _answer(self, token: str) -> None:
        with contextlib.suppress(Unavailable):
            await self.keeper.answered(token)

    async def _poll(self, lease: Lease, slot: Slot) -> None:
        """A poll, and what it brings."""
        self._works += 1
        self._idle.clear()
        try:
            await asyncio.sleep(self._dice.choice((0.01, 0.05, 0.2)))
            if self.broken:
                broken_is_told(lease)
                await asyncio.sleep(0.3)
                return
            lease.fit()
            if self._dice.random() < 0.8:
                await self._work(lease, slot)
        except LeaseLost:
            pass  # given back to the service
        finally:
            slot.give_back()
            self._works -= 1
            if not self._works:
                self._idle.set()

    async def _work(self, lease: Lease, slot: Slot) -> None:
        dice, world = self._dice, self.world
        longest = min(world.longest, lease.allowed_seconds)
        seconds = longest if world.all_long else dice.choice((0.2, 1.0, longest, dice.uniform(0.1, longest)))
        await slot.admit(seconds)
        admitted = self.clock.monotonic()
        await asyncio.sleep(dice.choice((0.0, 0.0, 0.9 * SLACK_SECONDS)))
        if self.clock.monotonic() - admitted > SLACK_SECONDS:
            return  # too late: it is given back
        request = Request(self)
        ends = seconds / self.clock.rate
        world.begin(request, lease.term.row, ends)
        request.cut = world.after(ends, world.oracle.end, request)  # also if nobody is left to cut it
        took = ends * (1.0 if world.all_long else dice.choice((0.01, 0.1, 0.5, 1.0)))
        later = dice.random() < 0.12 and not world.calm  # at rest, what tasks hold comes back
        answered = asyncio.get_running_loop().create_future()
        world.after(took, self._answered, self.process, request, answered, later)
        await answered
        if later and self.clock.monotonic() - admitted < seconds:
            await self._defer(slot, request)
        else:
            world.oracle.end(request)

    def _answered(self, process: Process, request: Request, answered: asyncio.Future[None], later: bool) -> None:
        """The component is done. If its caller is gone it may go on up to the deadline, for all that is known."""
        if not process.dead:
            if not later:
                self.world.oracle.end(request)
            answered.set_result(None)

    async def _defer(self, slot: Slot, request: Request) -> None:
        world, token = self.world, f"task {self._dice.random()}"
        seconds = self._dice.uniform(0.2, LONGEST)
        world.deferring(request, token, seconds / self.clock.rate)
        if not await slot.defer(token, seconds):
            world.oracle.end(request)  # it is told to be over
        elif self._dice.random() < 0.8:
            world.after(seconds * self._dice.random(), world.answer, request, token)
