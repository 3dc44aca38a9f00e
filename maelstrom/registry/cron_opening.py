"""How ticks become runs: which are decided already, what is open beside them, and the rows that are inserted.

Inside a transaction that holds the locks of the sources' rows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from maelstrom.model.cron import Opened, OpenRun, Tick
from maelstrom.registry.cron_tables import cron_runs

STILL_OPEN = "an earlier run was still open"
RUNNING = cron_runs.c.state == "running"


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes. `home` names the state directory, which one process at a time has; `process` is this one."""

    node: str
    home: str
    process: str


async def decided(connection: AsyncConnection, ticks: Sequence[Tick]) -> dict[tuple[int, int], tuple[str, str]]:
    """Id and state of the runs that there are of them, by source and planned time."""
    table = cron_runs.c
    sources, times = sorted({tick.source for tick in ticks}), sorted({tick.planned for tick in ticks})
    same = and_(table.kind == "planned", table.source.in_(sources), table.planned.in_(times))
    rows = await connection.execute(select(table.id, table.source, table.planned, table.state).where(same))
    return {(row.source, row.planned): (row.id, row.state) for row in rows}


async def open_of(connection: AsyncConnection, sources: Collection[int]) -> dict[int, list[OpenRun]]:
    found: dict[int, list[OpenRun]] = {}
    if sources:
        wanted = select(cron_runs).where(RUNNING, cron_runs.c.source.in_(sources))
        for row in await connection.execute(wanted):
            found.setdefault(row.source, []).append(open_run(row))
    return found


def open_run(row: Row[Any]) -> OpenRun:
    return OpenRun(row.id, row.source, row.owner, row.attempt, row.promise_ms)


class Batch:
    """Runs that one transaction inserts. `older`: those that are open, by source, where that matters."""

    def __init__(self, writer: Writer, older: dict[int, list[OpenRun]], now: float) -> None:
        self._writer = writer
        self._older = older
        self._now = now
        self._rows: list[dict[str, Any]] = []
        self._to_cancel: set[str] = set()

    def replaced_by(self, tick: Tick) -> tuple[OpenRun, ...]:
        if tick.overlap != "replace":
            return ()
        return tuple(run for run in self._older.get(tick.source, ()) if run.id != tick.id)

    def add(self, tick: Tick, kind: str) -> Opened:
        before = self._older.get(tick.source, [])
        if tick.overlap == "forbid" and before:
            self._rows.append(self._row(tick, kind, 0, "skipped", STILL_OPEN))
            return Opened(tick, None)
        replaced = self.replaced_by(tick)
        self._to_cancel.update(run.id for run in replaced)
        # One that may have others to wait for begins by a word of its own, see `CronLedger.attempt`.
        attempt = 0 if tick.overlap == "replace" else 1
        self._rows.append(self._row(tick, kind, attempt, "running", ""))
        if tick.overlap != "allow":
            mine = OpenRun(tick.id, tick.source, self._writer.process, attempt, tick.promise_ms)
            self._older.setdefault(tick.source, []).append(mine)
        return Opened(tick, replaced)

    async def write(self, connection: AsyncConnection, opened: Sequence[Opened]) -> list[Opened]:
        """`opened` again, where need be with what of the replaced runs was true when they were told to end."""
        if self._rows:
            await connection.execute(insert(cron_runs), self._rows)
        if not self._to_cancel:
            return list(opened)
        replaced = cron_runs.c.id.in_(sorted(self._to_cancel))
        told = update(cron_runs).where(replaced, RUNNING).values(cancel=True)
        rows = await connection.execute(told.returning(*cron_runs.c))
        now = {row.id: open_run(row) for row in rows}
        return [
            replace(one, older=tuple(now[run.id] for run in one.older if run.id in now)) if one.older else one
            for one in opened
        ]

    def _row(self, tick: Tick, kind: str, attempt: int, state: str, reason: str) -> dict[str, Any]:
        running = state == "running"
        return {
            "id": tick.id,
            "source": tick.source,
            "kind": kind,
            "planned": tick.planned,
            "state": state,
            "node": self._writer.node,
            "home": self._writer.home,
            "owner": self._writer.process,
            "attempt": attempt,
            "promise_ms": tick.promise_ms,
            "began_at": self._now,
            "ended_at": None if running else self._now,
            "reason": reason,
        }
