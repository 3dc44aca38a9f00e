"""The ledger of cron: which planned times were decided, and what became of their runs. One method, one transaction.

Who may fire a planned time is decided here and nowhere else: its run is inserted under the lock of the source's row, by
a key that lets it in once. That holds whatever several nodes believe at the same time. What was decided
stays known when its run is not kept any more (`cron_spans`); and who plans with an older epoch than the row's decides
nothing.

All methods raise only errors of `model/errors`; after Unavailable a change may have been made all the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Row, and_, bindparam, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from maelstrom.model.cron import Anchor, Ended, Followed, Opened, OpenRun, Tick
from maelstrom.model.errors import Conflict, LeaseLost
from maelstrom.registry import cron_history, cron_spans
from maelstrom.registry.cron_opening import RUNNING, Batch, Writer, decided, open_of, open_run
from maelstrom.registry.cron_tables import cron_runs, cron_sources
from maelstrom.registry.engine import autocommit, is_postgresql, transaction

LOST = "its node did not record how it ended"
TICKS_AT_ONCE = 200  # of one transaction

_CLOSE = (
    update(cron_runs)
    .where(cron_runs.c.id == bindparam("run"), or_(RUNNING, cron_runs.c.state == "lost"))
    .values({name: bindparam(f"to_{name}") for name in ("state", "status", "reason", "ended_at")})
)
_DATABASE_CLOCK = text("select extract(epoch from clock_timestamp())")


class CronLedger:
    """Methods may be called concurrently, by several nodes."""

    def __init__(self, engine: AsyncEngine, writer: Writer, *, now: Callable[[], float] = time.time) -> None:
        self.writer = writer
        self._engine = engine
        self._now = now

    async def clock(self) -> float:
        """Seconds since 1970. One clock for all nodes, the database's; on SQLite they share their machine's anyhow."""
        if not is_postgresql(self._engine):
            return self._now()
        async with autocommit(self._engine) as connection:
            return float((await connection.execute(_DATABASE_CLOCK)).scalar_one())

    # planning

    async def lead(self, epoch: int) -> None:
        """Nobody with an older epoch decides anything from now on."""
        async with transaction(self._engine) as connection:
            older = update(cron_sources).where(cron_sources.c.epoch < epoch)
            await connection.execute(older.values(epoch=epoch))

    async def follow(self, wanted: Sequence[Followed], now: int, epoch: int) -> dict[int, Anchor]:
        """Where the sources begin, by id: as stored, or now where they are new, or were at rest (then the phase of
        `@every` stays), or have another schedule. Raises LeaseLost if a newer epoch plans.
        """
        found: dict[int, Anchor] = {}
        for few in _chunks(wanted):
            async with transaction(self._engine) as connection:
                rows = await _locked(connection, [one.source for one in few])
                for one in few:
                    found[one.source] = await _follow(connection, one, rows.get(one.source), now, epoch)
        return found

    async def rest(self, sources: Collection[int], epoch: int) -> None:
        """They are disabled or removed: what is planned meanwhile was not missed."""
        for few in _chunks(sorted(sources)):
            async with transaction(self._engine) as connection:
                table = cron_sources.c
                active = and_(table.source.in_(few), table.active, table.epoch <= epoch)
                await connection.execute(update(cron_sources).where(active).values(active=False))

    async def open(self, ticks: Sequence[Tick], epoch: int, now: float) -> list[Opened]:
        """Those that nobody has decided: now they are this process's runs, or skipped. Sent again after an unknown
        outcome it gives the same answer. At most `TICKS_AT_ONCE`.
        """
        async with transaction(self._engine) as connection:
            rows = await _locked(connection, sorted({tick.source for tick in ticks}))
            may = [tick for tick in ticks if _may_fire(rows.get(tick.source), tick, epoch)]
            known = await decided(connection, may)
            older = await open_of(connection, {tick.source for tick in may if tick.overlap != "allow"})
            batch = Batch(self.writer, older, now)
            opened: list[Opened] = []
            for tick in may:
                id, state = known.get((tick.source, tick.planned), ("", ""))
                if not id:
                    opened.append(batch.add(tick, "planned"))
                elif id == tick.id:
                    opened.append(Opened(tick, None if state == "skipped" else batch.replaced_by(tick)))
            return await batch.write(connection, opened)

    async def open_manual(self, tick: Tick, now: float) -> Opened:
        """A run by hand. Raises Conflict where the source forbids another one now."""
        async with transaction(self._engine) as connection:
            await _locked(connection, [tick.source])
            older = {} if tick.overlap == "allow" else await open_of(connection, {tick.source})
            if tick.overlap == "forbid" and older:
                raise Conflict("a run of it is open, and it forbids another one beside it", hint="`overlap: forbid`")
            batch = Batch(self.writer, older, now)
            (opened,) = await batch.write(connection, [batch.add(tick, "manual")])
            return opened

    # working

    async def attempt(self, run: str, number: int, promise_ms: int) -> bool:
        """The next try of an own run begins; False if the run was closed or is to be ended. So a run that was told to
        end before its first try never has one.
        """
        mine = and_(cron_runs.c.id == run, RUNNING, ~cron_runs.c.cancel)
        async with transaction(self._engine) as connection:
            values = {"attempt": number, "promise_ms": promise_ms}
            return (await connection.execute(update(cron_runs).where(mine).values(values))).rowcount == 1

    async def close(self, ended: Sequence[Ended]) -> None:
        """The word of who worked them, also where others have given them up meanwhile."""
        async with transaction(self._engine) as connection:
            await connection.execute(_CLOSE, [_end(one) for one in ended])

    async def to_cancel(self) -> set[str]:
        """Own runs that somebody replaces."""
        mine = and_(RUNNING, cron_runs.c.owner == self.writer.process, cron_runs.c.cancel)
        async with transaction(self._engine, write=False) as connection:
            return set((await connection.execute(select(cron_runs.c.id).where(mine))).scalars())

    async def open_runs(self) -> list[OpenRun]:
        """Of all processes."""
        async with transaction(self._engine, write=False) as connection:
            return [open_run(row) for row in await connection.execute(select(cron_runs).where(RUNNING))]

    async def give_up(self, runs: Iterable[OpenRun], now: float) -> None:
        """They have stood still for their promise: whoever worked them does no more. Changed rows are left alone."""
        async with transaction(self._engine) as connection:
            for run in runs:
                same = and_(cron_runs.c.id == run.id, cron_runs.c.attempt == run.attempt, RUNNING)
                await connection.execute(update(cron_runs).where(same).values(state="lost", reason=LOST, ended_at=now))

    async def bury_former(self, now: float) -> int:
        """Closes the runs of former processes of this state directory: their requests ended with them."""
        former = and_(RUNNING, cron_runs.c.home == self.writer.home, cron_runs.c.owner != self.writer.process)
        async with transaction(self._engine) as connection:
            statement = update(cron_runs).where(former).values(state="lost", reason=LOST, ended_at=now)
            return (await connection.execute(statement)).rowcount

    # history

    async def failing(self) -> dict[int, str]:
        """The sources whose last run failed, by id, and why."""
        async with transaction(self._engine, write=False) as connection:
            return await cron_history.failing(connection)

    async def prune(self, now: float, sources: Collection[int] = ()) -> None:
        """Of these sources, or of all, only the last runs stay."""
        async with transaction(self._engine, write=False) as connection:
            crowded = await cron_history.crowded(connection, now, sources)
        for source in crowded:
            async with transaction(self._engine) as connection:
                await _locked(connection, [source])
                await cron_history.prune(connection, source, now)


async def _locked(connection: AsyncConnection, sources: Collection[int]) -> dict[int, Row[Any]]:
    """In the order of ids, as everybody who waits for them."""
    wanted = select(cron_sources).where(cron_sources.c.source.in_(sources)).order_by(cron_sources.c.source)
    return {row.source: row for row in await connection.execute(wanted.with_for_update())}


async def _follow(connection: AsyncConnection, one: Followed, row: Row[Any] | None, now: int, epoch: int) -> Anchor:
    if row is None:
        values = {"source": one.source, "version": one.version, "schedule": one.schedule, "epoch": epoch}
        await connection.execute(insert(cron_sources).values(**values, anchor=now, since=now))
        return Anchor(now, now)
    if row.epoch > epoch:
        raise LeaseLost("another node plans by now")
    changed: dict[str, Any] = {}
    if row.since > now:  # stored while the clock was ahead
        changed = {"anchor": min(row.anchor, now), "since": now}
    # A copy of the registry that is older than what was stored last must not turn it back.
    if one.schedule != row.schedule and one.version >= row.version:
        changed = {"schedule": one.schedule, "anchor": now, "since": now}
    elif not row.active:
        changed |= {"since": now}
    if changed or one.version > row.version or not row.active or row.epoch < epoch:
        changed |= {"version": max(one.version, row.version), "active": True, "epoch": epoch}
        await connection.execute(update(cron_sources).where(cron_sources.c.source == one.source).values(changed))
    return Anchor(changed.get("anchor", row.anchor), changed.get("since", row.since))


def _may_fire(row: Row[Any] | None, tick: Tick, epoch: int) -> bool:
    if row is None or row.epoch > epoch or tick.planned <= row.since:
        return False
    return not cron_spans.covers(cron_spans.read(row.pruned), tick.planned)


def _end(one: Ended) -> dict[str, Any]:
    outcome = one.outcome
    values = {"state": outcome.state, "status": outcome.status, "reason": _storable(outcome.reason), "ended_at": one.at}
    return {"run": one.run, **{f"to_{name}": value for name, value in values.items()}}


def _storable(reason: str) -> str:
    """PostgreSQL's text has no NUL, and no half of a surrogate pair."""
    return reason.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _chunks(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[at : at + TICKS_AT_ONCE] for at in range(0, len(items), TICKS_AT_ONCE))
