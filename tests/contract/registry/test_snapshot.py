"""Everything of one moment, however bad single records are, and what nodes report."""

from __future__ import annotations

import asyncio
import logging

import pytest

from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import MaelstromError
from maelstrom.model.source import SourceKey
from maelstrom.registry.engine import transaction
from maelstrom.registry.registry import Registry
from tests.contract.registry.definitions import http, project, sqs

SECRET = "hunter2-is-secret"
SHOP = project(
    "shop",
    web={"environment": [f"PASSWORD={SECRET}"], "eventsources": {"site": http(), "orders": sqs()}},
    api={"eventsources": {"calls": http("api.example")}},
)


async def execute(registry: Registry, statement: str) -> None:
    async with transaction(registry.engine) as connection:
        await connection.exec_driver_sql(statement)


async def test_an_empty_registry_has_an_empty_snapshot(registry: Registry) -> None:
    snapshot = await registry.snapshot()
    assert (snapshot.revision, dict(snapshot.components), dict(snapshot.sources)) == (0, {}, {})
    await registry.ping()


async def test_a_snapshot_holds_all_and_the_revision_rises_with_each_change(registry: Registry) -> None:
    await registry.put_project(SHOP)
    snapshot = await registry.snapshot()
    assert snapshot.revision == await registry.revision() == 1
    assert snapshot.components[ComponentKey("shop", "web")].definition == SHOP.components["web"].component
    assert snapshot.sources[SourceKey("shop", "orders")].component == ComponentKey("shop", "web")
    await registry.put_project(SHOP)
    assert await registry.revision() == 1
    await registry.remove_project("shop")
    assert await registry.revision() == 2


BAD = [
    "update components set definition = '{\"image\": 7}' where name = 'web'",
    "update components set definition = 'no JSON' where name = 'web'",
    "update components set definition = '{}' where name = 'web'",
    "update components set definition = 'null' where name = 'web'",
    "update components set definition = '[[[[' where name = 'web'",
]


@pytest.mark.parametrize("statement", BAD)
async def test_one_bad_component_is_left_out_with_its_sources_and_the_rest_is_there(
    registry: Registry, statement: str, caplog: pytest.LogCaptureFixture
) -> None:
    await registry.put_project(SHOP)
    await execute(registry, statement)
    with caplog.at_level(logging.ERROR, "maelstrom.registry"):
        snapshot = await registry.snapshot()
    assert list(snapshot.components) == [ComponentKey("shop", "api")]
    assert list(snapshot.sources) == [SourceKey("shop", "calls")]
    (record,) = caplog.records
    assert record.__dict__["component"] == "shop_web"
    assert [component.name for component in await registry.list_components()] == ["api"]
    with pytest.raises(MaelstromError, match="shop_web cannot be read"):
        await registry.find_component("web")
    assert (await registry.put_project(SHOP)).components.updated == ("web",), "a put mends it"
    assert len((await registry.snapshot()).components) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "update event_sources set definition = '{\"queuename\": 1}' where name = 'orders'",
        "update event_sources set type = 'fax' where name = 'orders'",
    ],
)
async def test_one_bad_source_is_left_out_alone(
    registry: Registry, statement: str, caplog: pytest.LogCaptureFixture
) -> None:
    await registry.put_project(SHOP)
    await execute(registry, statement)
    snapshot = await registry.snapshot()
    assert set(snapshot.sources) == {SourceKey("shop", "site"), SourceKey("shop", "calls")}
    assert len(snapshot.components) == 2
    assert [source.key.name for source in await registry.list_sources()] == ["calls", "site"]
    assert (await registry.put_project(SHOP)).eventsources.updated == ("orders",)


async def test_a_key_that_only_a_newer_version_knows_is_passed_over(registry: Registry) -> None:
    await registry.put_project(SHOP)
    await execute(
        registry,
        'update components set definition = replace(definition, \'{"image"\', \'{"from2030":{"a":1},"image"\')',
    )
    snapshot = await registry.snapshot()
    assert snapshot.components[ComponentKey("shop", "web")].definition == SHOP.components["web"].component
    assert not (await registry.put_project(SHOP)).components, "and does not count as a difference"


async def test_a_field_that_an_older_version_did_not_store_has_its_default(registry: Registry) -> None:
    await registry.put_project(project("shop", web={}))
    await execute(registry, 'update components set definition = \'{"image":"app:1"}\'')
    assert not (await registry.put_project(project("shop", web={}))).components
    assert len((await registry.snapshot()).components) == 1


async def test_nothing_secret_is_in_the_log_or_in_an_error(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await registry.put_project(SHOP)
    await execute(
        registry, 'update components set definition = replace(definition, \'"image":"app:1"\', \'"image":7\')'
    )
    await registry.snapshot()
    await execute(registry, "alter table revisions rename column definition to gone")
    try:
        with pytest.raises(MaelstromError) as caught:
            await registry.put_project(project("shop", web={"environment": [f"PASSWORD={SECRET}2"]}))
    finally:
        await execute(registry, "alter table revisions rename column gone to definition")
    seen: BaseException | None = caught.value
    while seen is not None:
        assert SECRET not in f"{seen!r} {seen}"
        seen = seen.__cause__
    assert SECRET not in caplog.text
    assert not [record for record in caplog.records if SECRET in str(record.__dict__)]


async def test_a_snapshot_never_mixes_two_moments(registry: Registry, open_registry) -> None:  # type: ignore[no-untyped-def]
    """Each put moves the one source to the other component and removes the former one."""
    other: Registry = await open_registry()
    await registry.put_project(project("shop", a0={"eventsources": {"in": http()}}))

    async def put() -> None:
        for turn in range(1, 30):
            await registry.put_project(project("shop", **{f"a{turn % 2}": {"eventsources": {"in": http()}}}))

    putting = asyncio.create_task(put())
    seen = set()
    while not putting.done():
        snapshot = await other.snapshot()
        (component,) = snapshot.components
        (source,) = snapshot.sources.values()
        assert source.component == component
        assert source.version == snapshot.revision
        seen.add(snapshot.revision)
    await putting
    assert len(seen) > 1


async def test_nodes_report_and_are_forgotten(registry: Registry) -> None:
    await registry.write_report("b", "session-1", "0.1", {"note": "€ 漢字 😀", "sources": {"1": 3}})
    await registry.write_report("a", "session-2", "0.1", {})
    await registry.write_report("b", "session-3", "0.2", {"note": "later"})
    reports = await registry.reports()
    assert [(row.node, row.session, row.version, row.seq) for row in reports] == [
        ("a", "session-2", "0.1", 1),
        ("b", "session-3", "0.2", 2),
    ]
    assert reports[1].report == {"note": "later"}
    assert await registry.revision() == 0, "a report is no change"
    await execute(registry, "update node_reports set report = '{' where node = 'a'")
    assert [row.node for row in await registry.reports()] == ["b"]
    await registry.remove_report("b")
    assert await registry.reports() == []
