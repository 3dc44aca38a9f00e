"""The keeper on real databases, in real time: hand-over by notice, a database that is frozen, locked or cut off."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from maelstrom.leases.clock import SteadyClock
from maelstrom.leases.keeper import LeaseKeeper
from maelstrom.leases.lease import Lease, Slot
from maelstrom.registry.engine import make_engine
from tests.contract.leases.cluster import Cluster
from tests.support.postgres import PostgresServer
from tests.support.wait import eventually

BEAT, TTL = 0.3, 2.0  # short, so that an outage of more than a ttl is


class Keepers:
    """Nodes of one cluster in this process, each with an engine of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engines: list[AsyncEngine] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, node: str, *, beat: float = BEAT, ttl: float = TTL) -> LeaseKeeper:
        engine = make_engine(self._url)
        self._engines.append(engine)
        keeper = LeaseKeeper(
            engine,
            node=node,
            state_dir_id=node,
            beat_seconds=beat,
            ttl_seconds=ttl,
            clock=SteadyClock(),
            listen_url=self._url if self._url.startswith("postgresql") else None,
        )
        await keeper.start()
        self._tasks.append(asyncio.create_task(keeper.run()))
        return keeper

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for engine in self._engines:
            await engine.dispose()


@pytest.fixture
def cluster(stored_cluster: Cluster) -> Cluster:
    return stored_cluster


@pytest.fixture
async def keepers(cluster: Cluster, url: str) -> AsyncIterator[Keepers]:
    made = Keepers(url)
    yield made
    await made.close()


async def slot_of(lease: Lease) -> Slot:
    while (slot := lease.take()) is None:
        await lease.changed()
    return slot


async def test_a_lease_from_grant_to_release(keepers: Keepers, cluster: Cluster) -> None:
    source = await cluster.event_source(2)
    keeper = await keepers.start("a")
    lease = keeper.hold(source)
    async with asyncio.timeout(10):
        slots = [await slot_of(lease) for _ in range(2)]
        epochs = [await slot.admit(30) for slot in slots]
    assert epochs == [lease.epoch] * 2
    assert lease.take() is None
    audit = await keeper.audit(source.id)
    assert (audit.limit, audit.inflight, [x.capacity for x in audit.leases]) == (2, 2, [2])
    for slot in slots:
        slot.give_back()

    async def noted() -> bool:
        found = await cluster.statements.audit(source.id)
        return found is not None and (found.max_inflight, found.inflight) == (2, 0)

    await eventually(noted)
    await keeper.stop()
    assert await cluster.total(source.id) == 0
    assert [row.alive for row in await cluster.statements.sessions()] == [False]


async def test_what_one_node_gives_up_another_has_soon(keepers: Keepers, cluster: Cluster) -> None:
    source = await cluster.event_source(3)
    a, b = await keepers.start("a"), await keepers.start("b")
    one = a.hold(source)
    await eventually(lambda: one.capacity == 3)
    two = b.hold(source)
    a.drop(one)
    await eventually(lambda: two.capacity == 3)
    await cluster.change(source.id, m=1)
    await eventually(lambda: two.capacity == 1)
    await b.stop()
    three = a.hold(source)
    await eventually(lambda: three.capacity == 1)


async def test_a_notice_hands_over_without_waiting_for_a_beat(postgres_cluster: Cluster, postgres_url: str) -> None:
    keepers = Keepers(postgres_url)
    source = await postgres_cluster.event_source(2)
    a = await keepers.start("a", beat=30, ttl=100)
    b = await keepers.start("b", beat=30, ttl=100)
    one = a.hold(source)
    await eventually(lambda: one.capacity == 2)
    two = b.hold(source)
    slot = await slot_of(one)
    a.drop(one)
    await eventually(lambda: two.capacity == 1)
    slot.give_back()
    await eventually(lambda: two.capacity == 2)
    await keepers.close()


async def test_who_leaves_hands_over_by_notice_as_it_drains(postgres_cluster: Cluster, postgres_url: str) -> None:
    """Also a share that has to move because a node joins or cannot work the source: no beat is waited for."""
    keepers = Keepers(postgres_url)
    source = await postgres_cluster.event_source(4)
    a = await keepers.start("a", beat=60, ttl=200)
    b = await keepers.start("b", beat=60, ttl=200)
    one = a.hold(source)
    await eventually(lambda: one.capacity == 4)
    two = b.hold(source)
    await eventually(lambda: (one.capacity, two.capacity) == (2, 2))
    slot = await slot_of(one)
    await slot.admit(60)
    a.leave()
    await eventually(lambda: (one.capacity, two.capacity) == (1, 3))
    slot.give_back()
    await eventually(lambda: two.capacity == 4)
    await keepers.close()


async def outage(keepers: Keepers, cluster: Cluster, begin: Callable[[], object], end: Callable[[], object]) -> None:
    """Two nodes through an outage of more than a ttl: no trust in it, both alive and at work after it."""
    source = await cluster.event_source(2)
    a, b = await keepers.start("a"), await keepers.start("b")
    lease = a.hold(source)
    await eventually(lambda: lease.capacity == 2)
    session = {row.node: row.id for row in await cluster.statements.sessions()}
    begin()
    try:
        await eventually(lambda: not a.trusted and not b.trusted, within=TTL + 3)
        assert lease.take() is None
        await asyncio.sleep(TTL / 2)  # the outage itself: longer than anybody's ttl
    finally:
        end()
    async with asyncio.timeout(30):
        slot = await slot_of(lease)
        await slot.admit(5)
    await eventually(lambda: b.trusted, within=10)
    assert {row.node: row.id for row in await cluster.statements.sessions() if row.alive} == session


async def test_a_frozen_server_ends_trust_and_buries_nobody(
    postgres_cluster: Cluster, postgres_url: str, postgres: PostgresServer
) -> None:
    keepers = Keepers(postgres_url)
    await outage(
        keepers,
        postgres_cluster,
        lambda: signal_all(postgres, signal.SIGSTOP),
        lambda: signal_all(postgres, signal.SIGCONT),
    )
    await keepers.close()


async def test_a_server_that_crashed_and_came_back_is_gone_on_with(
    postgres_cluster: Cluster, postgres_url: str, postgres: PostgresServer
) -> None:
    keepers = Keepers(postgres_url)
    await outage(keepers, postgres_cluster, postgres.crash, postgres.start)
    await keepers.close()


async def test_a_file_locked_by_somebody_ends_trust_and_buries_nobody(sqlite_url: str) -> None:
    engine = make_engine(sqlite_url)
    cluster, keepers = Cluster(engine), Keepers(sqlite_url)
    await cluster.prepare()
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    await outage(keepers, cluster, lambda: other.execute("begin exclusive"), lambda: other.execute("rollback"))
    other.close()
    await keepers.close()
    await engine.dispose()


def signal_all(server: PostgresServer, number: signal.Signals) -> None:
    """To the server's main process and its children: connections stay, nothing is answered."""
    main = int((server.data / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
    for pid in [main, *map(int, children)]:
        with contextlib.suppress(ProcessLookupError):  # a connection that ended meanwhile
            os.kill(pid, number)
