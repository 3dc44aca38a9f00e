"""A fresh admin API for each test; the database's schema is made once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from maelstrom.registry.migrate import migrate
from tests.support.admin import Admin, AdminThread, admin_api, copy_of


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "maelstrom.db"
    asyncio.run(migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Path:
    return copy_of(template, tmp_path)


@pytest.fixture
async def admin(database: Path) -> AsyncIterator[Admin]:
    async with admin_api(database) as running:
        yield running


@pytest.fixture
def threaded(database: Path) -> Iterator[AdminThread]:
    with AdminThread(database) as running:
        yield running
