"""A fresh database of either kind."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from maelstrom.registry.migrate import migrate
from maelstrom.registry.registry import Registry
from tests.support.postgres import PostgresServer, postgres

__all__ = ["postgres"]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "maelstrom.db"
    asyncio.run(migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    name = postgres.new_database()
    asyncio.run(migrate(postgres.url(name)))
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        return f"sqlite:///{shutil.copy(template, tmp_path / 'maelstrom.db')}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url(server.new_database(template=request.getfixturevalue("postgres_template")))


@pytest.fixture
async def registry(url: str) -> AsyncIterator[Registry]:
    """As who puts and toggles sees it."""
    opened = await Registry.open(url, migrate=False)
    yield opened
    await opened.close()
