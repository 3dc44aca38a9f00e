"""Putting, reading and removing projects, and their history, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import Conflict, InvalidInput, MaelstromError, NotFound
from maelstrom.model.project import Changes
from maelstrom.model.source import SourceKey
from maelstrom.model.stored import SourceFilter
from maelstrom.registry import projects
from maelstrom.registry.engine import transaction
from maelstrom.registry.registry import Registry
from tests.contract.registry.definitions import activity, cron, http, named, project, sqs, with_answers

SHOP = project(
    "shop",
    web={"eventsources": {"site": http(), "orders": sqs()}},
    worker={"maxdurationseconds": 60, "eventsources": {"split": activity()}},
)


async def versions(registry: Registry) -> dict[str, int]:
    return {component.name: component.version for component in await registry.list_components()}


async def source_versions(registry: Registry) -> dict[str, int]:
    return {source.key.name: source.version for source in await registry.list_sources()}


async def test_a_first_put_adds_everything_and_reads_back_equal(registry: Registry) -> None:
    result = await registry.put_project(SHOP, author="ada")
    assert result.revision == 1
    assert result.components == Changes(added=("web", "worker"))
    assert result.eventsources == Changes(added=("orders", "site", "split"))
    stored = await registry.get_project("shop")
    assert stored.definition == SHOP
    assert (stored.revision, stored.author) == (1, "ada")
    assert stored.modified_at > 0
    assert await versions(registry) == {"web": 1, "worker": 1}
    assert await source_versions(registry) == {"orders": 1, "site": 1, "split": 1}


async def test_an_equal_put_changes_nothing_at_all(registry: Registry) -> None:
    await registry.put_project(SHOP)
    before = await registry.snapshot()
    result = await registry.put_project(SHOP)
    assert result.revision == 1
    assert not result.components
    assert not result.eventsources
    assert await registry.snapshot() == before
    assert len(await registry.history("shop")) == 1


async def test_a_changed_component_rises_by_one_version_and_the_others_stay(registry: Registry) -> None:
    await registry.put_project(SHOP)
    changed = project(
        "shop",
        web={"image": "app:2", "eventsources": {"site": http(), "orders": sqs()}},
        worker={"maxdurationseconds": 60, "eventsources": {"split": activity()}},
    )
    result = await registry.put_project(changed)
    assert result.revision == 2
    assert result.components == Changes(updated=("web",))
    assert not result.eventsources
    assert await versions(registry) == {"web": 2, "worker": 1}
    assert await source_versions(registry) == {"orders": 1, "site": 1, "split": 1}


async def test_what_a_project_says_of_its_answers_is_a_change_of_its_own(registry: Registry) -> None:
    await registry.put_project(SHOP)
    pages = {"503": {"body": "<p>später</p>", "contenttype": "text/html"}}
    headers = [{"name": "X-A", "value": "b"}]
    busy = with_answers(SHOP, errorpages=pages, responseheaders=headers)
    assert (await registry.put_project(busy, diff_only=True)).projectfields.added == ("errorpages", "responseheaders")
    assert (await registry.snapshot()).answers == {}
    result = await registry.put_project(busy)
    assert result.revision == 2
    assert not result.components
    assert not result.eventsources
    assert result.projectfields == Changes(added=("errorpages", "responseheaders"))
    assert await versions(registry) == {"web": 1, "worker": 1}, "nothing is started anew because of it"
    assert (await registry.snapshot()).answers == {"shop": busy.answers}
    assert (await registry.get_project("shop")).definition == busy
    assert not (await registry.put_project(busy)).projectfields

    fewer = with_answers(SHOP, responseheaders=[{"name": "X-A", "value": "c"}])
    result = await registry.put_project(fewer)
    assert result.projectfields == Changes(updated=("responseheaders",), removed=("errorpages",))
    assert (await registry.put_project((await registry.definition_at("shop", 2)).definition)).revision == 4
    await registry.put_project(SHOP)
    assert (await registry.snapshot()).answers == {}
    await registry.put_project(busy)
    await registry.remove_project("shop")
    assert (await registry.snapshot()).answers == {}


async def test_answers_that_cannot_be_read_are_left_out_and_those_of_a_newer_version_are_read(
    registry: Registry,
) -> None:
    await registry.put_project(SHOP)
    newer = '{"responseheaders": [{"name": "X-A", "value": "b", "later": 1}], "brand": "new"}'
    for stored, read in ((newer, {"X-A"}), ("{no", set())):
        async with transaction(registry.engine) as connection:
            await connection.execute(text("update projects set answers = :stored"), {"stored": stored})
        answers = (await registry.snapshot()).answers["shop"]
        assert {header.name for header in answers.responseheaders} == read


async def test_a_changed_source_rises_alone(registry: Registry) -> None:
    await registry.put_project(SHOP)
    changed = project(
        "shop",
        web={"eventsources": {"site": http(), "orders": sqs(maxconcurrency=3)}},
        worker={"maxdurationseconds": 60, "eventsources": {"split": activity(), "tick": cron()}},
    )
    result = await registry.put_project(changed)
    assert not result.components
    assert result.eventsources == Changes(added=("tick",), updated=("orders",))
    assert await source_versions(registry) == {"orders": 2, "site": 1, "split": 1, "tick": 1}


async def test_what_is_no_longer_in_the_file_is_removed(registry: Registry) -> None:
    await registry.put_project(SHOP)
    result = await registry.put_project(project("shop", web={"eventsources": {"orders": sqs()}}))
    assert result.components == Changes(removed=("worker",))
    assert result.eventsources == Changes(removed=("site", "split"))
    assert await versions(registry) == {"web": 1}
    assert await source_versions(registry) == {"orders": 1}


async def test_a_source_moves_to_a_new_component_and_away_from_a_removed_one(registry: Registry) -> None:
    await registry.put_project(SHOP)
    moved = project(
        "shop", web={"eventsources": {"site": http(), "split": activity()}}, new={"eventsources": {"orders": sqs()}}
    )
    result = await registry.put_project(moved)
    assert result.components == Changes(added=("new",), removed=("worker",))
    assert result.eventsources == Changes(updated=("orders", "split"))
    owners = {source.key.name: source.component.name for source in await registry.list_sources()}
    assert owners == {"site": "web", "split": "web", "orders": "new"}
    assert await source_versions(registry) == {"orders": 2, "site": 1, "split": 2}


async def test_a_source_may_change_its_kind(registry: Registry) -> None:
    await registry.put_project(project("shop", web={"eventsources": {"in": http()}}))
    result = await registry.put_project(project("shop", web={"eventsources": {"in": sqs()}}))
    assert result.eventsources == Changes(updated=("in",))
    (source,) = await registry.list_sources()
    assert source.type == "sqs"
    assert source.maxconcurrency == 10


async def test_a_put_leaves_the_enabled_flag_alone_and_new_sources_start_enabled(registry: Registry) -> None:
    await registry.put_project(SHOP)
    await registry.set_enabled(SourceFilter(names=("orders",)), False)
    assert not (await registry.put_project(SHOP)).eventsources
    changed = project("shop", web={"eventsources": {"orders": sqs(maxconcurrency=2), "late": sqs("late")}})
    await registry.put_project(changed)
    enabled = {source.key.name: source.enabled for source in await registry.list_sources()}
    assert enabled == {"orders": False, "late": True}


async def test_a_diff_says_what_a_put_would_do_and_stores_nothing(registry: Registry) -> None:
    await registry.put_project(SHOP)
    before = await registry.snapshot()
    other = project("shop", web={"image": "app:9"})
    diff = await registry.put_project(other, diff_only=True)
    assert diff.revision == 1
    assert await registry.snapshot() == before
    done = await registry.put_project(other)
    assert (done.components, done.eventsources) == (diff.components, diff.eventsources)
    assert done.revision == 2


async def test_a_diff_of_an_unknown_project_adds_all_of_it(registry: Registry) -> None:
    diff = await registry.put_project(SHOP, diff_only=True)
    assert diff.revision == 0
    assert diff.components.added == ("web", "worker")
    assert await registry.list_projects() == []


@pytest.mark.parametrize("diff_only", [False, True])
async def test_a_stale_put_is_refused_with_the_current_revision(registry: Registry, diff_only: bool) -> None:
    await registry.put_project(SHOP)
    await registry.put_project(project("shop", web={"image": "app:2"}))
    with pytest.raises(Conflict) as caught:
        await registry.put_project(SHOP, expected_revision=1, diff_only=diff_only)
    assert caught.value.fields["revision"] == 2
    assert (await registry.get_project("shop")).revision == 2
    assert (await registry.put_project(SHOP, expected_revision=2)).revision == 3


async def test_expecting_nothing_refuses_what_is_there(registry: Registry) -> None:
    assert (await registry.put_project(SHOP, expected_revision=0)).revision == 1
    with pytest.raises(Conflict):
        await registry.put_project(SHOP, expected_revision=0)
    with pytest.raises(Conflict) as caught:
        await registry.put_project(project("other", web={}), expected_revision=4)
    assert caught.value.fields["revision"] == 0


async def test_a_full_name_of_another_projects_component_is_refused_with_both_named(registry: Registry) -> None:
    await registry.put_project(project("a_b", c={}))
    with pytest.raises(Conflict, match=r"b_c of project a .* a_b_c.* c of project a_b"):
        await registry.put_project(project("a", b_c={}, fine={}))
    assert [row.name for row in await registry.list_projects()] == ["a_b"]


async def test_a_full_name_of_another_projects_source_is_refused_until_that_is_gone(registry: Registry) -> None:
    first = project("a_b", x={"eventsources": {"c": http()}})
    second = project("a", y={"eventsources": {"b_c": http()}})
    await registry.put_project(first)
    with pytest.raises(Conflict, match="event source b_c of project a"):
        await registry.put_project(second, diff_only=True)
    await registry.remove_project("a_b")
    assert (await registry.put_project(second)).revision == 1
    with pytest.raises(Conflict, match="event source c of project a_b"):
        await registry.put_project(first)


async def test_one_name_in_two_projects_is_no_collision(registry: Registry) -> None:
    await registry.put_project(project("a", web={"eventsources": {"in": http("a.example")}}))
    await registry.put_project(project("b", web={"eventsources": {"in": http("b.example")}}))
    snapshot = await registry.snapshot()
    assert set(snapshot.components) == {ComponentKey("a", "web"), ComponentKey("b", "web")}
    assert set(snapshot.sources) == {SourceKey("a", "in"), SourceKey("b", "in")}


async def test_a_failure_midway_leaves_nothing_behind(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    await registry.put_project(SHOP)
    before = await registry.snapshot()

    async def fail(*_: object) -> None:
        raise RuntimeError("the power is gone")

    with monkeypatch.context() as patch:
        patch.setattr(projects, "_record", fail)  # the last step but one
        with pytest.raises(RuntimeError):
            await registry.put_project(project("shop", web={"image": "app:2"}, more={"eventsources": {"m": http()}}))
    assert await registry.snapshot() == before
    assert len(await registry.history("shop")) == 1


async def test_a_removed_project_is_gone_but_its_history_stays(registry: Registry) -> None:
    await registry.put_project(SHOP, author="ada")
    result = await registry.remove_project("shop", author="bob")
    assert result.revision == 2
    assert result.components == Changes(removed=("web", "worker"))
    assert result.eventsources == Changes(removed=("orders", "site", "split"))
    with pytest.raises(NotFound):
        await registry.get_project("shop")
    assert await registry.list_projects() == []
    assert await registry.list_sources() == []
    newest, oldest = await registry.history("shop")
    assert (newest.revision, newest.author, newest.removed) == (2, "bob", True)
    assert (oldest.revision, oldest.author, oldest.removed) == (1, "ada", False)
    with pytest.raises(NotFound):
        await registry.definition_at("shop", 2)
    back = await registry.put_project((await registry.definition_at("shop", 1)).definition)
    assert back.revision == 3
    assert (await registry.get_project("shop")).definition == SHOP


async def test_a_version_never_comes_back_with_another_definition(registry: Registry) -> None:
    await registry.put_project(project("shop", web={"image": "app:1"}, api={}))
    await registry.put_project(project("shop", web={"image": "app:2"}))
    await registry.remove_project("shop")
    await registry.put_project(project("shop", web={"image": "app:3"}, api={}))
    assert await versions(registry) == {"web": 3, "api": 2}


async def test_removing_what_is_not_there_is_not_found(registry: Registry) -> None:
    with pytest.raises(NotFound):
        await registry.remove_project("shop")


async def test_a_removal_based_on_an_old_revision_is_refused(registry: Registry) -> None:
    await registry.put_project(SHOP)
    with pytest.raises(Conflict):
        await registry.remove_project("shop", expected_revision=4)
    assert (await registry.remove_project("shop", expected_revision=1)).revision == 2


async def test_any_revision_can_be_read_and_put_again(registry: Registry) -> None:
    for tag in ("1", "2", "3"):
        await registry.put_project(project("shop", web={"image": f"app:{tag}"}), author=f"author {tag}")
    assert [entry.revision for entry in await registry.history("shop")] == [3, 2, 1]
    old = await registry.definition_at("shop", 1)
    assert old.definition.components["web"].component.image == "app:1"
    assert (old.revision, old.author) == (1, "author 1")
    assert (await registry.put_project(old.definition)).revision == 4
    assert await versions(registry) == {"web": 4}


async def test_only_the_last_revisions_are_kept(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projects, "KEPT_REVISIONS", 3)
    for tag in range(6):
        await registry.put_project(project("shop", web={"image": f"app:{tag}"}))
    assert [entry.revision for entry in await registry.history("shop")] == [6, 5, 4]


async def test_projects_are_listed_by_name_with_their_counts(registry: Registry) -> None:
    await registry.put_project(project("b", web={}))
    await registry.put_project(SHOP)
    await registry.put_project(project("shop", web={"eventsources": {"site": http()}}, worker={}))
    rows = [(row.name, row.revision, row.components, row.eventsources) for row in await registry.list_projects()]
    assert rows == [("b", 1, 1, 0), ("shop", 2, 2, 1)]
    assert [row.name for row in await registry.list_projects("sh")] == ["shop"]
    assert await registry.list_projects("_") == []


async def test_names_are_looked_up_in_their_normal_form(registry: Registry) -> None:
    await registry.put_project(SHOP)
    assert (await registry.get_project("Shop")).name == "shop"
    assert len(await registry.history("SHOP")) == 1
    assert (await registry.remove_project("ShOp")).revision == 2


async def test_text_beyond_two_bytes_comes_back_as_it_was(registry: Registry) -> None:
    value = "A=€ – “quoted” 漢字 😀 \u2028 é \\u0000 ' \" % :name"
    put = project(
        "shop",
        web={
            "environment": [value],
            "eventsources": {"tick": cron(http={"method": "POST", "path": "/", "data": value})},
        },
    )
    await registry.put_project(put, author="Łukasz 😀")
    stored = await registry.get_project("shop")
    assert stored.definition.components["web"].component.environment == (value,)
    assert stored.author == "Łukasz 😀"
    assert not (await registry.put_project(put)).components


async def test_a_big_project_is_put_in_one_piece(registry: Registry) -> None:
    put = named("big", {f"c{number}": {"eventsources": {f"s{number}": sqs()}} for number in range(1200)})
    assert len((await registry.put_project(put)).components.added) == 1200
    changed = named(
        "big",
        {
            f"c{number}": {"image": "app:2", "maxdurationseconds": 900, "eventsources": {f"s{number}": sqs()}}
            for number in range(600)
        },
    )
    result = await registry.put_project(changed)
    assert (len(result.components.updated), len(result.components.removed)) == (600, 600)
    assert len((await registry.snapshot()).sources) == 600


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "x" * 100_000, "'; drop table projects; --", "%", "_"])
async def test_hostile_names_find_nothing(registry: Registry, name: str) -> None:
    await registry.put_project(SHOP)
    for call in (
        registry.get_project,
        registry.history,
        registry.remove_project,
        registry.find_component,
        registry.find_source,
    ):
        with pytest.raises((NotFound, InvalidInput)):
            await call(name)
    with pytest.raises((NotFound, InvalidInput)):
        await registry.definition_at("shop", 10**30)
    assert [row.name for row in await registry.list_projects()] == ["shop"]


async def test_a_stored_project_that_cannot_be_read_is_an_error_of_its_own(registry: Registry) -> None:
    await registry.put_project(SHOP)
    async with transaction(registry.engine) as connection:
        await connection.execute(text("update revisions set definition = '{}'"))
    with pytest.raises(MaelstromError, match="revision 1 of project shop cannot be read"):
        await registry.get_project("shop")
    assert [row.name for row in await registry.list_projects()] == ["shop"]
