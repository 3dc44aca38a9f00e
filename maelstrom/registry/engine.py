"""Connections and transactions, the same for SQLite and PostgreSQL. Must not know what is stored.

Limits: a pool of few connections; time-outs for connecting, for each statement and lock (by the server), and one for
the whole transaction here, which also holds against a server that is frozen or cut off: its socket is shut.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, event, exc, text
from sqlalchemy.engine import Connection, Engine, ExceptionContext
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from maelstrom.model.errors import Unavailable
from maelstrom.registry.address import PostgresAddress, conninfo_with_limits, parse_address
from maelstrom.registry.faults import READ_ONLY, is_transient, mapped_errors

if TYPE_CHECKING:
    import psycopg

__all__ = ["autocommit", "is_postgresql", "is_transient", "make_engine", "mapped_errors", "transaction"]

TRANSACTION_SECONDS = 15.0
STATEMENT_SECONDS = 10.0
LOCK_SECONDS = 5.0

_KEPT, _EXTRA = 2, 6  # connections kept open, and further ones while they are needed

_DURABLE = "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'"

# Own execution options: how SQLite begins, who may write next, and what PgBouncer keeps us from setting once.
_BEGIN = "maelstrom_begin"
_WRITERS = "maelstrom_writers"
_LOCAL_LIMITS = "maelstrom_local_limits"


def make_engine(
    url: str,
    *,
    behind_pooler: bool = False,
    statement_seconds: float = STATEMENT_SECONDS,
    lock_seconds: float = LOCK_SECONDS,
) -> AsyncEngine:
    """An engine that has not connected yet. Raises InvalidSettings for a URL that cannot be used.

    `behind_pooler`: the URL is that of PgBouncer or the like, where nothing that belongs to a server connection
    (prepared statements, start-up options) can be relied on.
    """
    address = parse_address(url)
    if isinstance(address, PostgresAddress):
        return _postgresql(address, behind_pooler, statement_seconds, lock_seconds)
    return _sqlite(address.path, lock_seconds)


def is_postgresql(engine: AsyncEngine | AsyncConnection) -> bool:
    return engine.dialect.name == "postgresql"


@asynccontextmanager
async def transaction(
    engine: AsyncEngine, *, write: bool = True, timeout: float = TRANSACTION_SECONDS
) -> AsyncIterator[AsyncConnection]:
    """One transaction: committed at the end, rolled back by any exception. `timeout`: seconds for all of it.

    `write` takes the database's write lock at once on SQLite (BEGIN IMMEDIATE) and is READ COMMITTED on PostgreSQL;
    without it all statements see one and the same state. Database errors that leave it are ours (see `mapped_errors`);
    after Unavailable the change may have been made: the answer to the commit can be lost.
    """
    options: dict[str, Any]
    if is_postgresql(engine):
        options = {} if write else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    else:
        options = {_BEGIN: "BEGIN IMMEDIATE" if write else "BEGIN"}
    with mapped_errors():
        async with _connection(engine, options, timeout, write=write) as connection, connection.begin():
            local_limits = engine.get_execution_options().get(_LOCAL_LIMITS)
            if local_limits:
                await connection.execute(text(local_limits))
            yield connection


@asynccontextmanager
async def autocommit(engine: AsyncEngine, *, timeout: float = TRANSACTION_SECONDS) -> AsyncIterator[AsyncConnection]:
    """Each statement is a transaction of its own and, on PostgreSQL, one round trip."""
    options = {"isolation_level": "AUTOCOMMIT"} if is_postgresql(engine) else {_BEGIN: None}
    with mapped_errors():
        async with _connection(engine, options, timeout, write=True) as connection:
            yield connection


@asynccontextmanager
async def _connection(
    engine: AsyncEngine, options: dict[str, Any], timeout: float, *, write: bool
) -> AsyncIterator[AsyncConnection]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout_at(deadline):
                writers: asyncio.Lock | None = engine.get_execution_options().get(_WRITERS)
                if write and writers is not None:
                    await stack.enter_async_context(writers)
                connection = await stack.enter_async_context(engine.connect())
                await connection.execution_options(**options)
        except TimeoutError as error:
            raise Unavailable(f"the database did not answer within {timeout:g} s") from error
        if is_postgresql(engine):
            driver: Any = (await connection.get_raw_connection()).driver_connection
            alarm = loop.call_at(deadline, _shut, driver)
            stack.callback(alarm.cancel)
        try:
            yield connection
        except exc.DBAPIError as error:
            if loop.time() >= deadline and error.connection_invalidated:
                raise Unavailable(f"the database did not answer within {timeout:g} s") from error
            raise


def _shut(driver: psycopg.AsyncConnection[Any]) -> None:
    """Ends whatever waits for the server's answer, with "connection lost". A cancel would need an answer, too."""
    if driver.closed:
        return
    with socket.socket(fileno=os.dup(driver.pgconn.socket)) as same:
        try:
            same.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side was quicker


