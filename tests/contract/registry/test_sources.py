"""Toggling sources, and the columns that the leases go by."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from maelstrom.leases.tables import leases
from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import NotFound
from maelstrom.model.stored import SourceFilter
from maelstrom.registry.engine import transaction
from maelstrom.registry.registry import Registry
from maelstrom.registry.removed import KEPT_SECONDS
from maelstrom.registry.tables import ROLE, event_sources
from tests.contract.registry.definitions import activity, cron, http, project, sqs

SHOP = project(
    "shop",
    web={"maxdurationseconds": 60, "eventsources": {"a_1": sqs(), "ab1": activity(), "site": http(), "tick": cron()}},
)


async def rows(registry: Registry) -> dict[str, Any]:
    """All of them, the hidden too."""
    async with transaction(registry.engine, write=False) as connection:
        return {row.name: row for row in await connection.execute(select(event_sources))}


async def test_only_those_that_change_are_told_and_their_version_stays(registry: Registry) -> None:
    await registry.put_project(SHOP)
    changed = await registry.set_enabled(SourceFilter(prefix="a_1"), False)
    assert [(source.key.name, source.enabled, source.version) for source in changed] == [("a_1", False, 1)]
    changed = await registry.set_enabled(SourceFilter(), False)
    assert [source.key.name for source in changed] == ["ab1", "site", "tick"]
    assert await registry.set_enabled(SourceFilter(), False) == []
    changed = await registry.set_enabled(SourceFilter(type="sqs"), True)
    assert [source.key.name for source in changed] == ["a_1"]


async def test_a_toggle_that_changes_nothing_is_no_change(registry: Registry) -> None:
    await registry.put_project(SHOP)
    before = await registry.revision()
    await registry.set_enabled(SourceFilter(), True)
    await registry.set_enabled(SourceFilter(project="nowhere"), False)
    assert await registry.revision() == before


async def test_holders_are_told_of_what_they_must_learn_and_of_nothing_else(registry: Registry) -> None:
    await registry.put_project(SHOP)
    first = await rows(registry)
    await registry.put_project(SHOP)
    await registry.put_project(project("shop", web={"image": "app:2", "maxdurationseconds": 60, **_sources()}))
    assert {name: row.rev for name, row in (await rows(registry)).items()} == {
        name: row.rev for name, row in first.items()
    }
    await registry.set_enabled(SourceFilter(names=("a_1",)), False)
    await registry.put_project(
        project("shop", web={"image": "app:2", "maxdurationseconds": 60, **_sources(ab1=activity(maxconcurrency=4))})
    )
    now = await rows(registry)
    assert {name for name, row in now.items() if row.rev > first[name].rev} == {"a_1", "ab1"}
    assert (now["ab1"].m, now["a_1"].m, now["site"].m, now["tick"].m) == (4, 10, None, None)


async def test_the_longest_deadline_ever_allowed_never_sinks(registry: Registry) -> None:
    await registry.put_project(SHOP)
    first = await rows(registry)
    assert {row.high_ms for row in first.values()} == {60_000}
    await registry.put_project(project("shop", web={"maxdurationseconds": 900, **_sources()}))
    raised = await rows(registry)
    assert {row.high_ms for row in raised.values()} == {900_000}
    assert all(raised[name].rev > first[name].rev for name in first), "a longer deadline is a change for holders"
    assert {row.version for row in raised.values()} == {1}, "but none of the source's definition"
    await registry.put_project(project("shop", web={"maxdurationseconds": 5, **_sources()}))
    lowered = await rows(registry)
    assert {row.high_ms for row in lowered.values()} == {900_000}


async def test_a_deadline_of_a_sources_own_is_its_longest(registry: Registry) -> None:
    sources = {"q": sqs(maxdurationseconds=900), "a": activity(maxdurationseconds=5), "b": activity()}
    await registry.put_project(project("shop", web={"maxdurationseconds": 60, "eventsources": sources}))
    assert {name: row.high_ms for name, row in (await rows(registry)).items()} == {
        "q": 900_000,
        "a": 5_000,
        "b": 60_000,
    }


async def test_a_source_that_moves_to_a_slower_component_raises_its_longest_deadline(registry: Registry) -> None:
    await registry.put_project(project("shop", web={"maxdurationseconds": 10, "eventsources": {"q": sqs()}}))
    await registry.put_project(
        project("shop", web={"maxdurationseconds": 10}, slow={"maxdurationseconds": 70, "eventsources": {"q": sqs()}})
    )
    assert (await rows(registry))["q"].high_ms == 70_000


async def test_a_removed_source_stays_hidden_and_a_put_takes_it_up_again(registry: Registry) -> None:
    await registry.put_project(SHOP)
    first = (await rows(registry))["a_1"]
    await registry.set_enabled(SourceFilter(names=("a_1",)), False)
    async with transaction(registry.engine) as connection:
        await connection.execute(update(event_sources).values(epoch=41, max_inflight=7))
    await registry.put_project(project("shop", web={"maxdurationseconds": 60}))
    hidden = (await rows(registry))["a_1"]
    assert hidden.removed
    assert hidden.component is None
    assert hidden.rev > first.rev
    assert await registry.list_sources() == []
    with pytest.raises(NotFound):
        await registry.find_source("a_1")
    assert await registry.set_enabled(SourceFilter(), False) == []
    result = await registry.put_project(
        project("shop", other={"maxdurationseconds": 5, "eventsources": {"a_1": sqs("else", maxconcurrency=2)}})
    )
    assert result.eventsources.added == ("a_1",)
    again = (await rows(registry))["a_1"]
    assert (again.id, again.epoch, again.max_inflight, again.high_ms) == (first.id, 41, 7, 60_000)
    assert (again.removed, again.enabled, again.component, again.m) == (False, True, "other", 2)
    assert again.version == 2


async def test_rows_of_roles_are_no_sources(registry: Registry) -> None:
    await registry.put_project(SHOP)
    row = {"project": "", "name": "cron", "full_name": "_cron", "type": ROLE, "definition": "{}", "version": 1}
    async with transaction(registry.engine) as connection:
        await connection.execute(insert(event_sources), row | {"modified_at": 0.0, "m": 1, "pause_ms": 1})
    assert len(await registry.list_sources()) == 4
    assert await registry.list_sources(SourceFilter(prefix="cron")) == []
    assert await registry.list_sources(SourceFilter(names=("cron",))) == []
    with pytest.raises(NotFound):
        await registry.find_source("cron")
    with pytest.raises(NotFound):
        await registry.find_source("_cron")
    assert len(await registry.set_enabled(SourceFilter(), False)) == 4
    await registry.set_enabled(SourceFilter(), True)
    assert len((await registry.snapshot()).sources) == 4
    assert [found.eventsources for found in await registry.list_projects()] == [4]
    assert await registry.remove_project("shop")
    kept = (await rows(registry))["cron"]
    assert (kept.removed, kept.enabled, kept.rev, kept.pause_seq) == (False, True, 0, 0)


async def test_what_is_put_has_a_deadline_that_is_settled_up_to_five_minutes(registry: Registry) -> None:
    await registry.put_project(
        project(
            "p", a={"maxdurationseconds": 60, **_sources()}, b={"maxdurationseconds": 900, "eventsources": {"z": sqs()}}
        )
    )
    assert {name: row.settled_ms for name, row in (await rows(registry)).items()} == {
        **dict.fromkeys(_sources()["eventsources"], 60_000),
        "z": 300_000,
    }
    await registry.put_project(project("p", a={"maxdurationseconds": 600, **_sources()}))
    assert {row.settled_ms for row in (await rows(registry)).values() if not row.removed} == {60_000}


async def test_to_enable_a_source_ends_its_pause(registry: Registry) -> None:
    await registry.put_project(SHOP)
    async with transaction(registry.engine) as connection:
        await connection.execute(update(event_sources).values(pause_ms=9000, pause_seq=3))
    await registry.set_enabled(SourceFilter(), False)
    assert {row.pause_ms for row in (await rows(registry)).values()} == {9000}
    assert len(await registry.set_enabled(SourceFilter(names=("a_1",)), True)) == 1
    assert await registry.set_enabled(SourceFilter(names=("a_1",)), True) == []
    found = await rows(registry)
    assert (found["a_1"].pause_ms, found["a_1"].pause_seq) == (0, 4)
    assert (found["ab1"].pause_ms, found["ab1"].pause_seq) == (9000, 3)


async def test_the_rows_of_a_removed_project_are_taken_up_again_too(registry: Registry) -> None:
    await registry.put_project(SHOP)
    ids = {name: row.id for name, row in (await rows(registry)).items()}
    await registry.remove_project("shop")
    assert all(row.removed for row in (await rows(registry)).values())
    await registry.put_project(SHOP)
    assert {name: row.id for name, row in (await rows(registry)).items()} == ids
    assert len(await registry.list_sources()) == 4


async def test_a_restart_is_a_new_generation_of_the_same_version(registry: Registry) -> None:
    await registry.put_project(SHOP)
    before = await registry.revision()
    key = ComponentKey("shop", "web")
    assert (await registry.restart_component(key)).generation == 1
    component = await registry.restart_component(key)
    assert (component.generation, component.version) == (2, 1)
    assert await registry.revision() == before + 2
    await registry.put_project(project("shop", web={"image": "app:2"}))
    component = await registry.find_component("web")
    assert (component.generation, component.version) == (2, 2)
    with pytest.raises(NotFound):
        await registry.restart_component(ComponentKey("shop", "nothing"))


def _sources(**changed: dict[str, Any]) -> dict[str, Any]:
    return {"eventsources": {"a_1": sqs(), "ab1": activity(), "site": http(), "tick": cron(), **changed}}


async def test_a_removed_source_goes_in_the_end_but_never_while_there_are_leases_of_it(registry: Registry) -> None:
    clock = [1_000_000.0]
    later = Registry(registry.engine, listen_url=None, now=lambda: clock[0])
    await later.put_project(SHOP)
    await later.put_project(project("shop", web={"eventsources": {"site": http()}}))
    before = await rows(registry)
    async with transaction(registry.engine) as connection:
        await connection.execute(insert(leases).values(lease_of(before["ab1"].id)))

    async def change() -> set[str]:
        await later.put_project(project("other", web={"environment": [f"AT={clock[0]}"]}))
        return set(await rows(registry))

    clock[0] += KEPT_SECONDS - 1
    assert await change() == {"a_1", "ab1", "site", "tick"}
    clock[0] += 2
    assert await change() == {"ab1", "site"}
    async with transaction(registry.engine) as connection:
        await connection.execute(delete(leases))
    clock[0] += 1
    assert await change() == {"site"}
    await later.put_project(SHOP)
    after = await rows(registry)
    assert set(after) == {"a_1", "ab1", "site", "tick"}
    assert after["site"].id == before["site"].id
    assert after["a_1"].id > max(row.id for row in before.values())


def lease_of(source: int) -> dict[str, Any]:
    return {"id": uuid.uuid4(), "source": source, "session": None, "capacity": 1, "epoch": 1, "granted_at": 0.0}
