"""Work that is answered later has a row of its own; and pauses of a source, told to all nodes."""

from __future__ import annotations

import itertools
from typing import Any
from uuid import uuid4

import psycopg

from maelstrom.leases.statements import Defer, Held
from maelstrom.leases.term import Note
from maelstrom.leases.watch import SeenLease
from tests.contract.leases.cluster import AnyCluster, Cluster, Session

NOBODYS = uuid4().hex
numbers = itertools.count(1)


async def defer(session: Session, source: int, lease: str, task: str, busy_ms: int = 60_000) -> Any:
    unit = Defer(task, source, lease, uuid4().hex, busy_ms, next(numbers))
    return session.went(await session.statements.defer(session.me, [unit]))


async def epoch(cluster: AnyCluster, source: int) -> int:
    return int(await cluster.value(source, "epoch"))


async def orphans(cluster: AnyCluster) -> list[SeenLease]:
    return list((await cluster.statements.view([])).orphans)


async def test_one_unit_of_capacity_goes_to_the_task(cluster: AnyCluster) -> None:
    source = await cluster.source(3)
    a, b = await cluster.session("a"), await cluster.session("b")
    lease = (await a.granted(source, 3)).id
    await a.ask(lease, 1000, in_flight=2)
    before = await epoch(cluster, source)
    (said,) = await defer(a, source, lease, "t1")
    assert (said.task, said.capacity) == ("t1", 2)
    assert await epoch(cluster, source) > before, "who adds up what is given out sees that something has changed"
    assert await cluster.total(source) == 3
    own = await cluster.statements.own(a.me.session)
    assert own is not None
    assert [row.capacity for row in own.leases] == [2]
    assert await b.grant(source, 1) is None
    audit = await cluster.statements.audit(source)
    assert audit is not None
    assert [(x.node, x.capacity, x.inflight) for x in audit.leases] == [("a", 2, 1), ("", 1, 1)]


async def test_a_task_has_one_row_however_often_it_is_told(cluster: AnyCluster) -> None:
    source = await cluster.source(3)
    a = await cluster.session("a")
    lease = (await a.granted(source, 3)).id
    await defer(a, source, lease, "t1")
    (said,) = await defer(a, source, lease, "t1")
    assert (said.task, said.capacity) == ("t1", 2)
    assert await cluster.total(source) == 3


async def test_a_unit_that_was_given_is_not_given_again_when_its_row_is_gone(cluster: AnyCluster) -> None:
    source = await cluster.source(3)
    a = await cluster.session("a")
    lease = (await a.granted(source, 3)).id
    unit = Defer("t1", source, lease, uuid4().hex, 60_000, 7)
    a.went(await cluster.statements.defer(a.me, [unit]))
    assert await cluster.statements.answered(["t1"]) == ["t1"]
    (said,) = a.went(await cluster.statements.defer(a.me, [unit]))
    assert (said.task, said.capacity) == ("t1", 2)
    assert await cluster.total(source) == 2, "nor is its row made again"
    (said,) = a.went(await cluster.statements.defer(a.me, [Defer("t2", source, lease, uuid4().hex, 60_000, 8)]))
    assert (said.task, said.capacity) == ("t2", 1)
    assert await cluster.total(source) == 2


async def test_several_tasks_of_several_leases_go_in_one_statement(cluster: AnyCluster) -> None:
    one, two = await cluster.source(3), await cluster.source(2)
    a = await cluster.session("a")
    leases = {source: (await a.granted(source, 3)).id for source in (one, two)}
    tasks = [("t1", one), ("t2", one), ("t3", two), ("t4", 2**40)]
    defers = [
        Defer(task, source, leases.get(source, NOBODYS), uuid4().hex, 1000, next(numbers)) for task, source in tasks
    ]
    said = a.went(await cluster.statements.defer(a.me, defers))
    assert {item.task for item in said} == {"t1", "t2", "t3"}
    own = await cluster.statements.own(a.me.session)
    assert own is not None
    assert {row.source: row.capacity for row in own.leases} == {one: 1, two: 1}


async def test_a_task_whose_lease_is_lost_still_gets_its_row(cluster: AnyCluster) -> None:
    """Its work goes on; nobody admits anything while the capacities add up to more than the limit."""
    source = await cluster.source(1)
    a, b = await cluster.session("a"), await cluster.session("b")
    lease = (await b.granted(source, 1)).id
    (said,) = await defer(a, source, lease, "t1")
    assert (said.task, said.capacity) == ("t1", None), "another's lease gives nothing"
    assert await cluster.total(source) == 2
    assert not (await b.ask(lease)).fits


