"""Hints: they come with commits and only then, and a lost connection for them is made again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from maelstrom.model.errors import InvalidSettings
from maelstrom.registry.changes import Changes, announce, lock
from maelstrom.registry.engine import transaction
from maelstrom.registry.listen import Listener
from maelstrom.registry.registry import Registry
from tests.contract.registry.definitions import project
from tests.support.gate import Gate
from tests.support.postgres import PostgresServer
from tests.support.wait import eventually


@asynccontextmanager
async def running(changes: Changes) -> AsyncIterator[list[None]]:
    """What has come so far."""
    hints: list[None] = []

    async def collect() -> None:
        while True:
            hints.append(await anext(changes))

    tasks = [asyncio.create_task(changes.run()), asyncio.create_task(collect())]
    yield hints
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_without_any_hint_a_turn_comes_with_the_period() -> None:
    async with running(Changes(listen_url=None, period=0.01)) as hints:
        await eventually(lambda: len(hints) >= 3)


def test_the_period_is_spread_so_that_nodes_do_not_beat_as_one() -> None:
    draws = iter([0.0, 0.5, 1.0])
    changes = Changes(listen_url=None, period=10, random=lambda: next(draws))
    assert [round(changes.next_pause(), 6) for _ in range(3)] == [8, 10, 12]


async def test_hints_that_come_together_are_one_turn() -> None:
    changes = Changes(listen_url=None, period=3600)
    for _ in range(5):
        changes.hint()
    await anext(changes)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(changes), 0.02)


async def test_a_change_is_heard_when_it_is_committed_and_not_before(postgres_url: str) -> None:
    registry = await Registry.open(postgres_url, migrate=False)
    changes = Changes(listen_url=postgres_url, period=3600)
    async with running(changes) as hints:
        await eventually(lambda: len(hints) == 1)  # the connection is new: something may have been missed
        with pytest.raises(RuntimeError):
            await _changed_my_mind(registry)
        await registry.put_project(project("shop", web={}))
        await eventually(lambda: len(hints) == 2)
        await registry.put_project(project("shop", web={}))  # changes nothing
        await registry.remove_project("shop")
        await eventually(lambda: len(hints) == 3)
    await registry.close()


async def _changed_my_mind(registry: Registry) -> None:
    async with transaction(registry.engine) as connection:
        await lock(connection)
        await announce(connection)
        raise RuntimeError("no, not that")


async def test_a_lost_connection_is_made_again_and_the_gap_is_told(postgres: PostgresServer, postgres_url: str) -> None:
    registry = await Registry.open(postgres_url, migrate=False)
    async with Gate(postgres.port) as gate:
        through = postgres_url.replace(f":{postgres.port}/", f":{gate.port}/")
        async with running(Changes(listen_url=through, period=3600)) as hints:
            await eventually(lambda: len(hints) == 1)
            await gate.close()
            await registry.put_project(project("shop", web={}))  # nobody hears it
            await gate.open()
            await eventually(lambda: len(hints) == 2)
            await registry.remove_project("shop")
            await eventually(lambda: len(hints) == 3)
    await registry.close()


async def test_one_connection_listens_to_several_channels(postgres: PostgresServer, postgres_url: str) -> None:
    heard: list[tuple[str, str]] = []
    gaps: list[None] = []
    channels = {
        "one": lambda payload: heard.append(("one", payload)),
        "Two": lambda payload: heard.append(("Two", payload)),
    }
    listener = Listener(postgres_url, channels, on_gap=lambda: gaps.append(None))
    task = asyncio.create_task(listener.run())
    await eventually(lambda: gaps and listener.connected)
    database = postgres_url.rsplit("/", 1)[1]
    postgres.execute("select pg_notify('one', '17')", database=database)
    postgres.execute("select pg_notify('Two', '€')", database=database)
    await eventually(lambda: heard == [("one", "17"), ("Two", "€")])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_only_postgresql_can_be_listened_to() -> None:
    with pytest.raises(InvalidSettings, match="MAEL_DATABASE_LISTEN_URL"):
        Listener("sqlite:////tmp/x.db", {}, on_gap=lambda: None)
