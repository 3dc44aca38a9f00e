"""Rows that change hands or go: released, adopted, waited out; and what people read of them."""

from __future__ import annotations

import re

import psycopg

from maelstrom.leases import postgres_sql
from maelstrom.leases.statements import Held
from maelstrom.leases.term import Note
from maelstrom.leases.watch import SeenLease
from tests.contract.leases.cluster import AnyCluster, Cluster, Session


async def orphans(cluster: AnyCluster) -> list[SeenLease]:
    return list((await cluster.statements.view([])).orphans)


async def test_a_release_deletes_own_rows_only(cluster: AnyCluster) -> None:
    source = await cluster.source(4)
    a, b = await cluster.session("a"), await cluster.session("b")
    mine, other = (await a.granted(source, 2)).id, (await b.granted(source, 1)).id
    await a.release(mine, other)
    assert await cluster.total(source) == 1


async def test_the_end_of_a_session_releases_and_leaves_nothing_to_wait_for(cluster: AnyCluster) -> None:
    source = await cluster.source(4)
    a = await cluster.session("a")
    await a.release((await a.granted(source, 2)).id, end=True)
    (row,) = await cluster.statements.sessions()
    assert not row.alive
    successor = await cluster.session("b")
    assert (await successor.granted(source, 4)).capacity == 4


async def test_a_release_and_a_cut_wake_other_nodes(postgres_cluster: Cluster, postgres_url: str) -> None:
    source = await postgres_cluster.source(4)
    a = await postgres_cluster.session()
    lease = (await a.granted(source, 3)).id
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as listener:
        await listener.execute("listen leases")
        await a.ask(lease, busy_ms=10)
        await a.ask(lease, capacity=1)
        await a.release(lease)
        await a.granted(source, 1)
        await a.die()
        await postgres_cluster.statements.waited_out(await orphans(postgres_cluster))
        notices = [notice async for notice in listener.notifies(timeout=5, stop_after=3)]
    assert [notice.payload for notice in notices] == [str(source)] * 3


async def test_rows_of_the_living_are_never_waited_out(cluster: AnyCluster) -> None:
    source = await cluster.source(4)
    a = await cluster.session("a")
    lease = await a.granted(source, 2)
    assert await orphans(cluster) == []
    seen = [SeenLease(lease.id, 0, 0)]
    assert await cluster.statements.waited_out(seen) == 0
    await cluster.statements.write_back([(seen[0], 0)])
    assert (await a.ask(lease.id)).capacity == 2
    await a.die()
    assert await cluster.statements.waited_out(seen) == 1
    assert await cluster.total(source) == 0


async def test_a_row_that_has_changed_since_it_was_seen_is_not_waited_out(cluster: AnyCluster) -> None:
    source = await cluster.source(4)
    a = await cluster.session("a")
    lease = (await a.granted(source, 2)).id
    early = SeenLease(lease, 0, 0)
    await a.ask(lease, busy_ms=60_000)
    await a.die()
    assert await cluster.statements.waited_out([early]) == 0
    assert await orphans(cluster) == [SeenLease(lease, 60_000, 1)]


async def test_a_wait_is_written_back_once_and_goes_on_from_there(cluster: AnyCluster) -> None:
    source = await cluster.source(4)
    a = await cluster.session("a")
    lease = (await a.granted(source, 2)).id
    await a.ask(lease, busy_ms=60_000)
    await a.die()
    (seen,) = await orphans(cluster)
    await cluster.statements.write_back([(seen, 40_000)])
    await cluster.statements.write_back([(seen, 30_000)])
    assert await orphans(cluster) == [SeenLease(lease, 40_000, 2)]
    assert await cluster.statements.waited_out([seen]) == 0


async def test_an_adoption_moves_what_is_left_and_outlives_a_wait_that_had_begun(cluster: AnyCluster) -> None:
    source, idle, gone = await cluster.source(4), await cluster.source(2), await cluster.source(1)
    a = await cluster.session("a")
    lease = await a.granted(source, 3)
    await a.granted(idle, 2)
    lost = await a.granted(gone, 1)
    await a.die()
    seen = await orphans(cluster)
    await cluster.statements.waited_out([x for x in seen if x.id == lost.id])

    again = await cluster.session("a")
    again.went(await cluster.statements.adopt(again.me, [a.me.session], {source: 7000}))
    own = await cluster.statements.own(again.me.session)
    assert own is not None
    assert {(row.source, row.capacity) for row in own.leases} == {(source, 3), (idle, 2)}
    assert await cluster.statements.waited_out(seen) == 0
    assert await orphans(cluster) == []
    row = await cluster.lease(lease.id)
    assert (row.busy_ms, row.busy_seq, row.epoch) == (7000, 1, lease.epoch)


