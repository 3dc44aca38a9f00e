"""How long one node's statements take, with the rows of a whole cluster in the tables."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from benchmarks.leases.databases import Database
from maelstrom.leases.dialects import statements_over
from maelstrom.leases.rows import Held, Me, NewSession
from maelstrom.leases.statements import Statements
from maelstrom.leases.tables import leases
from maelstrom.leases.term import Ask
from maelstrom.registry.engine import transaction

TTL_MS = 3_600_000
BUSY_MS = 7_000
SECONDS = 60.0  # for each statement
FRESH = {"capacity": 1, "epoch": 1, "granted_at": 0.0}
SAMPLES = 8  # of each statement, over nodes that take turns


@dataclass(frozen=True)
class Durations:
    """Medians in milliseconds."""

    renewal: float
    beat: float
    look: float


class Holder:
    """One node's session and rows."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._me = Me("", 0, "")
        self._leases: list[str] = []
        self._held: list[Held] = []

    async def open(self, node: str, sources: Sequence[int], every: Sequence[int]) -> list[dict[str, Any]]:
        """The lease rows that it is to have."""
        ground = await self._statements.ground()
        new = NewSession(uuid4().hex, node, f"state of {node}", "boot", "1", TTL_MS)
        assert await self._statements.open_session(new, ground.era)
        self._me = Me(new.id, 0, ground.era)
        self._leases = [uuid4().hex for _ in sources]
        own = set(sources)
        self._held = [Held(source, 1 if source in own else None) for source in every]
        return [
            {"id": UUID(lease), "source": source, "session": UUID(new.id)} | FRESH
            for lease, source in zip(self._leases, sources, strict=True)
        ]

    async def renew(self) -> None:
        asks = [Ask(lease, BUSY_MS, None, 1) for lease in self._leases]
        await self._sent(self._statements.ask(self._me, asks))

    async def beat(self) -> None:
        await self._sent(self._statements.beat(self._me))

    async def look(self) -> None:
        await self._statements.view(self._held)

    async def close(self) -> None:
        await self._sent(self._statements.release(self._me, (), end=True))

    async def _sent(self, statement: Awaitable[Any]) -> None:
        assert await statement is not None
        self._me = replace(self._me, beat=self._me.beat + 1)


async def measure(database: Database, nodes: int) -> Durations:
    engines = [database.engine() for _ in range(min(nodes, SAMPLES))]
    every = [source.id for source in database.sources]
    holders, rows = [], []
    try:
        for number in range(nodes):
            holder = Holder(statements_over(engines[number % len(engines)], SECONDS))
            rows += await holder.open(f"n{number}", every[number::nodes], every)
            holders.append(holder)
        async with transaction(engines[0]) as connection:
            await connection.execute(leases.delete())
            await connection.execute(leases.insert(), rows)
        found = Durations(
            await _median(holders, Holder.renew),
            await _median(holders, Holder.beat),
            await _median(holders, Holder.look),
        )
        for holder in holders:
            await holder.close()
        return found
    finally:
        for engine in engines:
            await engine.dispose()


async def _median(holders: Sequence[Holder], statement: Callable[[Holder], Awaitable[None]]) -> float:
    taken = []
    for number in range(SAMPLES + 1):
        begun = time.perf_counter()
        await statement(holders[number % min(len(holders), SAMPLES)])
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[1:]) * 1000
