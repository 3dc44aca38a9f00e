"""How names and prefixes find components and sources."""

from __future__ import annotations

import pytest

from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import AmbiguousName, NotFound
from maelstrom.model.source import SourceKey
from maelstrom.model.stored import SourceFilter
from maelstrom.registry.registry import Registry
from tests.contract.registry.definitions import activity, http, project, sqs


@pytest.fixture
async def filled(registry: Registry) -> Registry:
    await registry.put_project(project("shop", web={"eventsources": {"site": http(), "a_1": sqs()}}, api={}))
    await registry.put_project(
        project(
            "blog",
            web={"eventsources": {"site": http("b"), "ab1": sqs()}},
            shop_x={"eventsources": {"split": activity()}},
        )
    )
    return registry


async def names(registry: Registry, **wanted: object) -> list[str]:
    return [source.key.full_name for source in await registry.list_sources(SourceFilter(**wanted))]  # type: ignore[arg-type]


async def test_a_name_is_found_with_and_without_its_projects_prefix(filled: Registry) -> None:
    assert (await filled.find_component("api")).key == ComponentKey("shop", "api")
    assert (await filled.find_component("shop_api")).key == ComponentKey("shop", "api")
    assert (await filled.find_component("SHOP_API")).key == ComponentKey("shop", "api")
    assert (await filled.find_source("split")).key == SourceKey("blog", "split")
    assert (await filled.find_source("blog_split")).key == SourceKey("blog", "split")


async def test_a_name_that_two_projects_have_needs_its_prefix_or_the_project(filled: Registry) -> None:
    with pytest.raises(AmbiguousName) as caught:
        await filled.find_component("web")
    assert caught.value.fields["candidates"] == ["blog_web", "shop_web"]
    with pytest.raises(AmbiguousName):
        await filled.find_source("site")
    assert (await filled.find_component("web", "blog")).key == ComponentKey("blog", "web")
    assert (await filled.find_component("blog_web")).key == ComponentKey("blog", "web")
    assert (await filled.find_source("shop_site")).key == SourceKey("shop", "site")


async def test_a_full_name_wins_over_the_same_text_as_a_short_name(filled: Registry) -> None:
    assert (await filled.find_component("shop_x")).key == ComponentKey("blog", "shop_x")
    await filled.put_project(project("shop", x={}))
    assert (await filled.find_component("shop_x")).key == ComponentKey("shop", "x")
    assert (await filled.find_component("shop_x", "blog")).key == ComponentKey("blog", "shop_x")


async def test_an_unknown_name_is_not_found(filled: Registry) -> None:
    for name, owner in (("nothing", None), ("api", "blog"), ("web", "nowhere")):
        with pytest.raises(NotFound):
            await filled.find_component(name, owner)
    with pytest.raises(NotFound):
        await filled.find_source("web")


async def test_prefixes_are_plain_text_with_or_without_the_projects(filled: Registry) -> None:
    assert await names(filled, prefix="a_1") == ["shop_a_1"]
    assert await names(filled, prefix="a_") == ["shop_a_1"]
    assert await names(filled, prefix="a") == ["blog_ab1", "shop_a_1"]
    assert await names(filled, prefix="SI") == ["blog_site", "shop_site"]
    assert await names(filled, prefix="shop_s") == ["shop_site"]
    assert await names(filled, prefix="s") == ["blog_site", "blog_split", "shop_site"], "not all of project shop"
    assert await names(filled, prefix="%") == []
    assert [c.key.full_name for c in await filled.list_components(prefix="shop_")] == [
        "blog_shop_x",
        "shop_api",
        "shop_web",
    ]


async def test_sources_are_listed_by_every_filter_and_their_combinations(filled: Registry) -> None:
    assert await names(filled) == ["blog_ab1", "blog_site", "blog_split", "shop_a_1", "shop_site"]
    assert await names(filled, project="shop") == ["shop_a_1", "shop_site"]
    assert await names(filled, component="web") == ["blog_ab1", "blog_site", "shop_a_1", "shop_site"]
    assert await names(filled, component="blog_web") == ["blog_ab1", "blog_site"]
    assert await names(filled, type="sqs") == ["blog_ab1", "shop_a_1"]
    assert await names(filled, type="sqs", project="blog") == ["blog_ab1"]
    assert await names(filled, names=("site", "blog_split")) == ["blog_site", "blog_split", "shop_site"]
    assert await names(filled, names=("site",), project="shop") == ["shop_site"]
    assert await names(filled, type="cron") == []


async def test_components_are_listed_by_project_and_name(filled: Registry) -> None:
    keys = [component.key.full_name for component in await filled.list_components()]
    assert keys == ["blog_shop_x", "blog_web", "shop_api", "shop_web"]
    assert [component.name for component in await filled.list_components("Shop")] == ["api", "web"]
