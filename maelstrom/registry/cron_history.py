"""The runs of cron that are kept: listed, found, pruned. Functions over a connection, inside its transaction."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, func, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from maelstrom.model.cron import CronRun
from maelstrom.model.errors import NotFound
from maelstrom.model.source import SourceKey
from maelstrom.model.stored import SourceFilter
from maelstrom.registry import cron_spans
from maelstrom.registry.cron_tables import cron_runs, cron_sources
from maelstrom.registry.names import is_named
from maelstrom.registry.tables import event_sources

KEPT_RUNS = 100  # of a source
KEPT_SECONDS = 30 * 86_400.0  # the last one of a source stays for longer

_ROWS = select(cron_runs, event_sources.c.project, event_sources.c.name).join(
    event_sources, event_sources.c.id == cron_runs.c.source
)


async def listed(connection: AsyncConnection, wanted: SourceFilter, limit: int) -> list[CronRun]:
    """The newest first; also of sources that were removed."""
    rows = await connection.execute(_ROWS.where(_matches(wanted)).order_by(*_newest_first()).limit(limit))
    return [_run(row) for row in rows]


async def found(connection: AsyncConnection, id: str) -> CronRun:
    """Raises NotFound."""
    row = (await connection.execute(_ROWS.where(cron_runs.c.id == id))).first()
    if row is None:
        raise NotFound(f"there is no run {id[:100]!r}", hint="`maelctl cron runs` lists those that are kept")
    return _run(row)


async def failing(connection: AsyncConnection) -> dict[int, str]:
    """Reasons of the last runs that are over, of the sources where these failed."""
    table = cron_runs.c
    newest = func.row_number().over(partition_by=table.source, order_by=_newest_first()).label("place")
    over = select(table.source, table.state, table.reason, newest).where(table.state.in_(["succeeded", "failed"]))
    last = over.subquery()
    rows = await connection.execute(select(last).where(last.c.place == 1, last.c.state == "failed"))
    return {row.source: row.reason for row in rows}


async def crowded(connection: AsyncConnection, now: float, sources: Collection[int]) -> list[int]:
    """Of these, or of all: which have runs that are not kept any more."""
    table = cron_runs.c
    too_old = and_(func.min(table.began_at) < now - KEPT_SECONDS, func.count() > 1)
    query = select(table.source).where(table.source.in_(sources) if sources else true()).group_by(table.source)
    rows = await connection.execute(query.having(or_(func.count() > KEPT_RUNS, too_old)).order_by(table.source))
    return [row.source for row in rows]


async def prune(connection: AsyncConnection, source: int, now: float) -> None:
    """The caller holds the lock of the source's row. What was decided of the planned ones stays known.

    Times that lie ahead were fired by a clock that has been set back since; they do not count among the newest.
    """
    table = cron_runs.c
    of_it = select(table.id, table.kind, table.planned, table.began_at, table.state)
    over = of_it.where(table.source == source, table.planned <= now)
    rows = (await connection.execute(over.order_by(table.planned.desc(), *_newest_first()))).all()
    kept = [row for row in rows[:KEPT_RUNS] if row.began_at >= now - KEPT_SECONDS] or rows[:1]
    ids = {row.id for row in kept}
    gone = [row for row in rows if row.id not in ids and row.state != "running"]
    if not gone:
        return
    this = cron_sources.c.source == source
    pruned = (await connection.execute(select(cron_sources.c.pruned).where(this))).scalar()
    if pruned is not None:
        times = [row.planned for row in gone if row.kind == "planned"]
        spans = cron_spans.extended(cron_spans.read(pruned), times)
        await connection.execute(update(cron_sources).where(this).values(pruned=cron_spans.as_text(spans)))
    await connection.execute(delete(cron_runs).where(table.id.in_([row.id for row in gone])))


def _newest_first() -> tuple[ColumnElement[Any], ...]:
    return cron_runs.c.began_at.desc(), cron_runs.c.planned.desc(), cron_runs.c.id


def _matches(wanted: SourceFilter) -> ColumnElement[bool]:
    table = event_sources.c
    conditions = [table.project == wanted.project.lower() if wanted.project else true()]
    if wanted.names:
        conditions.append(or_(*(is_named(table.name, table.project, name) for name in wanted.names)))
    return and_(*conditions)


def _run(row: Row[Any]) -> CronRun:
    return CronRun(
        id=row.id,
        source=SourceKey(row.project, row.name),
        kind=row.kind,
        scheduled_at=row.planned,
        state=row.state,
        node=row.node,
        attempts=row.attempt,
        started_at=row.began_at,
        ended_at=row.ended_at,
        status=row.status,
        reason=row.reason,
    )
