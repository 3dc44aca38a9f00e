"""Which statements a database is spoken to with."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from maelstrom.leases.postgres import PostgresStatements
from maelstrom.leases.sqlite import SqliteStatements
from maelstrom.leases.statements import Statements
from maelstrom.registry.engine import is_postgresql


def statements_over(database: AsyncEngine | Statements, timeout: float) -> Statements:
    """The statements for this kind of database; each gives up after `timeout` seconds."""
    if not isinstance(database, AsyncEngine):
        return database
    return PostgresStatements(database, timeout) if is_postgresql(database) else SqliteStatements(database, timeout)
