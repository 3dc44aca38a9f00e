"""The database's errors in our words: the one table from drivers' errors to ours. Knows nothing of what is stored."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from sqlalchemy import exc

from maelstrom.model.errors import Conflict, InvalidInput, MaelstromError, SchemaMismatch, Unavailable

if TYPE_CHECKING:
    import psycopg

READ_ONLY = "25006"  # SQLSTATE

# SQLSTATE, or its class, to the sentence and hint of an Unavailable.
_UNAVAILABLE: dict[str, tuple[str, str | None]] = {
    "08": ("the connection to the database is lost", None),
    READ_ONLY: ("the database only reads now", "name all hosts of the cluster in MAEL_DATABASE_URL"),
    "28": ("the database refuses the user", "check user and password in MAEL_DATABASE_URL"),
    "3D": ("the database does not exist", "create it, or correct its name in MAEL_DATABASE_URL"),
    "40": ("the database undid the change because of another one", "try again"),
    "53": ("the database has no room or no connection left", "check its disk and its max_connections"),
    "55P03": ("somebody holds a lock in the database for too long", "try again"),
    "57014": ("the database did not answer in time", None),
    "57": ("the database stops or starts", None),
    "58": ("the database's own system fails", "see the database's log"),
}
_WRONG_SCHEMA = ("42P01", "42703", "42704", "42883", "3F000")

_SQLITE_UNAVAILABLE: dict[int, tuple[str, str | None]] = {
    sqlite3.SQLITE_BUSY: ("somebody holds the database's lock for too long", "stop what else uses the file"),
    sqlite3.SQLITE_LOCKED: ("somebody holds the database's lock for too long", "try again"),
    sqlite3.SQLITE_READONLY: ("the database's file or folder is read-only", "let the daemon's user write it"),
    sqlite3.SQLITE_PERM: ("the database's file may not be used", "let the daemon's user write it"),
    sqlite3.SQLITE_AUTH: ("the database's file may not be used", "let the daemon's user write it"),
    sqlite3.SQLITE_IOERR: ("the database's disk fails", "check the disk of the state directory"),
    sqlite3.SQLITE_FULL: ("the database's disk is full", "free some space on the disk of the state directory"),
    sqlite3.SQLITE_CANTOPEN: (
        "the database's file cannot be opened",
        "check that its folder is there and may be written",
    ),
    sqlite3.SQLITE_PROTOCOL: ("the database's file cannot be locked", "use a local disk"),
}


@contextmanager
def mapped_errors() -> Iterator[None]:
    """What the drivers and SQLAlchemy raise inside leaves as Unavailable, Conflict, … with the cause chained."""
    try:
        yield
    except _foreign() as error:
        raise translate(error) from error


def is_transient(error: BaseException) -> bool:
    """Whether the same may succeed later.

    It says nothing of whether the statement was executed: a lost answer is transient, too.
    """
    if isinstance(error, _foreign()):
        error = translate(error)
    return isinstance(error, Unavailable)


def _foreign() -> tuple[type[Exception], ...]:
    """What SQLAlchemy and the drivers raise."""
    return (exc.SQLAlchemyError, *_of_postgresql(), sqlite3.Error, OverflowError, UnicodeEncodeError)


def _of_postgresql() -> tuple[type[Exception], ...]:
    """Its driver is loaded with the first address of one: before there is no such error."""
    driver = sys.modules.get("psycopg")
    return () if driver is None else (driver.Error,)


def translate(error: BaseException) -> MaelstromError:
    """Ours for any error that a statement or a connection attempt can raise."""
    origin = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    if isinstance(error, exc.TimeoutError):
        return Unavailable("all connections to the database are in use for too long", hint="try again")
    if isinstance(origin, _of_postgresql()):
        return _from_postgresql(cast("psycopg.Error", origin))
    if isinstance(origin, sqlite3.Error):
        return _from_sqlite(origin)
    if isinstance(origin, OverflowError | UnicodeEncodeError):
        return InvalidInput("a value cannot be stored by the database")
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return Unavailable("the connection to the database is lost")
    return MaelstromError(f"a statement failed: {type(origin).__name__}")


def _from_postgresql(error: psycopg.Error) -> MaelstromError:
    import psycopg

    state = error.sqlstate or ""
    detail = _first_line(error)
    if state == "23505":
        return Conflict("somebody else stored the same meanwhile")
    if state in _WRONG_SCHEMA:
        return SchemaMismatch(f"the database's schema is not the one that this version needs: {detail}")
    found = _UNAVAILABLE.get(state) or _UNAVAILABLE.get(state[:2])
    if found is not None:
        return Unavailable(f"{found[0]}: {detail}", hint=found[1])
    if isinstance(error, psycopg.DataError):
        return InvalidInput("a value cannot be stored by the database")
    if "unsupported startup parameter" in detail:  # PgBouncer's words
        hint = "set MAEL_DATABASE_LISTEN_URL to the server's own address, or to `off`"
        return Unavailable(f"the database is behind a pooler: {detail}", hint=hint)
    if not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return Unavailable(f"the database cannot be reached: {detail}")
    return MaelstromError(f"the database refused a statement ({state or type(error).__name__}): {detail}")


def _from_sqlite(error: sqlite3.Error) -> MaelstromError:
    detail = _first_line(error)
    code = getattr(error, "sqlite_errorcode", 0)
    if code in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
        return Conflict("somebody else stored the same meanwhile")
    if "no such table" in detail or "no such column" in detail or "has no column named" in detail:
        return SchemaMismatch(f"the database's schema is not the one that this version needs: {detail}")
    found = _SQLITE_UNAVAILABLE.get(code & 0xFF)
    if found is not None:
        return Unavailable(f"{found[0]}: {detail}", hint=found[1])
    if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return MaelstromError(f"the database's file is damaged: {detail}", hint="put a copy back, or name another file")
    if isinstance(error, sqlite3.DataError):
        return InvalidInput("a value cannot be stored by the database")
    return MaelstromError(f"the database refused a statement: {detail}")


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__
