"""Rows of removed event sources, which go in the end. A function over a connection, in a put's transaction.

A row stays for its leases, and long after them: a source that is put again under its name goes on with its epochs, so
that a component which remembers the highest one is not told a lower one.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import column, delete, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from maelstrom.registry.cron_tables import cron_runs, cron_sources
from maelstrom.registry.tables import event_sources

KEPT_SECONDS: Final = 60 * 86_400.0  # after the removal, by the clock of who puts: it decides no more than this
AT_ONCE: Final = 200

_leases = table("leases", column("source"))  # their own tables are above this folder


async def prune(connection: AsyncConnection, now: float) -> None:
    """Rows that nobody has leases of. Who holds the writers' lock calls it: nobody puts one of them again meanwhile."""
    rows = event_sources.c
    old = select(rows.id).where(rows.removed, rows.modified_at < now - KEPT_SECONDS).order_by(rows.id).limit(AT_ONCE)
    ids = list((await connection.execute(old.with_for_update(skip_locked=True))).scalars())
    if ids:
        # asked only now that nobody can grant: a grant takes the row's lock
        held = select(_leases.c.source).where(_leases.c.source.in_(ids))
        free = set(ids) - set((await connection.execute(held)).scalars())
        for one in (cron_runs, cron_sources):
            await connection.execute(delete(one).where(one.c.source.in_(free)))
        await connection.execute(delete(event_sources).where(rows.id.in_(free)))
