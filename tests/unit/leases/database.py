"""The real SQLite statements over a database in memory, and lines to it that lose, delay and repeat."""

from __future__ import annotations

import asyncio
import functools
import random
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import create_engine

import maelstrom.leases.tables  # noqa: F401 - its tables belong to the metadata
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
from maelstrom.registry.tables import metadata

T = TypeVar("T")


class Row(sqlite3.Row):
    def __getattr__(self, name: str) -> Any:
        return self[name]


class Result(list[Any]):
    """As much of SQLAlchemy's result as the steps use."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        super().__init__(cursor)
        self.rowcount = cursor.rowcount

    def all(self) -> list[Any]:
        return self

    def first(self) -> Any:
        return self[0] if self else None

    def one(self) -> Any:
        (row,) = self
        return row

    def scalar(self) -> Any:
        return self[0][0] if self else None

    scalar_one = scalar


class Database:
    """One SQLite database in memory; each step is a transaction, at one instant of virtual time."""

    def __init__(self) -> None:
        self._raw = sqlite3.connect(":memory:", isolation_level=None)
        self._raw.deserialize(_empty())
        self._raw.row_factory = Row
        self._sources = 0

    def execute(self, clause: object, values: dict[str, Any] | None = None) -> Result:
        return Result(self._raw.execute(_sql(clause), values or {}))

    def run(self, step: Callable[..., T], *values: Any) -> T:
        self._raw.execute("begin")
        try:
            result = step(self, *values)
        except BaseException:
            self._raw.execute("rollback")
            raise
        self._raw.execute("commit")
        return result

    def snapshot(self) -> bytes:
        return self._raw.serialize()

    def restore(self, image: bytes) -> None:
        self._raw.deserialize(image)

    def add_source(self, m: int, high_ms: int) -> int:
        self._sources += 1
        name = f"s{self._sources}"
        columns = "project, name, full_name, component, type, definition, version, modified_at, m, high_ms, settled_ms"
        row = self.execute(
            f"insert into event_sources ({columns})"
            " values (:p, :name, :full, 'c', 'awsstepfunc', '{}', 1, 0, :m, :high, :high) returning id",
            {"p": "p", "name": name, "full": f"p_{name}", "m": m, "high": high_ms},
        ).one()
        return int(row.id)

    def set_limit(self, source: int, m: int) -> None:
        self.execute("update event_sources set m = :m, rev = rev + 1 where id = :id", {"m": m, "id": source})

    def total(self, source: int) -> int:
        found = self.execute("select coalesce(sum(capacity), 0) from leases where source = :id", {"id": source})
        return int(found.scalar())

    def close(self) -> None:
        self._raw.close()


_sql = functools.cache(str)


@functools.cache
def _empty() -> bytes:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.execute("insert into era (id, val, server) values (1, ?, ?)", ("0" * 32, steps.SERVER))
        raw.commit()
        image = raw.serialize()
    engine.dispose()
    return image


class Line:
    """A node's `Statements`: `loss` of requests and answers, delays, and statements executed long after."""

    def __init__(
        self, database: Database, timeout: float, dice: random.Random | None = None, loss: float = 0.0
    ) -> None:
        self.database = database
        self.timeout = timeout
        self.loss = loss
        self.cut = False  # nothing gets through
        self.read_only = False  # only what changes nothing gets through
        self.answers_after = 0.0
        self.lose_answers = 0  # of so many statements that take effect
        self.looking = False  # a view was read and its answer is on its way
        self.sent: list[str] = []
        self.on_step: Callable[[], None] = lambda: None
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._dice = dice

    def freeze(self) -> None:
        self._thawed.clear()

    def thaw(self) -> None:
        self._thawed.set()

    async def call(self, step: Callable[..., T], *values: Any) -> T:
        await self._thawed.wait()
        self.sent.append(step.__name__)
        self.on_step()
        try:
            return await self._through(step, *values)
        finally:
            await self._thawed.wait()

    async def _through(self, step: Callable[..., T], *values: Any) -> T:
        if self.cut or (self.read_only and step.__module__ != reads.__name__):
            await self._unanswered()
        if self._dice is None:
            result = self.database.run(step, *values)
            self.looking = step is reads.view
            if self.lose_answers:
                self.lose_answers -= 1
                await self._unanswered()
            await asyncio.sleep(self.answers_after)
            self.looking = False
            return result
        dice = self._dice
        if dice.random() < self.loss:
            await self._unanswered()
        if dice.random() < self.loss / 2:
            late = self.timeout * dice.uniform(0.5, 8)
            asyncio.get_running_loop().call_later(late, self.database.run, step, *values)
            await self._unanswered()
        await asyncio.sleep(self._delay())
        result = self.database.run(step, *values)
        if self.cut or dice.random() < self.loss:
            await self._unanswered()
        await asyncio.sleep(self._delay())
        return result

    def _delay(self) -> float:
        assert self._dice is not None
        return self._dice.choice((0.0, 0.001, 0.01, self._dice.uniform(0, self.timeout / 2)))

    async def _unanswered(self) -> None:
        await asyncio.sleep(self.timeout)
        raise Unavailable("no answer")

    async def ground(self) -> Ground:
        return await self.call(steps.ground)

    async def raise_era(self, seen: str, ttl_ms: int, *, lost: bool = True) -> None:
        await self.call(steps.raise_era, seen, ttl_ms, lost)

    async def open_session(self, new: NewSession, era: str) -> bool:
        return await self.call(steps.open_session, new, era)

    async def own(self, session: str) -> Own | None:
        return await self.call(reads.own, session)

    async def beat(
        self, me: Me, notes: Sequence[Note] = (), *, leaving: bool = False, word: Word | None = None
    ) -> list[int] | None:
        return await self.call(steps.beat, me, notes, leaving, word)

    async def grant(self, me: Me, wants: Sequence[Want]) -> list[OwnLease] | None:
        return await self.call(steps.grant, me, wants)

    async def ask(self, me: Me, asks: Sequence[Ask]) -> list[Confirmed] | None:
        return await self.call(steps.ask, me, asks)

    async def release(self, me: Me, leases: Sequence[str], *, end: bool = False) -> bool | None:
        return await self.call(steps.release, me, leases, end)

    async def adopt(self, me: Me, formers: Sequence[str], busy_ms: dict[int, int]) -> bool | None:
        return await self.call(steps.adopt, me, formers, busy_ms)

    async def defer(self, me: Me, defers: Sequence[Defer]) -> list[Deferred] | None:
        return await self.call(task_steps.defer, me, defers)

    async def answered(self, tasks: Sequence[str]) -> list[str]:
        return await self.call(task_steps.answered, tasks)

    async def pause(self, source: int, milliseconds: int) -> None:
        await self.call(task_steps.pause, source, milliseconds)

    async def rested(self, rests: Sequence[tuple[int, int, int]]) -> None:
        await self.call(task_steps.rested, rests)

    async def settle(self, deadlines: Sequence[tuple[int, int]]) -> None:
        await self.call(task_steps.settle, deadlines)

    async def view(self, held: Sequence[Held], tasks: Sequence[str] = ()) -> View:
        return await self.call(reads.view, held, tasks)

    async def bury(self, session: str, beat: int) -> bool:
        return await self.call(steps.bury, session, beat)

    async def forget(self, sessions: Sequence[str]) -> None:
        await self.call(steps.forget, sessions)

    async def waited_out(self, leases: Sequence[SeenLease]) -> int:
        return await self.call(steps.waited_out, leases)

    async def write_back(self, rests: Sequence[tuple[SeenLease, int]]) -> None:
        await self.call(steps.write_back, rests)

    async def role(self, name: str) -> int | None:
        return await self.call(steps.role, name)

    async def sessions(self) -> list[SessionRow]:
        return await self.call(reads.session_rows)

    async def audit(self, source: int) -> Audit | None:
        return await self.call(reads.audit, source)

    async def in_flight(self, without: str) -> dict[int, int]:
        return await self.call(reads.in_flight, without)
