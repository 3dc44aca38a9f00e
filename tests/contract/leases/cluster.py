"""A database as lease statements see it: sources of any limit, and sessions of several nodes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from maelstrom.leases.dialects import statements_over
from maelstrom.leases.statements import Me, NewSession, OwnLease, Statements, Want
from maelstrom.leases.tables import leases
from maelstrom.leases.term import Ask
from maelstrom.model.component import ComponentKey
from maelstrom.model.source import EventSource, SourceKey, StepFunctionsSource
from maelstrom.registry.engine import transaction
from maelstrom.registry.tables import components, event_sources, projects
from tests.fakes.lease_rows import LeaseRows, direct

SECONDS = 10.0  # for each statement: the machine may be busy


@dataclass(frozen=True)
class LeaseValues:
    capacity: int
    busy_ms: int
    busy_seq: int
    in_flight: int
    epoch: int


class AnyCluster:
    """What all databases have in common."""

    statements: Statements

    async def source(self, m: int | None, **values: Any) -> int:
        """The id of a new source with that limit."""
        raise NotImplementedError

    async def change(self, source: int, **values: Any) -> None:
        raise NotImplementedError

    async def value(self, source: int, name: str) -> Any:
        """What a source's column holds."""
        raise NotImplementedError

    async def total(self, source: int) -> int:
        raise NotImplementedError

    async def lease(self, id: str) -> LeaseValues:
        raise NotImplementedError

    async def everything(self) -> object:
        """All that guarded statements may change but the beat; to be compared."""
        raise NotImplementedError

    async def revive(self) -> None:
        """All sessions say that they live, as in a copy from before."""
        raise NotImplementedError

    async def move(self) -> None:
        """The era began on another server."""
        raise NotImplementedError

    async def event_source(self, m: int, **values: Any) -> EventSource:
        id = await self.source(m, **values)
        definition = StepFunctionsSource(activityname="a", path="/", maxconcurrency=m)
        return EventSource(SourceKey("p", f"s{id}"), ComponentKey("p", "c"), 1, True, definition, id)

    async def session(self, node: str = "a", *, state_dir: str | None = None, ttl_ms: int = 10_000) -> Session:
        ground = await self.statements.ground()
        new = NewSession(uuid4().hex, node, state_dir or node, "boot", "1", ttl_ms)
        assert await self.statements.open_session(new, ground.era)
        return Session(self, Me(new.id, 0, ground.era))


class MemoryCluster(AnyCluster):
    """The rows that the simulation runs on."""

    def __init__(self) -> None:
        self.rows = LeaseRows()
        self.statements = direct(self.rows)

    async def source(self, m: int | None, **values: Any) -> int:
        values.pop("component", None)
        return self.rows.add_source(m, **{"high_ms": 60_000, "settled_ms": 60_000} | values)

    async def change(self, source: int, **values: Any) -> None:
        values.pop("component", None)
        for name, value in values.items():
            setattr(self.rows.sources[source], name, value)

    async def value(self, source: int, name: str) -> Any:
        return getattr(self.rows.sources[source], name)

    async def total(self, source: int) -> int:
        return self.rows.total(source)

    async def lease(self, id: str) -> LeaseValues:
        row = self.rows.leases[id]
        return LeaseValues(row.capacity, row.busy_ms, row.busy_seq, row.in_flight, row.epoch)

    async def everything(self) -> object:
        leases = [(await self.lease(id), row.session) for id, row in sorted(self.rows.leases.items())]
        return leases, [(row.epoch, row.max_inflight) for row in self.rows.sources.values()]

    async def revive(self) -> None:
        for session in self.rows.sessions_by_id.values():
            session.alive = True

    async def move(self) -> None:
        self.rows.era_server = "another/00000001"


class Cluster(AnyCluster):
    """A real database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.statements = statements_over(engine, SECONDS)

    async def prepare(self) -> None:
        async with transaction(self.engine) as connection:
            await connection.execute(projects.insert(), {"name": "p", "revision": 1, "modified_at": 0.0})
            component = {"project": "p", "name": "c", "full_name": "p_c", "version": 1, "definition": "{}"}
            await connection.execute(components.insert(), component | {"modified_at": 0.0})

    async def source(self, m: int | None, **values: Any) -> int:
        name = f"s{uuid4().hex[:8]}"
        row: dict[str, Any] = {
            "project": "p",
            "name": name,
            "full_name": f"p_{name}",
            "component": "c",
            "type": "awsstepfunc",
        }
        row |= {
            "definition": "{}",
            "version": 1,
            "modified_at": 0.0,
            "m": m,
            "high_ms": 60_000,
            "settled_ms": 60_000,
        } | values
        async with transaction(self.engine) as connection:
            return int(
                (await connection.execute(event_sources.insert().returning(event_sources.c.id), row)).scalar_one()
            )

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

    async def value(self, source: int, name: str) -> Any:
        async with transaction(self.engine, write=False) as connection:
            query = select(event_sources.c[name]).where(event_sources.c.id == source)
            return (await connection.execute(query)).scalar_one()

    async def lease(self, id: str) -> LeaseValues:
        names = [item.name for item in fields(LeaseValues)]
        async with transaction(self.engine, write=False) as connection:
            query = select(*(leases.c[name] for name in names)).where(leases.c.id == UUID(id))
            return LeaseValues(*(await connection.execute(query)).one())

    async def everything(self) -> object:
        return await self.one(
            "select count(*) n, sum(capacity) c, sum(busy_ms) b, sum(busy_seq) q, sum(in_flight) f,"
            " (select sum(epoch) from event_sources) e, (select sum(max_inflight) from event_sources) x from leases"
        )

    async def revive(self) -> None:
        await self.run("update sessions set alive = :yes", yes=True)

    async def move(self) -> None:
        await self.run("update era set server = 'another/00000001'")


class Session:
    """A session that knows its beat."""

    def __init__(self, cluster: AnyCluster, me: Me) -> None:
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
