"""One suite for all databases: `cluster` is a fresh one with the present schema."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from maelstrom.leases.postgres_sql import SERVER
from maelstrom.registry.engine import make_engine
from maelstrom.registry.migrate import migrate
from tests.contract.leases.cluster import AnyCluster, Cluster, MemoryCluster
from tests.support.postgres import PostgresServer, postgres

__all__ = ["postgres"]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "maelstrom.db"
    asyncio.run(migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_database(postgres: PostgresServer) -> str:
    """One for all tests: emptying it is quicker than making another."""
    url = postgres.url(postgres.new_database())
    asyncio.run(migrate(url))
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'maelstrom.db')}"


@pytest.fixture
def postgres_url(postgres_database: str) -> str:
    with psycopg.connect(postgres_database) as connection:
        connection.execute("truncate sessions, leases, event_sources, components, projects")
        connection.execute(f"update era set server = {SERVER}".encode())
    return postgres_database


@pytest.fixture(params=["sqlite", "postgresql", "memory"])
def any_url(request: pytest.FixtureRequest) -> str | None:
    fixtures = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}
    return str(request.getfixturevalue(fixtures[request.param])) if request.param in fixtures else None


@pytest.fixture
async def cluster(any_url: str | None) -> AsyncIterator[AnyCluster]:
    """A database, or the rows that take its place in simulations."""
    if any_url is None:
        yield MemoryCluster()
        return
    async for made in _cluster(any_url):
        yield made


@pytest.fixture
async def stored_cluster(url: str) -> AsyncIterator[Cluster]:
    """A database that processes can share."""
    async for made in _cluster(url):
        yield made


@pytest.fixture
async def postgres_cluster(postgres_url: str) -> AsyncIterator[Cluster]:
    async for made in _cluster(postgres_url):
        yield made


async def _cluster(url: str) -> AsyncIterator[Cluster]:
    engine = make_engine(url)
    made = Cluster(engine)
    await made.prepare()
    yield made
    await engine.dispose()
