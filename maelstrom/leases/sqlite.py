"""`Statements` on SQLite: each method is one transaction of `sqlite_steps` or `sqlite_reads`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from maelstrom.leases import sqlite_reads as reads
from maelstrom.leases import sqlite_steps as steps
from maelstrom.leases import sqlite_tasks as task_steps
from maelstrom.leases.statements import (
    Audit,
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
    View,
    Want,
    Word,
)
from maelstrom.leases.term import Ask, Note
from maelstrom.leases.watch import SeenLease
from maelstrom.model.errors import Unavailable
from maelstrom.registry.engine import transaction

T = TypeVar("T")


class SqliteStatements:
    """`Statements` over a SQLite engine; each gives up after `timeout` seconds."""

    def __init__(self, engine: AsyncEngine, timeout: float) -> None:
        self._engine = engine
        self._timeout = timeout

    async def ground(self) -> Ground:
        return await self._run(steps.ground)

    async def raise_era(self, seen: str, ttl_ms: int, *, lost: bool = True) -> None:
        await self._run(steps.raise_era, seen, ttl_ms, lost)

    async def open_session(self, new: NewSession, era: str) -> bool:
        return await self._run(steps.open_session, new, era)

    async def own(self, session: str) -> Own | None:
        return await self._run(reads.own, session, write=False)

    async def beat(
        self, me: Me, notes: Sequence[Note] = (), *, leaving: bool = False, word: Word | None = None
    ) -> list[int] | None:
        return await self._run(steps.beat, me, notes, leaving, word)

    async def grant(self, me: Me, wants: Sequence[Want]) -> list[OwnLease] | None:
        return await self._run(steps.grant, me, wants)

    async def ask(self, me: Me, asks: Sequence[Ask]) -> list[Confirmed] | None:
        return await self._run(steps.ask, me, asks)

    async def release(self, me: Me, leases: Sequence[str], *, end: bool = False) -> bool | None:
        return await self._run(steps.release, me, leases, end)

    async def adopt(self, me: Me, formers: Sequence[str], busy_ms: dict[int, int]) -> bool | None:
        return await self._run(steps.adopt, me, formers, busy_ms)

    async def defer(self, me: Me, defers: Sequence[Defer]) -> list[Deferred] | None:
        return await self._run(task_steps.defer, me, defers)

    async def answered(self, tasks: Sequence[str]) -> list[str]:
        return await self._run(task_steps.answered, tasks)

    async def pause(self, source: int, milliseconds: int) -> None:
        await self._run(task_steps.pause, source, milliseconds)

    async def rested(self, rests: Sequence[tuple[int, int, int]]) -> None:
        await self._run(task_steps.rested, rests)

    async def settle(self, deadlines: Sequence[tuple[int, int]]) -> None:
        await self._run(task_steps.settle, deadlines)

    async def view(self, held: Sequence[Held], tasks: Sequence[str] = ()) -> View:
        return await self._run(reads.view, held, tasks, write=False)

    async def bury(self, session: str, beat: int) -> bool:
        return await self._run(steps.bury, session, beat)

    async def forget(self, sessions: Sequence[str]) -> None:
        await self._run(steps.forget, sessions)

    async def waited_out(self, leases: Sequence[SeenLease]) -> int:
        return await self._run(steps.waited_out, leases)

    async def write_back(self, rests: Sequence[tuple[SeenLease, int]]) -> None:
        await self._run(steps.write_back, rests)

    async def role(self, name: str) -> int | None:
        return await self._run(steps.role, name)

    async def sessions(self) -> list[SessionRow]:
        return await self._run(reads.session_rows, write=False)

    async def audit(self, source: int) -> Audit | None:
        return await self._run(reads.audit, source, write=False)

    async def in_flight(self, without: str) -> dict[int, int]:
        return await self._run(reads.in_flight, without, write=False)

    async def _run(self, step: Callable[..., T], *values: Any, write: bool = True) -> T:
        try:
            async with (
                asyncio.timeout(self._timeout),
                transaction(self._engine, write=write, timeout=self._timeout) as connection,
            ):
                return await connection.run_sync(step, *values)
        except TimeoutError as error:
            raise Unavailable(f"the database did not answer within {self._timeout:g} s") from error
