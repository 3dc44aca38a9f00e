"""Connections and transactions: limits that hold, recovery from everything a database does, errors in our words."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from maelstrom.model.errors import Conflict, InvalidInput, MaelstromError, SchemaMismatch, Unavailable
from maelstrom.registry.engine import autocommit, is_postgresql, is_transient, make_engine, mapped_errors, transaction
from maelstrom.registry.registry import Registry
from tests.contract.registry.definitions import project
from tests.support.gate import Gate
from tests.support.postgres import PostgresServer, new_folder
from tests.support.wait import eventually


@pytest.fixture
async def engine(empty_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(empty_url)
    await run(engine, "create table t (a bigint primary key, b text)")
    yield engine
    await engine.dispose()


async def run(engine: AsyncEngine, statement: str, **values: object) -> None:
    async with transaction(engine) as connection:
        await connection.execute(text(statement), values)


async def count(engine: AsyncEngine) -> int:
    async with transaction(engine, write=False) as connection:
        return int((await connection.execute(text("select count(*) from t"))).scalar_one())


async def scalar(engine: AsyncEngine, query: str) -> object:
    async with transaction(engine, write=False) as connection:
        return (await connection.execute(text(query))).scalar_one()


async def test_a_transaction_commits_at_its_end_and_undoes_all_on_any_exception(engine: AsyncEngine) -> None:
    await run(engine, "insert into t (a) values (1)")
    with pytest.raises(RuntimeError, match="no"):
        await _insert_and_fail(engine)
    assert await count(engine) == 1


async def _insert_and_fail(engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        await connection.execute(text("insert into t (a) values (2)"))
        raise RuntimeError("no")


async def test_a_cancelled_transaction_is_undone_and_its_connection_can_be_used_again(engine: AsyncEngine) -> None:
    inside = asyncio.Event()

    async def hold() -> None:
        async with transaction(engine) as connection:
            await connection.execute(text("insert into t (a) values (1)"))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await eventually(inside.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for number in range(10):
        await run(engine, f"insert into t (a) values ({number})")
    assert await count(engine) == 10


async def test_writers_of_one_process_take_their_turns(engine: AsyncEngine) -> None:
    await run(engine, "insert into t values (1, '0')")

    async def add() -> None:
        async with transaction(engine) as connection:
            lock = " for update" if is_postgresql(engine) else ""
            value = int((await connection.execute(text(f"select b from t{lock}"))).scalar_one())
            await connection.execute(text("update t set b = :b"), {"b": str(value + 1)})

    await asyncio.gather(*(add() for _ in range(30)))
    assert await scalar(engine, "select b from t") == "30"


async def test_a_reading_transaction_sees_one_moment(engine: AsyncEngine) -> None:
    async with transaction(engine, write=False) as connection:
        first = (await connection.execute(text("select count(*) from t"))).scalar_one()
        await run(engine, "insert into t (a) values (1)")
        assert (await connection.execute(text("select count(*) from t"))).scalar_one() == first == 0
    assert await count(engine) == 1


async def test_without_a_transaction_each_statement_counts_at_once(engine: AsyncEngine) -> None:
    async with autocommit(engine) as connection:
        await connection.execute(text("insert into t (a) values (1)"))
        assert await count(engine) == 1
    with pytest.raises(RuntimeError, match="no"):
        await _insert_and_fail(engine)
    assert await count(engine) == 1, "the next user of the connection has transactions again"


async def test_more_users_than_connections_wait_for_one(engine: AsyncEngine) -> None:
    counts = await asyncio.gather(*(count(engine) for _ in range(40)))
    assert counts == [0] * 40


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("insert into t (a) values (1)", Conflict),
        ("select * from nothing_here", SchemaMismatch),
        ("select nothing_here from t", SchemaMismatch),
        ("this is no SQL", MaelstromError),
    ],
)
async def test_errors_are_ours_with_the_cause_chained(
    engine: AsyncEngine, statement: str, expected: type[MaelstromError]
) -> None:
    await run(engine, "insert into t (a) values (1)")
    with pytest.raises(MaelstromError) as caught:
        await run(engine, statement)
    assert type(caught.value) is expected
    assert caught.value.__cause__ is not None
    assert not is_transient(caught.value)


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
async def test_text_that_a_database_cannot_store_is_the_senders_error(engine: AsyncEngine, value: str) -> None:
    if not (value == "a\0b" and not is_postgresql(engine)):
        with pytest.raises(InvalidInput):
            await run(engine, "insert into t values (1, :b)", b=value)
    with pytest.raises(InvalidInput):
        await run(engine, "insert into t (a) values (:a)", a=1 << 70)


async def test_a_body_may_handle_a_drivers_error_itself(engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        await connection.execute(text("insert into t (a) values (1)"))
        with pytest.raises(IntegrityError):
            async with connection.begin_nested():
                await connection.execute(text("insert into t (a) values (1)"))
    assert await count(engine) == 1


def test_errors_outside_any_transaction_can_be_mapped_too() -> None:
    with pytest.raises(Unavailable), mapped_errors():
        raise psycopg.OperationalError("connection refused")
    assert is_transient(psycopg.OperationalError("connection refused"))
    assert not is_transient(ValueError())


# SQLite


async def test_sqlite_is_set_up_to_survive_a_power_cut(sqlite_url: str) -> None:
    engine = make_engine(sqlite_url)
    settings = [await scalar(engine, f"pragma {name}") for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert settings == ["wal", 2, 1]
    assert await scalar(engine, "pragma busy_timeout") == 5000
    await engine.dispose()


async def test_a_lock_of_another_program_is_waited_for_and_then_named(tmp_path: Path) -> None:
    path = tmp_path / "a ?#%20b.db"  # a path stands in the URL as it is
    engine = make_engine(f"sqlite:///{path}", lock_seconds=0.05)
    await run(engine, "create table t (a bigint)")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(Unavailable, match="holds the database's lock") as caught:
            await run(engine, "insert into t (a) values (1)")
        assert is_transient(caught.value)
        assert await count(engine) == 0, "reading goes on"
        other.execute("rollback")
    await run(engine, "insert into t (a) values (1)")
    await engine.dispose()


async def test_a_full_disk_is_named(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'small.db'}")
    await run(engine, "create table t (a bigint, b text)")
    async with autocommit(engine) as connection:
        await connection.execute(text("pragma max_page_count = 10"))
        with pytest.raises(Unavailable, match="disk is full"), mapped_errors():
            await connection.execute(text("insert into t values (1, :b)"), {"b": "x" * 100_000})
    await engine.dispose()


# PostgreSQL


async def test_the_server_has_its_own_limits_for_statements_and_locks(postgres_url: str) -> None:
    engine = make_engine(postgres_url, statement_seconds=0.2, lock_seconds=0.1)
    with pytest.raises(Unavailable, match="did not answer in time"):
        await run(engine, "select pg_sleep(60)")
    async with transaction(engine) as holder:
        await holder.execute(text("lock table meta"))
        with pytest.raises(Unavailable, match="holds a lock") as caught:
            await run(engine, "update meta set revision = 0")
        assert is_transient(caught.value)
    await engine.dispose()


async def test_behind_a_pooler_the_limits_hold_in_every_transaction_and_nothing_is_prepared(postgres_url: str) -> None:
    engine = make_engine(postgres_url, behind_pooler=True, statement_seconds=0.2, lock_seconds=0.1)
    with pytest.raises(Unavailable, match="did not answer in time"):
        await run(engine, "select pg_sleep(60)")
    async with transaction(engine) as connection:
        for _ in range(10):
            await connection.execute(text("select :a"), {"a": 1})
        prepared = await connection.execute(text("select count(*) from pg_prepared_statements"))
        assert prepared.scalar_one() == 0
    async with autocommit(engine) as connection:
        assert (await connection.execute(text("show statement_timeout"))).scalar_one() == "0", "nothing stays set"
    await engine.dispose()


async def test_a_registry_behind_a_pooler_migrates_and_listens_at_the_server_itself(
    postgres: PostgresServer, postgres_url: str
) -> None:
    async with Gate(postgres.port) as pooler:
        through = postgres_url.replace(f":{postgres.port}/", f":{pooler.port}/")
        registry = await Registry.open(through, listen_url=postgres_url)
        await registry.put_project(project("shop", web={}))
        assert pooler.accepted == 1
        listening = asyncio.create_task(registry.changes.run())
        await anext(registry.changes)
        assert pooler.accepted == 1
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await registry.close()


async def test_a_frozen_server_is_given_up_and_found_again(postgres: PostgresServer, postgres_url: str) -> None:
    async with Gate(postgres.port) as gate:
        engine = make_engine(postgres_url.replace(f":{postgres.port}/", f":{gate.port}/"))
        await scalar(engine, "select 1")
        gate.freeze()
        async with asyncio.timeout(8):  # the server's own time-out and the driver's would be later
            with pytest.raises(Unavailable, match=r"did not answer within 0\.2 s") as caught:
                async with transaction(engine, timeout=0.2) as connection:
                    await connection.execute(text("select 1"))
        assert is_transient(caught.value)
        with pytest.raises(Unavailable, match=r"did not answer within 0\.2 s"):
            async with transaction(engine, timeout=0.2):
                raise AssertionError("a new connection would need an answer, too")
        gate.thaw()
        assert await scalar(engine, "select 1") == 1
        await engine.dispose()


async def test_a_connection_cut_while_idle_is_replaced_unnoticed(postgres: PostgresServer, postgres_url: str) -> None:
    engine = make_engine(postgres_url)
    await asyncio.gather(*(scalar(engine, "select pg_sleep(0.05)") for _ in range(2)))
    ended = (
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '{}' and pid <> pg_backend_pid()"
    )
    postgres.execute(ended.format(postgres_url.rsplit("/", 1)[1]))
    for _ in range(4):
        assert await scalar(engine, "select 1") == 1
    await engine.dispose()


async def test_a_restarted_server_is_used_again_at_once(postgres: PostgresServer, postgres_url: str) -> None:
    engine = make_engine(postgres_url)
    await scalar(engine, "select 1")
    postgres.crash()
    with pytest.raises(Unavailable, match="cannot be reached"):
        await scalar(engine, "select 1")
    postgres.start()
    assert await scalar(engine, "select 1") == 1
    await engine.dispose()


@pytest.fixture
def primary(postgres: PostgresServer) -> Iterator[PostgresServer]:
    server = PostgresServer(new_folder(), postgres.binaries)
    server.create()
    yield server
    server.crash()
    shutil.rmtree(server.folder)


@pytest.fixture
def replica(primary: PostgresServer) -> Iterator[PostgresServer]:
    server = primary.standby(new_folder())
    yield server
    server.crash()
    shutil.rmtree(server.folder)


async def test_of_several_hosts_the_one_that_can_be_written_is_used(
    primary: PostgresServer, replica: PostgresServer
) -> None:
    """A closed port, a replica, the primary; then the primary dies and the replica is promoted."""
    hosts = f"127.0.0.1:1,127.0.0.1:{replica.port},127.0.0.1:{primary.port}"
    engine = make_engine(f"postgresql://postgres@{hosts}/postgres")
    await run(engine, "create table t (a bigint)")
    assert await scalar(engine, "select inet_server_port()") == primary.port
    replayed = "select bool_and(replay_lsn = pg_current_wal_lsn()) from pg_stat_replication"
    await eventually(lambda: _is_true(engine, replayed), within=10)
    primary.crash()
    with pytest.raises(Unavailable, match="cannot be reached"):
        await run(engine, "insert into t (a) values (1)")
    replica.promote()
    await eventually(lambda: _inserted(engine), within=10, ignoring=(Unavailable,))
    assert await scalar(engine, "select inet_server_port()") == replica.port
    await engine.dispose()


async def _is_true(engine: AsyncEngine, query: str) -> bool:
    return await scalar(engine, query) is True


async def _inserted(engine: AsyncEngine) -> bool:
    await run(engine, "insert into t (a) values (1)")
    return True


async def test_a_server_that_became_read_only_is_left_with_all_its_connections(postgres: PostgresServer) -> None:
    database = postgres.new_database()
    engine = make_engine(postgres.url(database))
    await run(engine, "create table t (a bigint)")
    postgres.execute(f"alter database {database} set default_transaction_read_only = on")
    await run(engine, "insert into t (a) values (1)")  # this connection is older than that
    with pytest.raises(Unavailable, match="only reads") as caught:
        await _write_where_nothing_is_written(engine)
    assert is_transient(caught.value)
    with pytest.raises(Unavailable, match=r"cannot be reached.*read-only"):
        await run(engine, "insert into t (a) values (3)")
    await engine.dispose()


async def _write_where_nothing_is_written(engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        await connection.execute(text("set transaction read only"))
        await connection.execute(text("insert into t (a) values (2)"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://postgres@127.0.0.1:{port}/nothing_here", "does not exist"),
        ("postgresql://nobody_here@127.0.0.1:{port}/postgres", "nobody_here"),
        ("postgresql://postgres@127.0.0.1:1/postgres", "cannot be reached"),
        ("postgresql://postgres@no.such.host.invalid/postgres", "cannot be reached"),
    ],
)
async def test_what_cannot_be_reached_says_why(postgres: PostgresServer, url: str, words: str) -> None:
    with pytest.raises(Unavailable, match=words):
        await Registry.open(url.format(port=postgres.port))


async def test_a_url_is_read_with_its_quoting_options_and_sockets(postgres: PostgresServer) -> None:
    postgres.execute("create role \"us@er:/?\" login superuser password 'p@ss:/?%'")
    postgres.execute('create database "da ta%/?"')
    quoted = f"postgresql://us%40er%3A%2F%3F:p%40ss%3A%2F%3F%25@127.0.0.1:{postgres.port}/da%20ta%25%2F%3F"
    engine = make_engine(f"{quoted}?options=-c%20work_mem%3D5MB&application_name=mine")
    assert await scalar(engine, "select current_user || ' ' || current_database()") == "us@er:/? da ta%/?"
    assert await scalar(engine, "show work_mem") == "5MB"
    assert await scalar(engine, "show application_name") == "mine"
    assert await scalar(engine, "show statement_timeout") == "10s"
    await engine.dispose()
    socket = make_engine(f"postgresql+psycopg://postgres@/postgres?host={postgres.folder}&port={postgres.port}")
    assert await scalar(socket, "select inet_server_port() is null")
    await socket.dispose()


@pytest.mark.parametrize(("server", "ours"), [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")])
async def test_commits_wait_for_the_log_whatever_the_server_does_by_default(
    postgres_url: str, server: str, ours: str
) -> None:
    engine = make_engine(f"{postgres_url}?options=-c%20synchronous_commit%3D{server}")
    for _ in range(2):  # also when the connection has been given back
        async with transaction(engine) as connection:
            assert await connection.scalar(text("select current_setting('synchronous_commit')")) == ours
    await engine.dispose()
