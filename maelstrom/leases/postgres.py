"""`Statements` on PostgreSQL: values to arrays, rows to values. The SQL is in `postgres_sql`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from maelstrom.leases import postgres_sql as sql
from maelstrom.leases.statements import (
    Audit,
    AuditLease,
    Confirmed,
    Defer,
    Deferred,
    Ground,
    Held,
    Me,
    NewSession,
    Own,
    OwnLease,
    SessionRow,
    SourceNow,
    View,
    Want,
    Word,
    blocking_ms,
    no_era,
)
from maelstrom.leases.term import Ask, Note
from maelstrom.leases.watch import SeenLease, SeenSession
from maelstrom.registry.engine import autocommit, transaction

prepared = functools.cache(text)  # parsed once


class PostgresStatements:
    """`Statements` over a PostgreSQL engine; each gives up after `timeout` seconds."""

    def __init__(self, engine: AsyncEngine, timeout: float) -> None:
        self._engine = engine
        self._timeout = timeout

    async def ground(self) -> Ground:
        rows = await self._run(sql.GROUND)
        if not rows:
            raise no_era()
        row = rows[0]
        same, durable, writable = bool(row.same), bool(row.durable), bool(row.writable)
        return Ground(row.val.hex, same, durable, writable, row.server, row.flushed)

    async def raise_era(self, seen: str, ttl_ms: int, *, lost: bool = True) -> None:
        async with transaction(self._engine, timeout=self._timeout) as connection:
            raised = await connection.execute(prepared(sql.NEXT_ERA), {"seen": seen, "val": uuid4().hex})
            if raised.first() is None:
                return
            sources = (await connection.execute(prepared(sql.LOCK_SOURCES))).all()
            await connection.execute(prepared(sql.NEXT_EPOCHS))
            longest_ttl = (await connection.execute(prepared(sql.LONGEST_TTL), {"ttl_ms": ttl_ms})).scalar_one()
            blocks = blocking_ms({row.id: row.high_ms for row in sources}, longest_ttl, lost=lost)
            values = {"sources": list(blocks), "busy": list(blocks.values())}
            await connection.execute(prepared(sql.BLOCK_SOURCES), values)
            await connection.execute(prepared(sql.END_SESSIONS))

    async def open_session(self, new: NewSession, era: str) -> bool:
        return bool(await self._run(sql.OPEN, **asdict(new), era=era))

    async def own(self, session: str) -> Own | None:
        rows = await self._run(sql.OWN, session=session)
        if not rows:
            return None
        return Own(rows[0].beat, bool(rows[0].live), tuple(_leases(rows)))

    async def beat(
        self, me: Me, notes: Sequence[Note] = (), *, leaving: bool = False, word: Word | None = None
    ) -> list[int] | None:
        rows = await self._guarded(
            sql.BEAT,
            me,
            leaving=leaving,
            leases=[note.lease for note in notes],
            sources=[note.source for note in notes],
            flights=[note.in_flight for note in notes],
            peaks=[note.peak for note in notes],
            unfit=word and word.unfit,
            wanting=word and word.wanting,
        )
        return list(rows[0].missed or ()) if rows else None

    async def grant(self, me: Me, wants: Sequence[Want]) -> list[OwnLease] | None:
        rows = await self._guarded(
            sql.GRANT,
            me,
            sources=[want.source for want in wants],
            wanted=[want.capacity for want in wants],
            leases=[want.lease for want in wants],
        )
        return _leases(rows) if rows else None

    async def ask(self, me: Me, asks: Sequence[Ask]) -> list[Confirmed] | None:
        rows = await self._guarded(
            sql.ASK,
            me,
            leases=[ask.lease for ask in asks],
            busy=[ask.busy_ms for ask in asks],
            capacities=[ask.capacity for ask in asks],
            flights=[ask.in_flight for ask in asks],
        )
        if not rows:
            return None
        return [Confirmed(row.id.hex, row.capacity, row.m, bool(row.fits)) for row in rows if row.id is not None]

    async def release(self, me: Me, leases: Sequence[str], *, end: bool = False) -> bool | None:
        return True if await self._guarded(sql.RELEASE, me, ending=end, leases=list(leases)) else None

    async def adopt(self, me: Me, formers: Sequence[str], busy_ms: dict[int, int]) -> bool | None:
        sources, busy = list(busy_ms), list(busy_ms.values())
        return True if await self._guarded(sql.ADOPT, me, formers=list(formers), sources=sources, busy=busy) else None

    async def defer(self, me: Me, defers: Sequence[Defer]) -> list[Deferred] | None:
        rows = await self._guarded(
            sql.DEFER,
            me,
            tasks=[item.task for item in defers],
            sources=[item.source for item in defers],
            leases=[item.lease for item in defers],
            rows=[item.row for item in defers],
            busy=[item.busy_ms for item in defers],
            numbers=[item.number for item in defers],
        )
        return [Deferred(row.task, row.capacity) for row in rows if row.task is not None] if rows else None

    async def answered(self, tasks: Sequence[str]) -> list[str]:
        return [row.task for row in await self._run(sql.ANSWERED, tasks=list(tasks))]

    async def pause(self, source: int, milliseconds: int) -> None:
        await self._execute(sql.PAUSE, source=source, ms=milliseconds)

    async def rested(self, rests: Sequence[tuple[int, int, int]]) -> None:
        sources, seqs, left = ([rest[i] for rest in rests] for i in range(3))
        await self._execute(sql.RESTED, sources=sources, seqs=seqs, rests=left)

    async def settle(self, deadlines: Sequence[tuple[int, int]]) -> None:
        sources, highs = ([item[i] for item in deadlines] for i in range(2))
        await self._execute(sql.SETTLE, sources=sources, highs=highs)

    async def view(self, held: Sequence[Held], tasks: Sequence[str] = ()) -> View:
        async with autocommit(self._engine, timeout=self._timeout) as connection:
            sessions = (await connection.execute(prepared(sql.VIEW_SESSIONS))).all()
            orphans = (await connection.execute(prepared(sql.VIEW_ORPHANS))).all()
            values = {"sources": [h.source for h in held], "epochs": [h.epoch for h in held]}
            sources = (await connection.execute(prepared(sql.VIEW_SOURCES), values)).all() if held else []
            asked = {"tasks": list(tasks)}
            there = (await connection.execute(prepared(sql.TASKS), asked)).scalars().all() if tasks else []
        return View(
            sessions[0].era.hex if sessions else "",
            tuple(
                SeenSession(
                    s.id.hex, s.beat, s.ttl_ms, bool(s.live), s.leases, s.node, bool(s.leaving), s.unfit, s.wanting
                )
                for s in sessions
                if s.id is not None
            ),
            tuple(SeenLease(row.id.hex, row.busy_ms, row.busy_seq) for row in orphans),
            tuple(SourceNow(*row) for row in sources),
            sessions[0].flushed if sessions else 0,
            frozenset(there),
        )

    async def bury(self, session: str, beat: int) -> bool:
        return bool(await self._run(sql.BURY, session=session, beat=beat))

    async def forget(self, sessions: Sequence[str]) -> None:
        await self._execute(sql.FORGET, sessions=list(sessions))

    async def waited_out(self, leases: Sequence[SeenLease]) -> int:
        rows = await self._run(sql.WAITED_OUT, leases=[x.id for x in leases], seqs=[x.busy_seq for x in leases])
        return int(rows[0].gone)

    async def write_back(self, rests: Sequence[tuple[SeenLease, int]]) -> None:
        await self._execute(
            sql.WRITE_BACK,
            leases=[lease.id for lease, _ in rests],
            seqs=[lease.busy_seq for lease, _ in rests],
            rests=[rest for _, rest in rests],
        )

    async def role(self, name: str) -> int | None:
        rows = await self._run(sql.ROLE_ROW, name=name)
        return int(rows[0].id) if rows else None

    async def sessions(self) -> list[SessionRow]:
        return [
            SessionRow(
                row.id.hex,
                row.node,
                row.state_dir,
                row.version,
                row.beat,
                row.ttl_ms,
                bool(row.live),
                bool(row.leaving),
                row.age,
            )
            for row in await self._run(sql.SESSIONS)
        ]

    async def audit(self, source: int) -> Audit | None:
        rows = await self._run(sql.AUDIT, source=source)
        if not rows:
            return None
        leases = tuple(
            AuditLease(row.node, row.capacity, row.in_flight, row.epoch, row.age, row.id.hex)
            for row in rows
            if row.id is not None
        )
        return Audit(rows[0].m, sum(lease.inflight for lease in leases), rows[0].max_inflight, leases)

    async def in_flight(self, without: str) -> dict[int, int]:
        return {row.source: row.n for row in await self._run(sql.IN_FLIGHT, session=without or None)}

    async def _guarded(
        self, statement: str, me: Me, *, leaving: bool = False, ending: bool = False, **values: Any
    ) -> Sequence[Row[Any]]:
        values |= {"session": me.session, "beat": me.beat, "era": me.era, "leaving": leaving, "ending": ending}
        return await self._run(statement, **values)

    async def _run(self, statement: str, **values: Any) -> Sequence[Row[Any]]:
        async with autocommit(self._engine, timeout=self._timeout) as connection:
            return (await connection.execute(prepared(statement), values)).all()

    async def _execute(self, statement: str, **values: Any) -> None:
        async with autocommit(self._engine, timeout=self._timeout) as connection:
            await connection.execute(prepared(statement), values)


def _leases(rows: Sequence[Row[Any]]) -> list[OwnLease]:
    return [OwnLease(row.id.hex, row.source, row.capacity, row.epoch) for row in rows if row.id is not None]
