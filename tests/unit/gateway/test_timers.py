"""One timer for all deadlines: none is missed, none comes early, and far ones cost nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from math import inf

import pytest

from maelstrom.gateway.timers import SLOT_SECONDS, Timers


class Entry:
    def __init__(self, deadline: float) -> None:
        self.watched_at = inf
        self.deadline = deadline
        self.looked: list[float] = []
        self.fired = 0.0

    def due(self, now: float) -> float:
        self.looked.append(now)
        if now < self.deadline:
            return self.deadline
        self.fired = now
        return inf


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def clock() -> Clock:
    return Clock()


@pytest.fixture
async def timers(clock: Clock) -> AsyncIterator[Timers]:
    made = Timers(asyncio.get_running_loop(), clock)
    yield made
    made.close()


async def test_each_deadline_is_met_within_a_slot(timers: Timers, clock: Clock) -> None:
    dice = random.Random(3)
    entries = [Entry(100.0 + dice.random() * 20) for _ in range(500)]
    for entry in entries:
        timers.watch(entry, entry.deadline)
    while clock.now < 121:
        clock.now += 0.01
        timers.look()
    for entry in entries:
        assert entry.deadline <= entry.fired <= entry.deadline + 2 * SLOT_SECONDS
        assert len(entry.looked) == 1


async def test_a_deadline_that_moves_away_is_found_at_the_old_time(timers: Timers, clock: Clock) -> None:
    entry = Entry(105.0)
    timers.watch(entry, 105.0)
    entry.deadline = 115.0
    clock.now = 110.0
    timers.look()
    assert len(entry.looked) == 1
    assert not entry.fired
    clock.now = 116.0
    timers.look()
    assert entry.fired == 116.0


async def test_a_deadline_that_comes_nearer_is_watched_anew(timers: Timers, clock: Clock) -> None:
    entry = Entry(101.0)
    timers.watch(entry, 190.0)
    timers.watch(entry, 101.0)
    clock.now = 101.2
    timers.look()
    assert entry.fired
    clock.now = 200.0
    timers.look()
    assert len(entry.looked) == 1


async def test_what_was_forgotten_is_not_looked_at(timers: Timers, clock: Clock) -> None:
    entries = [Entry(101.0) for _ in range(3)]

    class Forgets(Entry):
        def due(self, now: float) -> float:
            for entry in entries:
                timers.forget(entry)
            return inf

    for entry in (*entries, Forgets(101.0)):
        timers.watch(entry, 101.0)
    clock.now = 102.0
    timers.look()
    timers.look()
    assert sum(len(entry.looked) for entry in entries) <= 3
    assert all(entry.watched_at == inf for entry in entries)


async def test_one_that_fails_takes_no_other_with_it(timers: Timers, clock: Clock) -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(str(context["exception"])))

    class Fails(Entry):
        def due(self, now: float) -> float:
            raise ValueError("a fault in what was due")

    fine = [Entry(101.0) for _ in range(20)]
    for entry in (*fine[:10], Fails(101.0), *fine[10:]):
        timers.watch(entry, 101.0)
    clock.now = 102.0
    timers.look()
    assert all(entry.fired == 102.0 for entry in fine)
    assert told == ["a fault in what was due"]

    timers.watch(fine[0], 103.0)
    clock.now = 104.0
    timers.look()
    assert fine[0].fired == 104.0


async def test_the_loop_looks_by_itself() -> None:
    loop = asyncio.get_running_loop()
    timers = Timers(loop, loop.time)
    done = asyncio.Event()

    class Sets(Entry):
        def due(self, now: float) -> float:
            done.set()
            return inf

    timers.watch(Entry(loop.time() + 1000), loop.time() + 1000)
    timers.watch(Sets(0.0), loop.time() + 0.01)
    async with asyncio.timeout(5):
        await done.wait()
    timers.close()