def _postgresql(address: PostgresAddress, pooler: bool, statement_seconds: float, lock_seconds: float) -> AsyncEngine:
    import psycopg

    conninfo = address.conninfo
    local_limits = ""
    if pooler:
        local_limits = (
            f"select set_config('statement_timeout', '{int(statement_seconds * 1000)}', true),"
            f" set_config('lock_timeout', '{int(lock_seconds * 1000)}', true)"
        )
    else:
        conninfo = conninfo_with_limits(address, statement_seconds=statement_seconds, lock_seconds=lock_seconds)

    async def connect() -> psycopg.AsyncConnection[Any]:
        if pooler:
            return await psycopg.AsyncConnection.connect(conninfo, prepare_threshold=None)
        return await _durable(await psycopg.AsyncConnection.connect(conninfo, prepare_threshold=5, autocommit=True))

    engine = create_async_engine(
        "postgresql+psycopg://",
        async_creator=connect,
        pool_size=_KEPT,
        max_overflow=_EXTRA,
        pool_timeout=TRANSACTION_SECONDS,
        pool_recycle=1800,
        hide_parameters=True,  # they hold what users keep secret
        execution_options={_LOCAL_LIMITS: local_limits},
    )
    event.listen(engine.sync_engine, "checkout", _refuse_dead)
    event.listen(engine.sync_engine, "handle_error", _leave_read_only)
    return engine


async def _durable(connection: psycopg.AsyncConnection[Any]) -> psycopg.AsyncConnection[Any]:
    """Its commits wait for the log, whatever the server's own setting is; one that asks for more stays as it is."""
    try:
        await connection.execute(_DURABLE)
        await connection.set_autocommit(False)
    except BaseException:
        await connection.close()
        raise
    return connection


def _refuse_dead(dbapi_connection: Any, record: object, proxy: object) -> None:
    """A kept connection that has something to read was closed by the server; the pool then makes a new one.

    Costs no round trip, other than a ping.
    """
    poll = select.poll()
    poll.register(dbapi_connection.driver_connection.pgconn.socket, select.POLLIN)
    if poll.poll(0):
        raise exc.DisconnectionError("closed by the server")


def _leave_read_only(context: ExceptionContext) -> None:
    """After a failover an old connection may end at what is now a standby: all are made anew, to the writable host."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True


def _sqlite(path: str, lock_seconds: float) -> AsyncEngine:
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)  # on debug it logs each statement's values
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=path),
        connect_args=sqlite_arguments(lock_seconds),
        pool_size=_KEPT,
        max_overflow=_EXTRA,
        pool_timeout=TRANSACTION_SECONDS,
        hide_parameters=True,
        # Writers of this process queue in order; SQLite's own waiting is a lottery with pauses of 0.1 s.
        execution_options={_WRITERS: asyncio.Lock()},
    )
    configure_sqlite(engine.sync_engine)
    return engine


def sqlite_arguments(lock_seconds: float) -> dict[str, Any]:
    # With isolation_level None the driver begins nothing by itself: the listener on "begin" decides how.
    return {"timeout": lock_seconds, "isolation_level": None}


def configure_sqlite(engine: Engine, *, foreign_keys: bool = True) -> None:
    """Sets what every SQLite connection needs. Its driver must have been told to begin no transactions by itself."""

    def configure(dbapi_connection: Any, record: object) -> None:
        cursor = dbapi_connection.cursor()
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA synchronous = FULL")
            cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        finally:
            cursor.close()

    def begin(connection: Connection) -> None:
        statement = connection.get_execution_options().get(_BEGIN, "BEGIN IMMEDIATE")
        if statement is not None:
            connection.exec_driver_sql(statement)

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", begin)
