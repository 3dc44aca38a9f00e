"""A node with workers is followed by a new process, with workers of its own: one limit for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.daemon.handover import Former, Heir
from maelstrom.workers.branch import Branch
from maelstrom.workers.crew import Crew
from maelstrom.workers.lender import Host
from tests.integration.workers.conftest import Crowd, Node, Work, get, running
from tests.support.wait import eventually

GRACE = 20.0


class Upgrade:
    """What the daemon does of it, in one process: `old` drains, `new` owns the instances."""

    def __init__(self, old: Node, new: Node) -> None:
        soon = asyncio.get_running_loop().call_soon
        self.old = old
        self.heir = Heir(new.pools.get, lambda message: soon(self.former.told, message), time.monotonic)
        self.former = Former(old.pools.values(), lambda message: soon(self.heir.told, message))
        self.draining = asyncio.create_task(old.crew.drain(GRACE, followed=True))
        self.heir.holds(self.former.switch())
        for name, pool in old.pools.items():
            self.adopt(new.pools[name], pool)
        self.former.begin()
        new.crew.may_begin.set()
        new.tell()
        self.ended = asyncio.create_task(self.end())

    def adopt(self, pool: Pool, former: Pool) -> None:
        for one in former.instances:
            limit = former.component.definition.maxconcurrency
            instance = Instance(one.id, one.component, one.version, one.fingerprint, limit)
            instance.address = one.address
            pool.instances.append(instance)
            self.heir.adopted(pool, instance)
            instance.state = "ready"
            pool.grant()

    async def end(self) -> int:
        """How many connections had to be cut in the old process."""
        while not self.draining.done():
            self.former.look()
            await asyncio.sleep(0.01)
        self.former.look()
        self.heir.over()
        return await self.draining


@contextlib.asynccontextmanager
async def two_nodes() -> AsyncIterator[tuple[Node, Node]]:
    async with running(2) as old, running(2, follows=old) as new:
        yield old, new


def component(old: Node, new: Node, name: str, limit: int) -> Pool:
    new.component(name, maxconcurrency=limit)
    return old.component(name, maxconcurrency=limit)


async def test_no_request_is_lost_and_no_limit_exceeded_by_those_that_run_wait_or_come_meanwhile() -> None:
    async with two_nodes() as (old, new):
        busy, held, queued = Work(), Work(), Work()
        await old.instance(component(old, new, "busy", 3), busy)
        await old.instance(component(old, new, "held", 1), held)
        await old.instance(component(old, new, "queued", 2), queued)
        old.tell()
        for work in (held, queued):
            work.gate.clear()
        first = await old.caller()
        first.send(get("held"))
        waiting = [await old.caller() for _ in range(6)]
        for caller in waiting:
            caller.send(get("queued"))
        await eventually(lambda: (held.now, queued.now, len(old.pools["shop_queued"].queue)) == (1, 2, 4))
        os.kill(new.crew.pids[0], signal.SIGKILL)  # before it has anything to do: another takes its place
        async with Crowd(old, "busy", 12) as crowd:
            await eventually(lambda: crowd.codes[200] >= 100, within=20)
            upgrade = Upgrade(old, new)
            so_far = set(busy.processes)
            await eventually(lambda: len(set(busy.processes) - so_far) == 2, within=20)
            answered = crowd.codes[200]
            await eventually(lambda: crowd.codes[200] >= answered + 200, within=20)
        assert set(crowd.codes) == {200}
        assert busy.peak == 3

        late = await new.caller()
        late.send(get("queued"))
        await eventually(lambda: len(new.pools["shop_queued"].queue) == 5)
        queued.gate.set()
        for caller in (*waiting, late):
            assert (await caller.answer()).status == 200
        assert queued.peak == 2

        await a_worker_of_the_old_process_is_killed(upgrade, new, held)


async def a_worker_of_the_old_process_is_killed(upgrade: Upgrade, new: Node, held: Work) -> None:
    """Its container still works on what it sent: the slot is taken, in the new process, too."""
    second = await new.caller()
    second.send(get("held"))
    pool = new.pools["shop_held"]
    await eventually(lambda: len(pool.queue) == 1)
    for pid in upgrade.old.crew.pids:
        os.kill(pid, signal.SIGKILL)
    looks = looked_at(upgrade.old.crew)
    await eventually(lambda: len(looks) > 2 or upgrade.ended.done())
    assert (held.now, held.peak, len(pool.queue)) == (1, 1, 1)
    held.gate.set()
    assert (await second.answer()).status == 200
    assert held.peak == 1
    await upgrade.ended
    await eventually(lambda: pool.in_flight == 0)


def looked_at(crew: Crew) -> list[int]:
    """How many slots of a dead worker are still taken, each time that this is looked at."""
    lender = crew._duty.lender
    settle, looks = lender.settle, []

    def settled(branch: Branch, held: Mapping[Host, int]) -> int:
        looks.append(settle(branch, held))
        return looks[-1]

    lender.settle = settled  # type: ignore[method-assign]
    return looks