async def test_an_adoption_without_a_living_session_is_void(cluster: AnyCluster) -> None:
    source = await cluster.source(4)
    a, b = await cluster.session("a"), await cluster.session("b")
    await a.granted(source, 3)
    await a.die()
    await b.die()
    assert await cluster.statements.adopt(b.me, [a.me.session], {}) is None
    assert len(await orphans(cluster)) == 1


async def test_the_view_tells_what_is_given_out_and_what_goes_before(cluster: AnyCluster) -> None:
    source, off = await cluster.source(9), await cluster.source(2, enabled=False)
    a, b, c = [await cluster.session(name) for name in "abc"]
    await a.granted(source, 2)
    second = await b.granted(source, 3)
    await c.granted(source, 1)
    view = await cluster.statements.view([Held(source, second.epoch), Held(off, None), Held(2**40, None)])
    found = {item.id: item for item in view.sources}
    assert (found[source].limit, found[source].works) == (9, True)
    assert (found[source].total, found[source].ahead) == (6, 2)
    assert not found[off].works
    assert set(found) == {source, off}
    assert {(s.id, s.beat, s.ttl_ms, s.alive, s.leases) for s in view.sessions} == {
        (x.me.session, x.me.beat, 10_000, True, 1) for x in (a, b, c)
    }


async def report(session: Session, lease: str, source: int, in_flight: int, peak: int) -> object:
    return session.went(await session.statements.beat(session.me, [Note(lease, source, in_flight, peak)]))


async def test_the_most_ever_in_flight_is_kept(cluster: AnyCluster) -> None:
    source = await cluster.source(9)
    a, b = await cluster.session("a"), await cluster.session("b")
    one, two = (await a.granted(source, 4)).id, (await b.granted(source, 4)).id
    await report(a, one, source, in_flight=2, peak=3)
    await report(b, two, source, in_flight=1, peak=4)
    await report(a, one, source, in_flight=0, peak=0)
    audit = await cluster.statements.audit(source)
    assert audit is not None
    assert (audit.limit, audit.inflight, audit.max_inflight) == (9, 1, 6)
    assert [(x.node, x.capacity, x.inflight, x.epoch) for x in audit.leases] == [("a", 4, 0, 1), ("b", 4, 1, 2)]
    assert all(0 <= x.age_seconds < 60 for x in audit.leases)
    assert await cluster.statements.in_flight("") == {source: 1}
    assert await cluster.statements.in_flight(b.me.session) == {source: 0}


async def test_a_locked_source_does_not_hold_up_a_report(postgres_cluster: Cluster, postgres_url: str) -> None:
    source = await postgres_cluster.source(9)
    a = await postgres_cluster.session("a")
    lease = (await a.granted(source, 4)).id
    async with await psycopg.AsyncConnection.connect(postgres_url) as other:
        await other.execute("select from event_sources where id = %s for update", (source,))
        assert await report(a, lease, source, in_flight=2, peak=2) == [source], "to be told again"
    assert await report(a, lease, source, in_flight=2, peak=2) == []
    audit = await postgres_cluster.statements.audit(source)
    assert audit is not None
    assert audit.max_inflight == 2


async def test_an_audit_shows_rows_of_nobody_and_of_no_source(cluster: AnyCluster) -> None:
    source = await cluster.source(2)
    a = await cluster.session("a")
    await cluster.statements.raise_era(a.me.era, 1000)
    audit = await cluster.statements.audit(source)
    assert audit is not None
    assert [x.node for x in audit.leases] == [""]
    assert await cluster.statements.audit(2**40) is None


async def test_no_statement_seems_so_dear_that_the_server_would_compile_it(postgres_cluster: Cluster) -> None:
    """That takes longer than a statement may; the planner knows nothing of tables that are new."""
    values = {"beat": "0", "ttl_ms": "1", "ms": "1", "source": "1", "leaving": "false", "ending": "false"}
    names = dict.fromkeys(("node", "state_dir", "boot", "version"), "''")
    ids = dict.fromkeys(("session", "era", "id", "seen", "val"), "'00000000000000000000000000000000'")
    statements = {
        name: value for name, value in vars(postgres_sql).items() if name.isupper() and isinstance(value, str)
    }
    costs = {}
    for name, statement in statements.items():
        if name in ("SERVER", "FLUSHED", "NOW", "LIVE", "GUARD", "ROLE", "SAID"):
            continue
        filled = re.sub(r"(?<![:\w]):(\w+)", lambda m: (values | names | ids).get(m[1], "'{}'"), statement)
        row = await postgres_cluster.one(f"explain (format json) {filled}".replace(":", "\\:"))
        costs[name] = row[0][0]["Plan"]["Total Cost"]
    assert len(costs) > 15
    assert {name: cost for name, cost in costs.items() if cost > 10_000} == {}
