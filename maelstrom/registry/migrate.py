"""The database's schema: which one is there, whether this version of the code fits it, and bringing it up to date.

The steps are in migrations/ (see its README). One transaction does all of them, under a lock that keeps other nodes
out: either the whole new schema is there afterwards, or the old one.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

import maelstrom
from maelstrom.model.errors import InvalidSettings, Problem, SchemaMismatch
from maelstrom.registry.address import PostgresAddress, parse_address
from maelstrom.registry.engine import configure_sqlite, sqlite_arguments, transaction
from maelstrom.registry.faults import mapped_errors
from maelstrom.registry.tables import metadata

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger("maelstrom.registry")

VERSION_TABLE = "schema_version"
MIGRATION_SECONDS = 600.0  # for one statement
LOCK_SECONDS = 120.0  # that another node's migration is waited for

_ADVISORY_LOCK = 0x6D61656C7374726F  # "maelstro"
_one_at_a_time = threading.Lock()  # Alembic's `op` is global to the process


async def migrate(url: str) -> bool:
    """Brings the schema up to date, from nothing too. True if something had to be done.

    Raises SchemaMismatch if the schema is newer than this code, Unavailable if the database cannot be reached.
    """
    with mapped_errors():
        return await asyncio.to_thread(_migrate, url)


async def check_schema(engine: AsyncEngine) -> None:
    """Raises SchemaMismatch unless the schema is exactly the one that this code was written for."""
    async with transaction(engine, write=False) as connection:
        found = await connection.run_sync(_found)
    known = _known()
    if found is None:
        raise SchemaMismatch("the database has no schema yet", hint="run `maelstromd migrate`")
    _refuse_newer(known, found)
    if found != known[-1]:
        raise SchemaMismatch(
            f"the database's schema is {found}, this version needs {known[-1]}",
            hint="run `maelstromd migrate`",
        )


def migrations_folder() -> Path:
    """In an installed package it lies inside, in the source tree beside it."""
    package = Path(maelstrom.__file__).parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def _migrate(url: str) -> bool:
    address = parse_address(url)
    with _one_at_a_time:
        engine = _postgresql(address) if isinstance(address, PostgresAddress) else _sqlite(address.path)
        try:
            with engine.begin() as connection:
                return _upgrade(connection)
        finally:
            engine.dispose()


def _upgrade(connection: Connection) -> bool:
    if connection.dialect.name == "postgresql":
        _require_utf8(connection)
        connection.execute(
            text("select set_config('statement_timeout', :statement, true), set_config('lock_timeout', :lock, true)"),
            {"statement": f"{MIGRATION_SECONDS:.0f}s", "lock": f"{LOCK_SECONDS:.0f}s"},
        )
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    found = _found(connection)
    known = _known()
    _refuse_newer(known, found)
    wanted = known[-1]
    if found == wanted:
        return False
    if found is None:
        _refuse_foreign_tables(connection)
    _run_alembic(connection)
    if connection.dialect.name == "sqlite" and connection.execute(text("PRAGMA foreign_key_check")).first() is not None:
        raise SchemaMismatch("the migration would leave rows that point to nothing; nothing was changed")
    log.info("the database's schema was brought up to date", extra={"from": found or "nothing", "to": wanted})
    return True


def _found(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.execute(text(f"select version_num from {VERSION_TABLE}")).scalar()
    return found


def _known() -> list[str]:
    """The revisions of this code, in their order: each file's name begins with its own."""
    return sorted(path.stem.partition("_")[0] for path in (migrations_folder() / "versions").glob("[0-9]*.py"))


def _refuse_newer(known: list[str], found: str | None) -> None:
    if found is not None and found not in known:
        raise SchemaMismatch(
            f"the database's schema is {found}, made by a newer version than {maelstrom.__version__};"
            f" this one knows up to {known[-1]}",
            hint="run the newer version of maelstromd, or put back a copy of the database from before",
        )


def _refuse_foreign_tables(connection: Connection) -> None:
    taken = sorted(metadata.tables.keys() & set(inspect(connection).get_table_names()))
    if taken:
        raise SchemaMismatch(
            f"the database has tables of something else: {', '.join(taken)}",
            hint="give maelstrom a database of its own",
        )


def _require_utf8(connection: Connection) -> None:
    encoding = connection.execute(text("show server_encoding")).scalar()
    if encoding != "UTF8":
        message = f"the database's encoding is {encoding}, it must be UTF8"
        hint = "create the database with ENCODING 'UTF8'"
        raise InvalidSettings((Problem(path="MAEL_DATABASE_URL", message=message, hint=hint),))


def _run_alembic(connection: Connection) -> None:
    from alembic import command  # here: 11 MB that a node whose schema is up to date need not keep
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    command.upgrade(config, "head")


def _postgresql(address: PostgresAddress) -> Engine:
    import psycopg

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(address.conninfo, prepare_threshold=None)

    return create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool, hide_parameters=True)


def _sqlite(path: str) -> Engine:
    _use_wal(path)
    url = URL.create("sqlite", database=path)
    engine = create_engine(url, connect_args=sqlite_arguments(LOCK_SECONDS), poolclass=NullPool, hide_parameters=True)
    # Tables that are made anew would take with them what points to them; it is checked at the end instead.
    configure_sqlite(engine, foreign_keys=False)
    return engine


def _use_wal(path: str) -> None:
    """For later connections it is then so already. The switch itself waits for nobody: of several first starts at once
    some would fail.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        with closing(sqlite3.connect(path, timeout=LOCK_SECONDS)) as connection:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
        time.sleep(0.02)
