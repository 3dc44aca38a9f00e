"""Sessions: opened, guarded by their beat, buried; whatever comes late is void."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from maelstrom.leases.statements import ALL_CAPACITY, Defer, Held, Me, NewSession, Want
from maelstrom.leases.term import Ask, Note, longest_busy_milliseconds
from maelstrom.model.errors import SchemaMismatch
from maelstrom.registry.engine import make_engine
from maelstrom.registry.migrate import migrate
from tests.contract.leases.cluster import AnyCluster, Cluster
from tests.support.postgres import PostgresServer, new_folder
from tests.support.wait import eventually

STATEMENTS = ("beat", "grant", "ask", "release", "end", "adopt", "defer")


async def send(cluster: AnyCluster, kind: str, me: Me, source: int, lease: str) -> object:
    statements = cluster.statements
    if kind == "beat":
        return await statements.beat(me, [Note(lease, source, 1, 1)])
    if kind == "grant":
        return await statements.grant(me, [Want(source, 1, lease)])
    if kind == "ask":
        return await statements.ask(me, [Ask(lease, 5000, 1, 1)])
    if kind == "defer":
        return await statements.defer(me, [Defer("task", source, lease, uuid4().hex, 9000, 1)])
    if kind == "adopt":
        return await statements.adopt(me, [uuid4().hex], {source: 9000})
    return await statements.release(me, [lease], end=kind == "end")


async def test_a_new_schema_has_the_first_era(cluster: AnyCluster) -> None:
    ground = await cluster.statements.ground()
    assert ground.current
    assert ground.durable
    assert ground.writable


async def test_an_era_that_is_missing_is_not_made_anew(sqlite_url: str) -> None:
    engine = make_engine(sqlite_url)
    cluster = Cluster(engine)
    await cluster.run("delete from era")
    with pytest.raises(SchemaMismatch):
        await cluster.statements.ground()
    await engine.dispose()


async def test_a_session_begins_alive_without_leases(cluster: AnyCluster) -> None:
    a = await cluster.session()
    own = await cluster.statements.own(a.me.session)
    assert own is not None
    assert (own.beat, own.alive, own.leases) == (0, True, ())
    assert await cluster.statements.own(uuid4().hex) is None


async def test_every_statement_that_takes_effect_is_a_beat(cluster: AnyCluster) -> None:
    source = await cluster.source(3)
    a = await cluster.session()
    await a.beat()
    lease = (await a.granted(source, 2)).id
    await a.ask(lease, 1000)
    await a.release(lease)
    own = await cluster.statements.own(a.me.session)
    assert own is not None
    assert own.beat == a.me.beat == 4


@pytest.mark.parametrize("kind", STATEMENTS)
async def test_a_statement_that_comes_twice_takes_effect_once(cluster: AnyCluster, kind: str) -> None:
    source = await cluster.source(3)
    a = await cluster.session()
    lease = (await a.granted(source, 1)).id
    assert await send(cluster, kind, a.me, source, lease) is not None
    before = await cluster.everything()
    assert await send(cluster, kind, a.me, source, lease) is None
    assert await cluster.everything() == before


@pytest.mark.parametrize("kind", STATEMENTS)
async def test_a_statement_that_a_later_one_has_overtaken_is_void(cluster: AnyCluster, kind: str) -> None:
    source = await cluster.source(3)
    a = await cluster.session()
    lease = (await a.granted(source, 1)).id
    late = a.me
    await a.beat()
    before = await cluster.everything()
    assert await send(cluster, kind, late, source, lease) is None
    assert await cluster.everything() == before


@pytest.mark.parametrize("kind", STATEMENTS)
async def test_statements_of_a_dead_session_are_void(cluster: AnyCluster, kind: str) -> None:
    source = await cluster.source(3)
    a = await cluster.session()
    lease = (await a.granted(source, 1)).id
    await a.die()
    before = await cluster.everything()
    assert await send(cluster, kind, a.me, source, lease) is None
    assert await cluster.everything() == before


@pytest.mark.parametrize("kind", STATEMENTS)
async def test_statements_of_an_older_era_are_void(cluster: AnyCluster, kind: str) -> None:
    source = await cluster.source(3)
    a = await cluster.session()
    lease = (await a.granted(source, 1)).id
    await cluster.statements.raise_era(a.me.era, 1000)
    await cluster.revive()  # a restored copy may say so
    before = await cluster.everything()
    assert await send(cluster, kind, a.me, source, lease) is None
    new = (await cluster.statements.ground()).era
    assert await send(cluster, kind, replace(a.me, era=new), source, lease) is None
    assert await cluster.everything() == before


@pytest.mark.parametrize("kind", STATEMENTS)
async def test_statements_are_void_on_another_server_than_the_eras(cluster: AnyCluster, kind: str) -> None:
    source = await cluster.source(3)
    a = await cluster.session()
    lease = (await a.granted(source, 1)).id
    await cluster.move()
    before = await cluster.everything()
    assert await send(cluster, kind, a.me, source, lease) is None
    assert await cluster.everything() == before
    assert not (await cluster.statements.ground()).current


async def test_only_a_session_whose_beat_stands_still_is_buried(cluster: AnyCluster) -> None:
    a = await cluster.session()
    seen = a.me.beat
    await a.beat()
    assert not await cluster.statements.bury(a.me.session, seen)
    assert await cluster.statements.bury(a.me.session, a.me.beat)
    assert not await cluster.statements.bury(a.me.session, a.me.beat)


async def test_a_successor_in_the_same_state_directory_ends_the_former(cluster: AnyCluster) -> None:
    a = await cluster.session("a")
    b = await cluster.session("b")
    successor = await cluster.session("a")
    assert await cluster.statements.beat(a.me) is None
    await successor.beat()
    await b.beat()


async def test_a_live_nodes_name_is_taken(cluster: AnyCluster) -> None:
    a = await cluster.session("a", state_dir="one")
    other = NewSession(uuid4().hex, "a", "two", "boot", "1", 10_000)
    assert not await cluster.statements.open_session(other, a.me.era)
    await a.die()
    assert await cluster.statements.open_session(other, a.me.era)


async def test_no_session_begins_in_an_era_that_is_over(cluster: AnyCluster) -> None:
    era = (await cluster.statements.ground()).era
    await cluster.statements.raise_era(era, 1000)
    b = await cluster.session("b")
    assert not await cluster.statements.open_session(NewSession(uuid4().hex, "b", "b", "boot", "1", 1000), era)
    await b.beat()  # nobody's session was ended by that


async def test_a_name_held_by_a_session_of_another_era_is_free(cluster: AnyCluster) -> None:
    a = await cluster.session("a", state_dir="one")
    await cluster.statements.raise_era(a.me.era, 1000)
    await cluster.revive()  # a restored copy may say so
    await cluster.session("a", state_dir="two")


async def test_a_new_era_ends_all_sessions_and_blocks_every_source_for_what_may_be_lost(cluster: AnyCluster) -> None:
    short, long = await cluster.source(3, high_ms=1000), await cluster.source(3, high_ms=900_000)
    a = await cluster.session("a", ttl_ms=7000)
    await a.granted(short, 2)
    await cluster.statements.raise_era(a.me.era, 5000)
    await cluster.statements.raise_era(a.me.era, 5000)  # somebody else saw it, too: the first has done it
    put_later = await cluster.source(3)

    b = await cluster.session("b")
    view = await cluster.statements.view([Held(short, None), Held(long, None)])
    assert [s.alive for s in view.sessions if s.id == a.me.session] == [False]
    blocks = sorted(lease.busy_ms for lease in view.orphans)
    longest = 7000 + longest_busy_milliseconds(900_000)
    assert blocks == [0, 7000 + longest_busy_milliseconds(1000), longest, longest]
    totals = {source.id: source.total for source in view.sources}
    assert totals == {short: ALL_CAPACITY + 2, long: ALL_CAPACITY, put_later: 0}
    for source in (short, long, put_later):
        assert await b.grant(source, 1) is None
    assert await cluster.statements.waited_out(view.orphans) == 4
    for source in (short, long, put_later):
        assert (await b.granted(source, 3)).capacity == 3


async def test_sources_that_nobody_knew_are_blocked_for_what_a_new_one_may_use(cluster: AnyCluster) -> None:
    await cluster.source(3, high_ms=1000)
    a = await cluster.session("a", ttl_ms=7000)
    await cluster.statements.raise_era(a.me.era, 5000)
    view = await cluster.statements.view([])
    assert max(lease.busy_ms for lease in view.orphans) == 7000 + longest_busy_milliseconds(300_000)


async def test_where_no_commits_can_be_lost_a_new_era_waits_for_the_ttl_only(cluster: AnyCluster) -> None:
    await cluster.source(3, high_ms=900_000)
    a = await cluster.session("a", ttl_ms=7000)
    await cluster.statements.raise_era(a.me.era, 5000, lost=False)
    view = await cluster.statements.view([])
    assert [lease.busy_ms for lease in view.orphans] == [7000, 7000]


async def test_dead_sessions_are_forgotten_once_they_have_no_leases(cluster: AnyCluster) -> None:
    source = await cluster.source(3)
    a, b = await cluster.session("a"), await cluster.session("b")
    await a.granted(source, 1)
    await a.die()
    gone = await cluster.session("c")
    await gone.die()
    await cluster.statements.forget([a.me.session, b.me.session, gone.me.session])
    assert {row.node for row in await cluster.statements.sessions()} == {"a", "b"}


async def test_leaving_is_seen_by_others_and_stays(cluster: AnyCluster) -> None:
    a = await cluster.session("a")
    a.went(await cluster.statements.beat(a.me, leaving=True))
    await a.beat()
    (row,) = await cluster.statements.sessions()
    assert (row.node, row.alive, row.leaving, row.beat) == ("a", True, True, 2)
    assert 0 <= row.age_seconds < 60


async def test_commits_that_a_crash_would_lose_are_refused(postgres_cluster: Cluster, postgres_url: str) -> None:
    a = await postgres_cluster.session()
    engine = make_engine(f"{postgres_url}?options=-c%20synchronous_commit%3Doff", behind_pooler=True)
    careless = Cluster(engine)
    assert not (await careless.statements.ground()).durable
    assert await careless.statements.beat(a.me) is None
    await engine.dispose()


@pytest.fixture
def primary(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """One with little in it to copy."""
    server = PostgresServer(new_folder(), postgres.binaries)
    server.create()
    yield server
    server.crash()
    shutil.rmtree(server.folder)


@pytest.fixture
def replica(primary: PostgresServer) -> Iterator[PostgresServer]:
    asyncio.run(migrate(primary.url()))
    server = primary.standby(new_folder())
    yield server
    server.crash()
    shutil.rmtree(server.folder)


async def test_a_promoted_replica_begins_a_new_era(primary: PostgresServer, replica: PostgresServer) -> None:
    engines = [make_engine(primary.url()), make_engine(f"{replica.url()}?target_session_attrs=any")]
    before, after = (Cluster(engine) for engine in engines)
    await before.prepare()
    source = await before.source(2)
    a = await before.session("a")
    await eventually(lambda: after.statements.own(a.me.session), within=10)
    primary.crash()
    replica.promote()

    assert not (await after.statements.ground()).current
    assert await after.statements.beat(a.me) is None
    await after.statements.raise_era(a.me.era, 1000)
    assert (await after.statements.ground()).current
    b = await after.session("b")
    assert await b.grant(source, 1) is None, "blocked until what was lost is over"
    primary.start()  # for its fixture
    for engine in engines:
        await engine.dispose()
