"""Which of our errors a driver's error is, and that those a person can do something about say what."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from sqlalchemy import exc

from maelstrom.model.errors import Conflict, InvalidInput, MaelstromError, SchemaMismatch, Unavailable
from maelstrom.registry.faults import is_transient, translate


def sqlite_error(code: int, text: str = "text of sqlite") -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "words", "hint"),
    [
        (sqlite3.SQLITE_BUSY, "lock", "stop what else uses the file"),
        (sqlite3.SQLITE_READONLY, "read-only", "let the daemon's user write it"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, "read-only", "let the daemon's user write it"),
        (sqlite3.SQLITE_FULL, "disk is full", "free some space"),
        (sqlite3.SQLITE_IOERR_WRITE, "disk fails", "check the disk"),
        (sqlite3.SQLITE_CANTOPEN, "cannot be opened", "folder"),
    ],
)
def test_troubles_of_a_sqlite_file_are_named_and_may_pass(code: int, words: str, hint: str) -> None:
    error = translate(sqlite_error(code))
    assert type(error) is Unavailable
    assert words in error.message
    assert "text of sqlite" in error.message
    assert hint in error.hint
    assert is_transient(sqlite_error(code))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (sqlite_error(sqlite3.SQLITE_CONSTRAINT_UNIQUE), Conflict),
        (sqlite_error(sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY), MaelstromError),
        (sqlite_error(sqlite3.SQLITE_ERROR, "no such table: x"), SchemaMismatch),
        (sqlite_error(sqlite3.SQLITE_NOTADB, "file is not a database"), MaelstromError),
        (psycopg.errors.UniqueViolation("x"), Conflict),
        (psycopg.errors.ForeignKeyViolation("x"), MaelstromError),
        (psycopg.errors.UndefinedColumn("x"), SchemaMismatch),
        (psycopg.errors.NumericValueOutOfRange("x"), InvalidInput),
        (psycopg.errors.SyntaxError("x"), MaelstromError),
        (psycopg.errors.InsufficientPrivilege("x"), MaelstromError),
        (OverflowError("x"), InvalidInput),
    ],
)
def test_what_will_fail_again_is_not_transient(error: Exception, expected: type[MaelstromError]) -> None:
    assert type(translate(error)) is expected
    assert not is_transient(error)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (psycopg.OperationalError("consuming input failed"), "cannot be reached"),
        (psycopg.errors.DeadlockDetected("x"), "undid the change"),
        (psycopg.errors.SerializationFailure("x"), "undid the change"),
        (psycopg.errors.LockNotAvailable("x"), "holds a lock"),
        (psycopg.errors.QueryCanceled("x"), "in time"),
        (psycopg.errors.AdminShutdown("x"), "stops or starts"),
        (psycopg.errors.CannotConnectNow("x"), "stops or starts"),
        (psycopg.errors.ReadOnlySqlTransaction("x"), "only reads"),
        (psycopg.errors.DiskFull("x"), "no room"),
        (psycopg.errors.TooManyConnections("x"), "no connection left"),
        (psycopg.errors.InvalidPassword("x"), "refuses the user"),
        (psycopg.errors.InvalidCatalogName("x"), "does not exist"),
        (exc.TimeoutError("QueuePool limit"), "all connections"),
    ],
)
def test_what_may_pass_is_transient_and_says_what_it_is(error: Exception, words: str) -> None:
    found = translate(error)
    assert type(found) is Unavailable
    assert words in found.message
    assert found.hint
    assert is_transient(error)


def test_only_the_first_line_of_an_error_is_shown_and_not_without_end() -> None:
    message = translate(psycopg.errors.SyntaxError("a" * 1000 + "\nDETAIL: secret")).message
    assert "secret" not in message
    assert len(message) < 400
