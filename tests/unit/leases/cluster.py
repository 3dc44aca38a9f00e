"""Keepers of several nodes over one database in memory, for tests in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from maelstrom.leases.keeper import LeaseKeeper
from maelstrom.leases.lease import Lease, Slot
from maelstrom.model.component import ComponentKey
from maelstrom.model.source import EventSource, SourceKey, StepFunctionsSource
from tests.unit.leases.database import Database, Line
from tests.unit.leases.virtual import VirtualClock

TTL, BEAT = 10.0, 3.0


class Node:
    """A keeper that runs, and its line to the database."""

    def __init__(self, cluster: Cluster, name: str, state_dir: str) -> None:
        self.line = Line(cluster.database, TTL / 5)
        self.clock = VirtualClock()
        self.keeper = LeaseKeeper(
            self.line, node=name, state_dir_id=state_dir, beat_seconds=BEAT, ttl_seconds=TTL, clock=self.clock
        )
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> Node:
        await self.keeper.start()
        self.task = asyncio.create_task(self.keeper.run())
        return self

    def crash(self) -> None:
        assert self.task is not None
        self.task.cancel()

    async def stop(self) -> None:
        await self.keeper.stop()
        assert self.task is not None
        await self.task

    async def slot(self, lease: Lease) -> Slot:
        """The next one that is free."""
        while (slot := lease.take()) is None:
            await lease.changed()
        return slot

    async def work(self, lease: Lease, seconds: float) -> Slot:
        """A request that is open for up to so many seconds."""
        slot = await self.slot(lease)
        await slot.admit(seconds)
        return slot


class Cluster:
    def __init__(self) -> None:
        self.database = Database()
        self.nodes: list[Node] = []

    async def node(self, name: str, *, state_dir: str | None = None) -> Node:
        node = Node(self, name, state_dir or name)
        self.nodes.append(node)
        return await node.start()

    def source(self, m: int, *, enabled: bool = True) -> EventSource:
        id = self.database.add_source(m, 60_000)
        definition = StepFunctionsSource(activityname="a", path="/", maxconcurrency=m)
        return EventSource(SourceKey("p", f"s{id}"), ComponentKey("p", "c"), 1, enabled, definition, id)

    def change(self, source: EventSource, column: str, value: object) -> None:
        self.database.execute(f"update event_sources set {column} = :v where id = :id", {"v": value, "id": source.id})

    def task_rows(self) -> int:
        return int(self.database.execute("select count(*) from leases where task is not null").scalar())


@asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    made = Cluster()
    try:
        yield made
    finally:
        tasks = [node.task for node in made.nodes if node.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        made.database.close()


async def until(check: Callable[[], object]) -> float:
    """The seconds that it took, in virtual time, until this was so."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    while not check():
        await asyncio.sleep(0.05)
        assert loop.time() - start < 1000, "never"
    return loop.time() - start
