"""What real keepers send: transactions counted where they reach the driver, while leases rest and while they work."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

from benchmarks.leases.databases import Database
from maelstrom.leases.clock import SteadyClock
from maelstrom.leases.dialects import statements_over
from maelstrom.leases.keeper import LeaseKeeper
from maelstrom.leases.lease import Lease
from maelstrom.leases.statements import Statements

BEAT, TTL = 1.0, 10.0
GRANTED_SECONDS = 10.0
MEASURED_SECONDS = 2.0
WORK_SECONDS = 0.25  # of each request
DEADLINE = 5.0
RENEWALS = ("beat", "ask")


class Counted:
    """Statements, counted by name."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> object:
        self.calls[name] += 1
        found: object = getattr(self._statements, name)
        return found


@dataclass(frozen=True)
class Sent:
    """A second: of one node, and of all together."""

    renewals_at_rest: float
    all_at_rest: float
    renewals_at_work: float
    all_at_work: float
    granted_seconds: float
    admitted: float


async def measure(database: Database, nodes: int) -> Sent | None:
    """None where the leases were not granted in time."""
    async with _keepers(database, nodes) as (keepers, counted):
        leases = [keeper.hold(source) for keeper in keepers for source in database.sources]
        begun = time.monotonic()
        while sum(lease.capacity for lease in leases) < len(database.sources):
            if time.monotonic() > begun + GRANTED_SECONDS:
                return None
            await asyncio.sleep(0.05)
        granted = time.monotonic() - begun
        await asyncio.sleep(2 * BEAT)
        rest = await _count(counted)
        admitted = [0]
        async with asyncio.TaskGroup() as group:
            work = [group.create_task(_work(lease, admitted)) for lease in leases if lease.capacity]
            await asyncio.sleep(BEAT)
            before = admitted[0]
            busy = await _count(counted)
            done = admitted[0] - before
            for task in work:
                task.cancel()
    per_node = MEASURED_SECONDS * nodes
    return Sent(
        sum(rest[name] for name in RENEWALS) / per_node,
        rest.total() / MEASURED_SECONDS,
        sum(busy[name] for name in RENEWALS) / per_node,
        busy.total() / MEASURED_SECONDS,
        granted,
        done / MEASURED_SECONDS,
    )


@contextlib.asynccontextmanager
async def _keepers(database: Database, nodes: int) -> AsyncIterator[tuple[list[LeaseKeeper], list[Counted]]]:
    engines = [database.engine() for _ in range(nodes)]
    counted = [Counted(statements_over(engine, TTL)) for engine in engines]
    keepers = [
        LeaseKeeper(
            one,  # type: ignore[arg-type]  # stands for the protocol by forwarding
            node=f"n{number}",
            state_dir_id=f"state of n{number}",
            beat_seconds=BEAT,
            ttl_seconds=TTL,
            clock=SteadyClock(),
            listen_url=database.notices,
        )
        for number, one in enumerate(counted)
    ]
    for keeper in keepers:
        await keeper.start()
    running = [asyncio.create_task(keeper.run()) for keeper in keepers]
    try:
        yield keepers, counted
    finally:
        for keeper in keepers:
            await keeper.stop()
        await asyncio.gather(*running)
        for engine in engines:
            await engine.dispose()


async def _count(counted: list[Counted]) -> Counter[str]:
    for one in counted:
        one.calls.clear()
    await asyncio.sleep(MEASURED_SECONDS)
    total: Counter[str] = Counter()
    for one in counted:
        total.update(one.calls)
    return total


async def _work(lease: Lease, admitted: list[int]) -> None:
    while True:
        slot = lease.take()
        if slot is None:
            await lease.changed()
            continue
        try:
            await slot.admit(DEADLINE)
            admitted[0] += 1
            await asyncio.sleep(WORK_SECONDS)
        finally:
            slot.give_back()
