"""Event sources: listed, found by name, enabled and disabled. Functions over a connection; the transaction is the
caller's. Removed ones, which only wait for their leases to end, are never seen, nor are the rows of roles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from maelstrom.model.errors import MaelstromError
from maelstrom.model.source import EventSource
from maelstrom.model.stored import SourceFilter
from maelstrom.registry.changes import announce, lock
from maelstrom.registry.engine import is_postgresql
from maelstrom.registry.names import has_prefix, is_named, the_one
from maelstrom.registry.records import source_of
from maelstrom.registry.tables import ROLE, event_sources

LEASES_CHANNEL = "leases"  # where those who hold leases listen


async def everything(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """The rows of all sources."""
    return (await connection.execute(select(event_sources).where(_visible()))).all()


async def listed(connection: AsyncConnection, wanted: SourceFilter) -> list[EventSource]:
    """By project and name; what cannot be read is left out."""
    rows = await connection.execute(select(event_sources).where(_matches(wanted)))
    return _sorted(source for row in rows if (source := source_of(row)) is not None)


async def found(connection: AsyncConnection, name: str, project: str | None) -> EventSource:
    """Raises NotFound, AmbiguousName."""
    rows = (await connection.execute(select(event_sources).where(_matches(SourceFilter(project, names=(name,)))))).all()
    row = the_one("event source", name, rows)
    source = source_of(row)
    if source is None:
        message = f"what is stored of event source {row.full_name} cannot be read"
        raise MaelstromError(message, hint="put its project again")
    return source


async def set_enabled(connection: AsyncConnection, wanted: SourceFilter, enabled: bool) -> list[EventSource]:
    """Those that were not so before. The version stays: it is the definition's. To enable one ends its pause, too."""
    await lock(connection)
    if enabled:
        await _end_pauses(connection, wanted)
    query = select(event_sources.c.id).where(_matches(wanted), event_sources.c.enabled != enabled)
    # In the order of ids, as everybody who waits for rows of sources locks them.
    ids = (await connection.execute(query.order_by(event_sources.c.id).with_for_update())).scalars().all()
    if not ids:
        return []
    values = {"enabled": enabled, "rev": event_sources.c.rev + 1}
    changed = []
    for id in ids:
        statement = update(event_sources).where(event_sources.c.id == id).values(values)
        row = (await connection.execute(statement.returning(*event_sources.c))).one()
        if (source := source_of(row)) is not None:
            changed.append(source)
    await announce(connection)
    return _sorted(changed)


async def _end_pauses(connection: AsyncConnection, wanted: SourceFilter) -> None:
    values = {"pause_ms": 0, "pause_seq": event_sources.c.pause_seq + 1}
    query = select(event_sources.c.id).where(_matches(wanted), event_sources.c.pause_ms > 0)
    for id in (await connection.execute(query.order_by(event_sources.c.id).with_for_update())).scalars().all():
        await connection.execute(update(event_sources).where(event_sources.c.id == id).values(values))
        if is_postgresql(connection):
            await connection.execute(select(func.pg_notify(LEASES_CHANNEL, str(id))))


def _visible() -> ColumnElement[bool]:
    return and_(~event_sources.c.removed, event_sources.c.type != ROLE)


def _matches(wanted: SourceFilter) -> ColumnElement[bool]:
    table = event_sources
    conditions = [
        _visible(),
        table.c.project == wanted.project.lower() if wanted.project else true(),
        table.c.type == wanted.type if wanted.type else true(),
        is_named(table.c.component, table.c.project, wanted.component) if wanted.component else true(),
        has_prefix(table, wanted.prefix),
    ]
    if wanted.names:
        conditions.append(or_(*(is_named(table.c.name, table.c.project, name) for name in wanted.names)))
    return and_(*conditions)


def _sorted(sources: Iterable[EventSource]) -> list[EventSource]:
    return sorted(sources, key=lambda source: source.key)
