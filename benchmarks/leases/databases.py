"""Throw-away databases with so many sources, of the kinds that leases live on."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from maelstrom.model.component import ComponentKey
from maelstrom.model.source import EventSource, SourceKey, StepFunctionsSource
from maelstrom.registry.engine import make_engine, transaction
from maelstrom.registry.migrate import migrate
from maelstrom.registry.tables import components, event_sources, projects
from tests.support.postgres import shared_server

HIGH_MS = 60_000


@dataclass(frozen=True)
class Database:
    """One database. `nodes`: each has an engine of its own, as a process has."""

    url: str
    sources: list[EventSource]

    def engine(self) -> AsyncEngine:
        return make_engine(self.url)

    @property
    def notices(self) -> str | None:
        return self.url if self.url.startswith("postgresql") else None


@contextmanager
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="maelstrom-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


async def make(kind: str, folder: Path, count: int) -> Database:
    """With `count` sources of limit 1, enabled."""
    server = shared_server() if kind == "PostgreSQL" else None
    url = f"sqlite:///{folder}/{uuid4().hex}.db" if server is None else server.url(server.new_database())
    await migrate(url)
    engine = make_engine(url)
    try:
        await _fill(engine, count)
        async with transaction(engine, write=False) as connection:
            ids = (await connection.execute(select(event_sources.c.id).order_by(event_sources.c.id))).scalars().all()
    finally:
        await engine.dispose()
    return Database(url, [_source(id) for id in ids])


async def _fill(engine: AsyncEngine, count: int) -> None:
    common = {"project": "p", "version": 1, "modified_at": 0.0, "definition": "{}"}
    source = common | {"component": "c", "type": "awsstepfunc", "m": 1, "high_ms": HIGH_MS, "settled_ms": HIGH_MS}
    async with transaction(engine) as connection:
        await connection.execute(projects.insert(), {"name": "p", "revision": 1, "modified_at": 0.0})
        await connection.execute(components.insert(), common | {"name": "c", "full_name": "p_c"})
        rows = [source | {"name": f"s{n}", "full_name": f"p_s{n}"} for n in range(count)]
        await connection.execute(event_sources.insert(), rows)


def _source(id: int) -> EventSource:
    definition = StepFunctionsSource(activityname="a", path="/", maxconcurrency=1)
    return EventSource(SourceKey("p", f"s{id}"), ComponentKey("p", "c"), 1, True, definition, id)
