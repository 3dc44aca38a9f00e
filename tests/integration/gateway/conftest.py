"""Every test here runs on uvloop, which the daemon uses, and on asyncio's own loop, which it falls back to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop

from tests.integration.gateway.world import World, world


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], Any]]:
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture
async def gate() -> AsyncIterator[World]:
    async with world() as made:
        yield made
