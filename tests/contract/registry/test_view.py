"""The node's own copy: it follows changes of any node at once, and a database outage does not touch it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import Unavailable
from maelstrom.model.stored import Snapshot, SourceFilter
from maelstrom.registry import registry as registry_module
from maelstrom.registry import view as view_module
from maelstrom.registry.registry import Registry
from maelstrom.registry.view import View
from tests.contract.registry.definitions import http, project
from tests.support.gate import Gate
from tests.support.postgres import PostgresServer
from tests.support.wait import eventually

WEB = ComponentKey("shop", "web")


@asynccontextmanager
async def following(registry: Registry) -> AsyncIterator[View]:
    view = View(registry)
    running = asyncio.create_task(view.run())
    try:
        await eventually(lambda: view.last_pass)
        yield view
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_view_is_filled_by_its_first_pass(registry: Registry) -> None:
    await registry.put_project(project("shop", web={}))
    view = View(registry)
    assert view.last_pass is None
    assert list((await view.refresh()).components) == [WEB]
    assert view.last_pass is not None
    assert view.last_error is None


async def test_own_changes_are_seen_without_waiting_for_the_period(registry: Registry) -> None:
    registry.changes.period = 3600
    async with following(registry) as view:
        await registry.put_project(project("shop", web={"eventsources": {"site": http()}}))
        await eventually(lambda: WEB in view.snapshot.components)
        await registry.set_enabled(SourceFilter(), False)
        await eventually(lambda: not any(source.enabled for source in view.snapshot.sources.values()))
        await registry.restart_component(WEB)
        await eventually(lambda: view.snapshot.components[WEB].generation == 1)
        await registry.remove_project("shop")
        await eventually(lambda: not view.snapshot.components)


async def test_changes_of_other_nodes_are_seen_within_two_seconds(
    registry: Registry, open_registry: Callable[[], Awaitable[Registry]]
) -> None:
    other = await open_registry()
    async with following(registry) as view:
        await other.put_project(project("shop", web={}))
        await eventually(lambda: WEB in view.snapshot.components, within=2)


async def test_postgresql_tells_other_nodes_at_once(
    postgres_url: str,
) -> None:
    registry, other = [await Registry.open(postgres_url, migrate=False) for _ in range(2)]
    registry.changes.period = 3600
    async with following(registry) as view:
        await other.put_project(project("shop", web={}))
        await eventually(lambda: WEB in view.snapshot.components)
    await registry.close()
    await other.close()


async def test_subscribers_are_told_of_each_change_in_order(registry: Registry) -> None:
    view = View(registry)
    seen: list[int] = []

    def broken(_: Snapshot) -> None:
        raise RuntimeError("not my day")

    view.subscribe(broken)
    end = view.subscribe(lambda snapshot: seen.append(snapshot.revision))
    for tag in range(3):
        await registry.put_project(project("shop", web={"image": f"app:{tag}"}))
        await view.refresh()
        await view.refresh()
    end()
    await registry.remove_project("shop")
    await view.refresh()
    assert seen == [1, 2, 3]


async def test_everything_is_read_again_now_and_then_even_if_the_counter_stands_still(
    registry: Registry,
) -> None:
    now = 0.0
    view = View(registry, monotonic=lambda: now)
    await registry.put_project(project("shop", web={}))
    await view.refresh()
    first = view.snapshot
    registry.changes.period = 3600
    running = asyncio.create_task(view.run())
    try:
        await registry.put_project(project("shop", other={}))
        await eventually(lambda: ComponentKey("shop", "other") in view.snapshot.components)
        # A database that lost its last commits and was then written again: other contents, the same number.
        view.snapshot = Snapshot(view.snapshot.revision, first.components, first.sources)
        now = 61.0
        registry.changes.hint()
        await eventually(lambda: ComponentKey("shop", "other") in view.snapshot.components)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_outage_leaves_the_last_copy_and_is_logged_once(
    postgres: PostgresServer, postgres_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = await Registry.open(postgres_url, migrate=False)
    await registry.put_project(project("shop", web={}))
    view = View(registry)
    monkeypatch.setattr(view_module, "LONGEST_PAUSE", 0.05)
    await view.refresh()
    running = asyncio.create_task(view.run())
    try:
        with caplog.at_level(logging.INFO, "maelstrom.registry"):
            postgres.crash()
            registry.changes.hint()
            await eventually(lambda: view.last_error)
            failed = view.last_pass
            await eventually(lambda: _count(caplog, "notices are lost"))
            with pytest.raises(Unavailable):
                await registry.ping()
            with pytest.raises(Unavailable):
                await registry.put_project(project("shop", web={"image": "app:2"}))
            errors: list[object] = []
            await eventually(lambda: _collected(errors, view.last_error) >= 3)
            assert list(view.snapshot.components) == [WEB]
            assert view.last_pass == failed
            postgres.start()
            await eventually(lambda: view.last_error is None and view.last_pass != failed, within=10)
        assert _count(caplog, "the registry cannot be read") == 1
        assert _count(caplog, "the registry is read again") == 1
        await registry.put_project(project("shop", web={"image": "app:2"}))
        await eventually(lambda: view.snapshot.components[WEB].version == 2)
    finally:
        if not postgres.running:
            postgres.start()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await registry.close()


async def test_a_frozen_database_neither_blocks_the_view_nor_is_waited_for_without_end(
    postgres: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_module, "PING_SECONDS", 0.3)
    async with Gate(postgres.port) as gate:
        through = postgres_url.replace(f":{postgres.port}/", f":{gate.port}/")
        registry = await Registry.open(through, migrate=False)
        await registry.put_project(project("shop", web={}))
        view = View(registry)
        await view.refresh()
        gate.freeze()
        with pytest.raises(Unavailable, match="did not answer within"):
            await registry.ping()
        assert list(view.snapshot.components) == [WEB]
        gate.thaw()
        await eventually(lambda: _answers(registry), ignoring=(Unavailable,))
        await registry.close()


async def _answers(registry: Registry) -> bool:
    await registry.ping()
    return True


def _collected(errors: list[object], error: object) -> int:
    if not errors or errors[-1] is not error:
        errors.append(error)
    return len(errors)


def _count(caplog: pytest.LogCaptureFixture, words: str) -> int:
    return sum(words in record.message for record in caplog.records)
