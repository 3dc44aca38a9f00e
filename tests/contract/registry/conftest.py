"""One suite for both databases: `url` is a fresh database with the present schema, `empty_url` one without any."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from maelstrom.registry.migrate import migrate
from maelstrom.registry.registry import Registry
from tests.support.postgres import PostgresServer, postgres

__all__ = ["postgres"]

DATABASE = "maelstrom"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "maelstrom.db"
    asyncio.run(migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_database(postgres: PostgresServer) -> str:
    """Shared, and emptied for each test: that is much quicker than to make one."""
    postgres.execute(f"create database {DATABASE}")
    asyncio.run(migrate(postgres.url(DATABASE)))
    return DATABASE


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    name = "sqlite_url" if kind == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(name))


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'maelstrom.db')}"


@pytest.fixture
def postgres_url(postgres: PostgresServer, postgres_database: str) -> str:
    tables = (
        "projects, components, event_sources, revisions, node_reports, cron_sources, cron_runs,"
        " certificates, acme_accounts, acme_challenges"
    )
    postgres.execute(f"truncate {tables} restart identity cascade", database=postgres_database)
    postgres.execute("update meta set revision = 0", database=postgres_database)
    return postgres.url(postgres_database)


@pytest.fixture
def empty_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url(server.new_database())


@pytest.fixture
async def registry(url: str) -> AsyncIterator[Registry]:
    opened = await Registry.open(url, migrate=False)
    yield opened
    await opened.close()


@pytest.fixture
async def open_registry(url: str) -> AsyncIterator[Callable[[], object]]:
    """Opens further ones on the same database, as other nodes would."""
    opened: list[Registry] = []

    async def open_one() -> Registry:
        opened.append(await Registry.open(url, migrate=False))
        return opened[-1]

    yield open_one
    for one in opened:
        await one.close()
