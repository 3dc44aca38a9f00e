"""Projects through the API: put, get, history, roll back, remove, readiness; secrets stay in."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from maelstrom.api.client import Client
from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import Conflict, InvalidInput, NotFound
from maelstrom.model.instance import BlackBox, InstanceStatus
from tests.support.admin import Admin, AdminThread
from tests.support.rawhttp import request, send

SECRET = "hunter2-of-the-registry"


def project(name: str = "shop", **components: dict[str, Any]) -> dict[str, Any]:
    entries = {}
    for component, fields in (components or {"web": {}}).items():
        sources = fields.pop("eventsources", {})
        entries[component] = {"component": {"image": "app:1", **fields}, "eventsources": sources}
    return {"name": name, "components": entries}


@pytest.fixture
def client(threaded: AdminThread) -> Client:
    return threaded.client()


def test_put_says_what_it_added_updated_and_removed(client: Client, threaded: AdminThread) -> None:
    site = {"site": {"http": {"hostname": "shop.example"}}}
    result = client.put_project(project(web={"eventsources": site}, jobs={}))
    assert result == {
        "project": "shop",
        "revision": 1,
        "components": {"added": ["jobs", "web"], "updated": [], "removed": []},
        "eventsources": {"added": ["site"], "updated": [], "removed": []},
        "projectfields": {"added": [], "updated": [], "removed": []},
        "warnings": [],
    }
    assert threaded.node.refreshed == 1
    result = client.put_project(project(web={"maxconcurrency": 2}))
    assert result["components"] == {"added": [], "updated": ["web"], "removed": ["jobs"]}
    assert result["eventsources"] == {"added": [], "updated": [], "removed": ["site"]}


def test_put_says_what_changes_of_the_project_itself(client: Client) -> None:
    pages = {"503": {"body": "<h1>Busy</h1>", "contenttype": "text/html"}}
    client.put_project(project())
    wanted = {**project(), "errorpages": pages, "responseheaders": [{"name": "X-Frame-Options", "value": "DENY"}]}
    for diff_only, revision in ((True, 1), (False, 2)):
        result = client.put_project(wanted, diff_only=diff_only)
        assert result["revision"] == revision
        assert result["projectfields"] == {"added": ["errorpages", "responseheaders"], "updated": [], "removed": []}
        assert result["components"] == {"added": [], "updated": [], "removed": []}
    stored = client.project("shop")["definition"]
    assert stored["errorpages"] == pages
    assert client.put_project(stored)["revision"] == 2, "what is shown can be put again"
    assert client.put_project(project())["projectfields"]["removed"] == ["errorpages", "responseheaders"]


def test_same_put_again_changes_nothing(client: Client) -> None:
    client.put_project(project())
    again = client.put_project(project())
    assert again["revision"] == 1
    assert again["components"] == {"added": [], "updated": [], "removed": []}


def test_put_keeps_a_source_disabled_and_calls_it_unchanged(client: Client) -> None:
    """F101."""
    wanted = project(web={"eventsources": {"site": {"http": {"hostname": "a.example"}}}})
    client.put_project(wanted)
    client.toggle(False)
    assert client.put_project(wanted)["eventsources"]["updated"] == []
    assert [row["enabled"] for row in client.eventsources()] == [False]


def test_diff_only_stores_nothing(client: Client, threaded: AdminThread) -> None:
    result = client.put_project(project(), diff_only=True)
    assert result["components"]["added"] == ["web"]
    assert client.projects() == []
    assert threaded.node.refreshed == 0


def test_of_two_http_sources_with_one_rule_the_put_says_which_gets_nothing(client: Client) -> None:
    old = {"site": {"http": {"hostname": "a.example", "pathprefix": "/x"}}}
    new = {"site": {"http": {"hostname": "A.example", "pathprefix": "/x"}}}
    warning = "http source blog_site gets no requests: shop_site has the same host and path"
    client.put_project(project("shop", web={"eventsources": dict(old)}))
    assert client.put_project(project("blog", web={"eventsources": dict(new)}), diff_only=True)["warnings"] == [warning]
    assert client.put_project(project("blog", web={"eventsources": dict(new)}))["warnings"] == [warning]
    # whose put it is makes no difference: the older one has the requests
    assert client.put_project(project("shop", web={"eventsources": dict(old)}))["warnings"] == [warning]
    client.toggle(False, project="shop")
    assert client.put_project(project("blog", web={"eventsources": dict(new)}))["warnings"] == []
    assert client.toggle(True, project="shop")["warnings"] == [warning]
    assert (
        client.put_project(project("news", web={"eventsources": {"any": {"http": {"pathprefix": "/x"}}}}))["warnings"]
        == []
    )


def test_source_moves_to_a_new_component_in_one_put(client: Client) -> None:
    """F100."""
    site = {"site": {"http": {"hostname": "a.example"}}}
    client.put_project(project(old={"eventsources": dict(site)}))
    client.put_project(project(new={"eventsources": dict(site)}))
    assert [(row["component"], row["name"]) for row in client.eventsources()] == [("new", "site")]


def test_wrong_part_of_a_put_leaves_everything_as_it_was(client: Client) -> None:
    """F96."""
    client.put_project(project())
    with pytest.raises(InvalidInput):
        client.put_project(project(web={"image": "app:2"}, bad={"httpport": -5}))
    assert client.project("shop")["definition"]["components"]["web"]["component"]["image"] == "app:1"
    assert client.projects()[0]["components"] == 1


def test_name_of_the_definition_has_to_be_that_of_the_address(client: Client, threaded: AdminThread) -> None:
    with pytest.raises(InvalidInput) as caught:
        client._object("PUT", "/v1/projects/other", body={"definition": project("shop")})
    assert [problem.path for problem in caught.value.problems] == ["name"]
    assert client.projects() == []


def test_capital_letters_in_a_project_name_are_the_same_project(client: Client) -> None:
    """F97."""
    client._object("PUT", "/v1/projects/SHOP", body={"definition": project("shop")})
    assert client.project("Shop")["project"] == "shop"
    assert client.remove_project("sHOP")["project"] == "shop"


def test_stale_put_is_a_conflict_with_the_current_revision(client: Client) -> None:
    client.put_project(project())
    client.put_project(project(web={"maxconcurrency": 2}), expected_revision=1)
    with pytest.raises(Conflict) as caught:
        client.put_project(project(web={"maxconcurrency": 3}), expected_revision=1)
    assert caught.value.fields["revision"] == 2
    with pytest.raises(Conflict):
        client.put_project(project(), expected_revision=0)


def test_full_name_of_another_projects_component_is_a_conflict(client: Client) -> None:
    """F99."""
    client.put_project(project("a", b_c={}))
    with pytest.raises(Conflict):
        client.put_project(project("a_b", c={}))


@pytest.mark.parametrize(
    "value", ["€ 漢字 😀 — “x”", "line\nbreak\ttab", "\u2028\u0085", '"quoted" \\ back', "${X} $${Y}"]
)
def test_any_text_comes_back_as_it_was(client: Client, value: str) -> None:
    """F105."""
    client.put_project(project(web={"environment": [f"TEXT={value}"]}))
    stored = client.project("shop")["definition"]["components"]["web"]["component"]
    assert stored["environment"] == [f"TEXT={value}"]


async def test_no_answer_shows_a_password(admin: Admin) -> None:
    """F9."""
    client = admin.client()
    secret = project(web={"pullusername": "me", "pullpassword": SECRET, "environment": ["SEEN=yes"]})
    await asyncio.to_thread(client.put_project, secret)
    await asyncio.to_thread(client.put_project, project(web={"pullpassword": SECRET, "image": "app:2"}))
    headers = {"Authorization": f"Bearer {admin.token}"}
    for path in (
        "/v1/projects", "/v1/projects/shop", "/v1/projects/shop/revisions", "/v1/projects/shop/revisions/1",
        "/v1/projects/shop/readiness", "/v1/components", "/v1/instances", "/v1/eventsources", "/metrics",
    ):  # fmt: skip
        answer = await send(admin.port, request("GET", path, headers))
        assert (answer.status, SECRET.encode() in answer.body) == (200, False)
    shown = (await send(admin.port, request("GET", "/v1/projects/shop/revisions/1", headers))).json()
    component = shown["definition"]["components"]["web"]["component"]
    assert component["pullpassword"] == "********"
    assert component["environment"] == ["SEEN=yes"]


async def test_refusal_of_a_put_does_not_show_its_password(admin: Admin) -> None:
    body = {"definition": project(web={"pullpassword": SECRET, "environment": [SECRET], "httpport": SECRET})}
    headers = {"Authorization": f"Bearer {admin.token}", "Content-Type": "application/json"}
    answer = await send(admin.port, request("PUT", "/v1/projects/shop", headers, json.dumps(body).encode()))
    assert answer.status == 422
    errors = [
        error for error in answer.json()["errors"] if "pullpassword" in error["path"] or "environment" in error["path"]
    ]
    assert SECRET not in json.dumps(errors)


def test_mask_put_back_keeps_the_password(client: Client, threaded: AdminThread) -> None:
    client.put_project(project(web={"pullpassword": SECRET}))
    shown = client.project("shop")["definition"]
    assert client.put_project(shown)["revision"] == 1
    shown["components"]["web"]["component"]["image"] = "app:2"
    client.put_project(shown)
    stored = threaded.call(threaded.registry.get_project("shop")).definition.components["web"].component
    assert (stored.image, stored.pullpassword) == ("app:2", SECRET)


def test_mask_without_a_stored_password_is_refused(client: Client) -> None:
    for stored in (None, project(), project(web={"pullpassword": SECRET})):
        if stored:
            client.put_project(stored)
        with pytest.raises(InvalidInput) as caught:
            client.put_project(project(web={"pullpassword": ""}, new={"pullpassword": "********"}))
        assert [problem.path for problem in caught.value.problems] == ["components.new.pullpassword"]


def test_history_and_roll_back(client: Client, threaded: AdminThread) -> None:
    """F112."""
    client.put_project(project(web={"pullpassword": SECRET}), author="ann@here")
    client.put_project(project(web={"image": "app:2"}), author="bob@there")
    assert [(row["revision"], row["author"], row["removed"]) for row in client.history("shop")] == [
        (2, "bob@there", False),
        (1, "ann@here", False),
    ]
    would = client.roll_back("shop", 1, diff_only=True)
    assert (would["components"]["updated"], client.projects()[0]["revision"]) == (["web"], 2)
    assert client.roll_back("shop", 1, author="ann@here")["revision"] == 3
    stored = threaded.call(threaded.registry.get_project("shop")).definition.components["web"].component
    assert (stored.image, stored.pullpassword) == ("app:1", SECRET)


def test_removed_project_is_gone_but_can_be_rolled_back(client: Client) -> None:
    client.put_project(project(web={"eventsources": {"site": {"http": {"hostname": "a.example"}}}}))
    removed = client.remove_project("shop", "ann@here")
    assert removed == {"project": "shop", "removed": True, "components": ["web"], "eventsources": ["site"]}
    assert (client.projects(), client.components(), client.eventsources()) == ([], [], [])
    with pytest.raises(NotFound):
        client.remove_project("shop")
    assert client.history("shop")[0]["removed"]
    client.roll_back("shop", 1)
    assert [row["name"] for row in client.eventsources()] == ["site"]


@pytest.mark.parametrize("name", ["nothing", "..", "a/b", "a b", "%00", "é", "a" * 100, "x?y=1", "#"])
def test_unknown_and_impossible_names_are_not_found(client: Client, name: str) -> None:
    for call in (client.project, client.remove_project, client.history, client.readiness):
        with pytest.raises(NotFound):
            call(name)
    with pytest.raises(NotFound):
        client.project("shop", 10**12)


def test_list_is_by_name_and_prefix_is_plain_text(client: Client) -> None:
    """F102."""
    for name in ("b", "a_1", "ab1"):
        client.put_project(project(name))
    assert [row["project"] for row in client.projects()] == ["a_1", "ab1", "b"]
    assert [row["project"] for row in client.projects("a_")] == ["a_1"]


def instance(version: int, state: str, box: BlackBox | None = None) -> InstanceStatus:
    key = ComponentKey("shop", "web")
    return InstanceStatus(key, version, state, "n1", "c1", 0, 1.0, None, black_box=box)  # type: ignore[arg-type]


def test_readiness_counts_instances_of_the_stored_version_only(client: Client, threaded: AdminThread) -> None:
    client.put_project(project(web={"mininstances": 2}, lazy={}))
    node = threaded.node
    assert client.readiness("shop")["ready"] is False
    node.instance_rows = [instance(1, "ready"), instance(1, "starting"), instance(1, "draining")]
    row = next(row for row in client.readiness("shop")["components"] if row["component"] == "web")
    assert (row["wanted"], row["ready"], row["starting"], row["failed"]) == (2, 1, 1, [])
    node.instance_rows = [instance(1, "ready"), instance(1, "ready")]
    assert client.readiness("shop")["ready"] is True
    client.put_project(project(web={"mininstances": 2, "image": "app:2"}, lazy={}))
    assert client.readiness("shop")["ready"] is False


def test_readiness_shows_the_black_box_of_what_failed(client: Client, threaded: AdminThread) -> None:
    client.put_project(project(web={"mininstances": 1}))
    threaded.node.instance_rows = [instance(1, "failed", BlackBox("it exited", exit_code=3, log_tail=("boom",)))]
    failed = client.readiness("shop")["components"][0]["failed"]
    assert failed[0]["black_box"]["exit_code"] == 3
    assert failed[0]["black_box"]["log_tail"] == ["boom"]
