"""A fresh admin API for each test; the database's schema is made once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.admin import Admin, admin_api, database, template, threaded

__all__ = ["database", "template", "threaded"]


@pytest.fixture
async def admin(database: Path) -> AsyncIterator[Admin]:
    async with admin_api(database) as running:
        yield running
