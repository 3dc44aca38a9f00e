"""A database as lease statements see it: sources of any limit, and sessions of several nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from maelstrom.leases.dialects import statements_over
from maelstrom.leases.statements import Me, NewSession, OwnLease, Want
from maelstrom.leases.term import Ask
from maelstrom.model.component import ComponentKey
from maelstrom.model.source import EventSource, SourceKey, StepFunctionsSource
from maelstrom.registry.engine import transaction
from maelstrom.registry.tables import components, event_sources, projects

SECONDS = 10.0  # for each statement: the machine may be busy


class Cluster:
    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.statements = statements_over(engine, SECONDS)

    async def prepare(self) -> None:
        async with transaction(self.engine) as connection:
            await connection.execute(projects.insert(), {"name": "p", "revision": 1, "modified_at": 0.0})
            component = {"project": "p", "name": "c", "full_name": "p_c", "version": 1, "definition": "{}"}
            await connection.execute(components.insert(), component | {"modified_at": 0.0})

    async def source(self, m: int | None, **values: Any) -> int:
        """The id of a new source with that limit."""
        name = f"s{uuid4().hex[:8]}"
        row = {"project": "p", "name": name, "full_name": f"p_{name}", "component": "c", "type": "awsstepfunc"}
        row |= {"definition": "{}", "version": 1, "modified_at": 0.0, "m": m, "high_ms": 60_000, "settled_ms": 60_000} | values
        async with transaction(self.engine) as connection:
            return int(
                (await connection.execute(event_sources.insert().returning(event_sources.c.id), row)).scalar_one()
            )

    async def event_source(self, m: int, **values: Any) -> EventSource:
        id = await self.source(m, **values)
        definition = StepFunctionsSource(activityname="a", path="/", maxconcurrency=m)
        return EventSource(SourceKey("p", f"s{id}"), ComponentKey("p", "c"), 1, True, definition, id)

    async def change(self, source: int, **values: Any) -> None:
        async with transaction(self.engine) as connection:
            await connection.execute(event_sources.update().where(event_sources.c.id == source).values(values))

    async def run(self, statement: str, **values: Any) -> None:
        async with transaction(self.engine) as connection:
            await connection.execute(text(statement), values)

    async def one(self, statement: str, **values: Any) -> Any:
        """The only row."""
        async with transaction(self.engine, write=False) as connection:
            return (await connection.execute(text(statement), values)).one()

    async def total(self, source: int) -> int:
        row = await self.one("select coalesce(sum(capacity), 0) n from leases where source = :id", id=source)
        return int(row.n)

    async def session(self, node: str = "a", *, state_dir: str | None = None, ttl_ms: int = 10_000) -> Session:
        ground = await self.statements.ground()
        new = NewSession(uuid4().hex, node, state_dir or node, "boot", "1", ttl_ms)
        assert await self.statements.open_session(new, ground.era)
        return Session(self, Me(new.id, 0, ground.era))


class Session:
    """A session that knows its beat."""

    def __init__(self, cluster: Cluster, me: Me) -> None:
        self.cluster = cluster
        self.me = me

    @property
    def statements(self) -> Any:
        return self.cluster.statements

    def went(self, answer: Any) -> Any:
        """The answer of a statement that took effect."""
        assert answer is not None, "void"
        self.me = replace(self.me, beat=self.me.beat + 1)
        return answer

    async def beat(self) -> None:
        self.went(await self.statements.beat(self.me))

    async def grant(self, source: int, capacity: int, lease: str | None = None) -> OwnLease | None:
        wants = [Want(source, capacity, lease or uuid4().hex)]
        rows: list[OwnLease] = self.went(await self.statements.grant(self.me, wants))
        return rows[0] if rows else None

    async def granted(self, source: int, capacity: int, lease: str | None = None) -> OwnLease:
        row = await self.grant(source, capacity, lease)
        assert row is not None, "nothing was free"
        return row

    async def ask(self, lease: str, busy_ms: int | None = None, capacity: int | None = None, in_flight: int = 0) -> Any:
        rows = self.went(await self.statements.ask(self.me, [Ask(lease, busy_ms, capacity, in_flight)]))
        return rows[0] if rows else None

    async def release(self, *leases: str, end: bool = False) -> None:
        self.went(await self.statements.release(self.me, leases, end=end))

    async def die(self) -> None:
        assert await self.statements.bury(self.me.session, self.me.beat)
