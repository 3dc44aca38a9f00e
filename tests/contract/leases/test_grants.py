"""Grants are counted: by all rows there are, under the source's row, whatever else happens at the same time."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import text

from maelstrom.leases import postgres_sql
from maelstrom.leases.statements import Want
from maelstrom.registry.engine import make_engine
from tests.contract.leases.cluster import AnyCluster, Cluster, Session

CLIENTS = 6


@pytest.fixture
async def clients(postgres_cluster: Cluster, postgres_url: str) -> AsyncIterator[list[Session]]:
    """Sessions with a connection each."""
    clusters = [Cluster(make_engine(postgres_url)) for _ in range(CLIENTS)]
    yield [await cluster.session(f"n{i}") for i, cluster in enumerate(clusters)]
    for cluster in clusters:
        await cluster.engine.dispose()


async def test_a_grant_gives_what_is_wanted_while_it_is_free(cluster: AnyCluster) -> None:
    source = await cluster.source(5)
    a, b = await cluster.session("a"), await cluster.session("b")
    assert (await a.granted(source, 2)).capacity == 2
    assert (await b.granted(source, 9)).capacity == 3
    assert await a.grant(source, 1) is None
    assert await cluster.total(source) == 5


async def test_a_row_grows_instead_of_a_second_one(cluster: AnyCluster) -> None:
    source = await cluster.source(5)
    a = await cluster.session()
    row = await a.granted(source, 2)
    grown = await a.granted(source, 9, row.id)
    assert (grown.id, grown.capacity, grown.epoch) == (row.id, 5, row.epoch)
    own = await cluster.statements.own(a.me.session)
    assert own is not None
    assert own.leases == (grown,)


async def test_the_epoch_rises_with_every_grant(cluster: AnyCluster) -> None:
    source = await cluster.source(2)
    a, b = await cluster.session("a"), await cluster.session("b")
    first = await a.granted(source, 2)
    await a.release(first.id)
    second = await b.granted(source, 1)
    third = await a.granted(source, 1)
    assert first.epoch < second.epoch < third.epoch


async def test_rows_of_the_dead_count_until_they_are_deleted(cluster: AnyCluster) -> None:
    source = await cluster.source(2)
    a, b = await cluster.session("a"), await cluster.session("b")
    await a.granted(source, 2)
    await a.die()
    assert await b.grant(source, 1) is None


async def test_nothing_is_granted_of_a_source_that_is_removed_or_not_polled(cluster: AnyCluster) -> None:
    a = await cluster.session()
    assert await a.grant(await cluster.source(2, removed=True, component=None), 1) is None
    assert await a.grant(await cluster.source(None), 1) is None
    assert await a.grant(2**40, 1) is None


async def test_nothing_is_granted_while_a_lower_limit_is_exceeded(cluster: AnyCluster) -> None:
    source = await cluster.source(4)
    a, b = await cluster.session("a"), await cluster.session("b")
    lease = await a.granted(source, 4)
    await cluster.change(source, m=2)
    assert await b.grant(source, 1) is None
    await a.ask(lease.id, capacity=1)
    assert (await b.granted(source, 5)).capacity == 1


async def test_several_sources_are_granted_by_one_statement(cluster: AnyCluster) -> None:
    sources = [await cluster.source(m) for m in (1, 2, 3)]
    a = await cluster.session()
    rows = a.went(await cluster.statements.grant(a.me, [Want(source, 2, uuid4().hex) for source in sources]))
    assert sorted((row.source, row.capacity) for row in rows) == list(zip(sources, (1, 2, 2), strict=True))


async def test_a_source_locked_by_somebody_is_left_out_and_not_waited_for(
    postgres_cluster: Cluster, postgres_url: str
) -> None:
    locked, free = await postgres_cluster.source(1), await postgres_cluster.source(1)
    a = await postgres_cluster.session()
    async with await psycopg.AsyncConnection.connect(postgres_url) as other:
        await other.execute("select from event_sources where id = %s for update", (locked,))
        assert await a.grant(locked, 1) is None
        assert await a.grant(free, 1) is not None
        await a.beat()
    assert await a.grant(locked, 1) is not None


async def test_clients_at_the_same_time_never_get_more_than_the_limit(clients: list[Session]) -> None:
    cluster = clients[0].cluster
    for limit in (1, 2, 3, 5):
        for _ in range(12):
            source = await cluster.source(limit)
            rows = await asyncio.gather(*(client.grant(source, random.randint(1, 2)) for client in clients))
            given = sum(row.capacity for row in rows if row is not None)
            assert given == await cluster.total(source) <= limit
            assert given > 0


async def test_without_comparing_epochs_the_same_clients_get_more(clients: list[Session]) -> None:
    """The test above can fail: the sum alone is older than the lock."""
    cluster = clients[0].cluster
    careless = postgres_sql.GRANT.replace("and seen.epoch = g.epoch", "")
    assert careless != postgres_sql.GRANT

    async def grant(client: Session, source: int) -> None:
        values = {"session": client.me.session, "beat": client.me.beat, "era": client.me.era}
        values |= {"leaving": False, "ending": False, "sources": [source], "wanted": [1], "leases": [uuid4().hex]}
        async with client.cluster.engine.connect() as connection:
            connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
            client.went((await connection.execute(text(careless), values)).all())

    for _ in range(300):
        source = await cluster.source(1)
        await asyncio.gather(*(grant(client, source) for client in clients))
        if await cluster.total(source) > 1:
            return
    pytest.fail("no race in 300 rounds")


async def test_processes_that_grant_ask_and_release_never_exceed_the_limit(stored_cluster: Cluster, url: str) -> None:
    cluster = stored_cluster
    source = await cluster.source(3)
    await cluster.statements.ground()
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.contract.leases.greedy", url, f"n{i}", str(source), "25",
            stdout=asyncio.subprocess.PIPE,
        )
        for i in range(3)
    ]  # fmt: skip
    seen = []
    deadline = time.monotonic() + 60
    outputs = [asyncio.ensure_future(process.communicate()) for process in processes]
    while not all(output.done() for output in outputs):
        assert time.monotonic() < deadline
        seen.append(await cluster.total(source))
        await asyncio.wait(outputs, timeout=0.01)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert max(seen) <= 3
    assert sum(int(output.result()[0]) for output in outputs) > 25
    assert await cluster.total(source) == 0
    assert 1 <= await cluster.value(source, "max_inflight") <= 3


async def test_a_role_has_one_row_whoever_asks_for_it(cluster: AnyCluster) -> None:
    first = await cluster.statements.role("cron")
    assert first is not None
    assert await cluster.statements.role("cron") == first
    assert await cluster.statements.role("planner") != first