async def test_rows_of_tasks_are_nobodys_and_outlive_all_sessions(cluster: AnyCluster) -> None:
    source = await cluster.source(2)
    a = await cluster.session("a")
    lease = (await a.granted(source, 2)).id
    await defer(a, source, lease, "t1", busy_ms=60_000)
    await a.release(lease, end=True)
    (seen,) = await orphans(cluster)
    assert seen.busy_ms == 60_000
    b = await cluster.session("b")
    assert (await b.granted(source, 2)).capacity == 1
    await cluster.statements.write_back([(seen, 20_000)])
    (rest,) = await orphans(cluster)
    assert rest.busy_ms == 20_000
    assert await cluster.statements.waited_out([rest]) == 1
    assert (await b.granted(source, 2)).capacity == 1


async def test_an_answer_frees_the_capacity_once(cluster: AnyCluster) -> None:
    source = await cluster.source(1)
    a = await cluster.session("a")
    await defer(a, source, (await a.granted(source, 1)).id, "t1")
    assert await cluster.statements.answered(["t1", "t2"]) == ["t1"]
    assert await cluster.statements.answered(["t1"]) == []
    assert await cluster.total(source) == 0


async def test_an_answer_wakes_other_nodes(postgres_cluster: Cluster, postgres_url: str) -> None:
    source = await postgres_cluster.source(1)
    a = await postgres_cluster.session("a")
    await defer(a, source, (await a.granted(source, 1)).id, "t1")
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as listener:
        await listener.execute("listen leases")
        await postgres_cluster.statements.answered(["t1"])
        await postgres_cluster.statements.pause(source, 1000)
        notices = [notice async for notice in listener.notifies(timeout=5, stop_after=2)]
    assert [notice.payload for notice in notices] == [str(source)] * 2


async def test_the_view_says_which_tasks_still_have_a_row(cluster: AnyCluster) -> None:
    source = await cluster.source(2)
    a = await cluster.session("a")
    lease = (await a.granted(source, 2)).id
    await defer(a, source, lease, "t1")
    await defer(a, source, lease, "t2")
    assert (await cluster.statements.view([])).tasks == frozenset()
    assert (await cluster.statements.view([], ["t1", "t3"])).tasks == {"t1"}


async def test_tasks_go_before_every_lease_where_the_limit_is_exceeded(cluster: AnyCluster) -> None:
    source = await cluster.source(5)
    a = await cluster.session("a")
    lease = await a.granted(source, 5)
    await defer(a, source, lease.id, "t1")
    await defer(a, source, lease.id, "t2")
    (found,) = (await cluster.statements.view([Held(source, lease.epoch)])).sources
    assert (found.total, found.ahead) == (5, 2)


async def test_the_most_ever_in_flight_counts_a_task_once(cluster: AnyCluster) -> None:
    source = await cluster.source(2)
    a = await cluster.session("a")
    lease = (await a.granted(source, 2)).id
    a.went(await a.statements.beat(a.me, [Note(lease, source, 2, 2)]))
    await defer(a, source, lease, "t1")
    a.went(await a.statements.beat(a.me, [Note(lease, source, 1, 1)]))
    audit = await cluster.statements.audit(source)
    assert audit is not None
    assert (audit.inflight, audit.max_inflight) == (2, 2)


async def test_a_locked_source_does_not_hold_up_a_task(postgres_cluster: Cluster, postgres_url: str) -> None:
    source = await postgres_cluster.source(2)
    a = await postgres_cluster.session("a")
    lease = (await a.granted(source, 2)).id
    async with await psycopg.AsyncConnection.connect(postgres_url) as other:
        await other.execute("select from event_sources where id = %s for update", (source,))
        assert await defer(a, source, lease, "t1") == [], "to be told again"
    assert len(await defer(a, source, lease, "t1")) == 1


async def test_a_deadline_is_settled_unless_it_was_raised_again(cluster: AnyCluster) -> None:
    source = await cluster.source(2, high_ms=600_000, settled_ms=60_000)

    async def deadlines() -> tuple[int, int]:
        (found,) = (await cluster.statements.view([Held(source, None)])).sources
        return found.high_ms, found.settled_ms

    await cluster.statements.settle([(source, 300_000), (2**40, 1)])
    assert await deadlines() == (600_000, 60_000)
    await cluster.statements.settle([(source, 600_000)])
    assert await deadlines() == (600_000, 600_000)


async def paused(cluster: AnyCluster, source: int) -> tuple[int, int]:
    (found,) = (await cluster.statements.view([Held(source, None)])).sources
    return found.pause_ms, found.pause_seq


async def test_a_pause_is_seen_by_all_and_what_is_left_of_it_is_written_back(cluster: AnyCluster) -> None:
    source = await cluster.source(2)
    assert await paused(cluster, source) == (0, 0)
    await cluster.statements.pause(source, 30_000)
    assert await paused(cluster, source) == (30_000, 1)
    await cluster.statements.rested([(source, 1, 9000)])
    await cluster.statements.rested([(source, 1, 5000)])
    assert await paused(cluster, source) == (9000, 2)
    await cluster.statements.pause(source, 0)
    assert await paused(cluster, source) == (0, 3)
