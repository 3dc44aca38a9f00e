"""Event sources through the API: lists with filters, toggles, draining over all nodes, audit."""

from __future__ import annotations

from typing import Any

import pytest

from maelstrom.api.client import Client
from maelstrom.api.ports import LeaseStatus, NodeStatus, SourceAudit, SourceStatus
from maelstrom.api.reports import make_report
from maelstrom.model.errors import AmbiguousName, BadRequest, InvalidInput, NotFound
from maelstrom.model.source import SourceKey
from tests.support.admin import AdminThread

SPLIT = SourceKey("shop", "split")
SOURCES: dict[str, dict[str, dict[str, Any]]] = {
    "web": {
        "site": {"http": {"hostname": "shop.example", "pathprefix": "/a"}},
        "nightly": {
            "cron": {"schedule": "15 3 * * *", "timezone": "UTC", "http": {"method": "GET", "path": "/nightly"}}
        },
    },
    "jobs": {
        "orders": {"sqs": {"queuename": "orders", "path": "/orders", "nameasprefix": True}},
        "split": {"awsstepfunc": {"activityname": "split", "path": "/split", "maxconcurrency": 3}},
    },
}


def project(name: str, sources: dict[str, dict[str, dict[str, Any]]]) -> dict[str, Any]:
    entries = {key: {"component": {"image": "app:1"}, "eventsources": value} for key, value in sources.items()}
    return {"name": name, "components": entries}


@pytest.fixture
def client(threaded: AdminThread) -> Client:
    client = threaded.client()
    client.put_project(project("shop", SOURCES))
    client.put_project(project("blog", {"web": {"site": {"http": {"hostname": "blog.example"}}}}))
    return client


def other_node(threaded: AdminThread, revision: int, sources: dict[SourceKey, SourceStatus]) -> None:
    """A live node `n2` that has reported this."""
    threaded.node.others = [NodeStatus("n2", "ready", "0.1.0")]
    report = make_report(revision=revision, instances=[], sources=sources)
    threaded.call(threaded.registry.write_report("n2", "s2", "0.1.0", report))


def test_list_has_every_field_of_the_interface(client: Client) -> None:
    rows = {(row["project"], row["name"]): row for row in client.eventsources()}
    assert list(rows) == [
        ("blog", "site"),
        ("shop", "nightly"),
        ("shop", "orders"),
        ("shop", "site"),
        ("shop", "split"),
    ]
    assert rows["shop", "split"] == {
        "project": "shop",
        "component": "jobs",
        "name": "split",
        "type": "awsstepfunc",
        "enabled": True,
        "state": "ok",
        "reason": "",
        "since": None,
        "maxconcurrency": 3,
        "inflight": 0,
        "polls_open": 0,
        "version": 1,
        "description": "split",
    }
    limits = [rows["shop", name]["maxconcurrency"] for name in ("site", "nightly", "orders")]
    assert limits == [None, None, 10]
    described = [rows["shop", name]["description"] for name in ("site", "nightly", "orders")]
    assert described == ["shop.example/a", "CRON_TZ=UTC 15 3 * * * /nightly", "orders*"]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, {"shop/site", "shop/nightly", "shop/orders", "shop/split", "blog/site"}),
        ({"project": "shop"}, {"shop/site", "shop/nightly", "shop/orders", "shop/split"}),
        ({"project": "SHOP", "type": "http"}, {"shop/site"}),
        ({"component": "web"}, {"shop/site", "shop/nightly", "blog/site"}),
        ({"component": "shop_web"}, {"shop/site", "shop/nightly"}),
        ({"prefix": "s"}, {"shop/site", "shop/split", "blog/site"}),
        ({"prefix": "si", "project": "shop"}, {"shop/site"}),
        ({"type": "sqs"}, {"shop/orders"}),
        ({"name": ["shop_site", "split"]}, {"shop/site", "shop/split"}),
        ({"project": "none"}, set()),
        ({"component": "none"}, set()),
        ({"type": "sqs", "component": "web"}, set()),
    ],
)
def test_filters_mean_the_same_in_lists_and_toggles(client: Client, filters: dict[str, Any], names: set[str]) -> None:
    def of(rows: list[dict[str, Any]]) -> set[str]:
        return {f"{row['project']}/{row['name']}" for row in rows}

    assert of(client.eventsources(**filters)) == names
    assert of(client.toggle(False, **filters)["changed"]) == names
    assert of([row for row in client.eventsources() if not row["enabled"]]) == names
    assert of(client.toggle(False, **filters)["changed"]) == set()
    assert of(client.toggle(True, **filters)["changed"]) == names


def test_name_that_two_projects_have_needs_its_project(client: Client) -> None:
    with pytest.raises(AmbiguousName):
        client.toggle(False, name=["site"])
    with pytest.raises(AmbiguousName):
        client.audit("site")
    changed = client.toggle(False, name=["site"], project="blog")["changed"]
    assert changed == [{"project": "blog", "name": "site"}]


def test_unknown_name_changes_nothing(client: Client) -> None:
    with pytest.raises(NotFound):
        client.toggle(False, name=["split", "nothing"])
    assert all(row["enabled"] for row in client.eventsources())


@pytest.mark.parametrize("body", [{"projct": "shop"}, {"project": ""}, {"prefix": ""}, {"type": "htp"}, {"names": []},
                                  {"names": [""]}, {"project": None, "x": 1}, {"component": "a b"}, []])  # fmt: skip
def test_mistyped_or_empty_filter_never_means_all(client: Client, body: Any) -> None:
    with pytest.raises(InvalidInput):
        client._call("POST", "/v1/eventsources/disable", None, body)
    assert all(row["enabled"] for row in client.eventsources())


@pytest.mark.parametrize("query", [{"projct": "shop"}, {"project": ""}, {"type": "htp"}, {"project": ["a", "b"]}])
def test_wrong_query_is_refused_too(client: Client, query: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        client._call("GET", "/v1/eventsources", query)


def test_state_and_requests_in_flight_are_those_of_all_live_nodes(client: Client, threaded: AdminThread) -> None:
    threaded.node.sources[SPLIT] = SourceStatus("ok", "", 1, 2)
    other_node(threaded, 1, {SPLIT: SourceStatus("degraded", "no credentials", 2, 1)})
    row = client.eventsources(name=["split"])[0]
    assert (row["inflight"], row["polls_open"], row["state"], row["reason"]) == (3, 3, "degraded", "n2: no credentials")
    threaded.node.others = []  # it died
    row = client.eventsources(name=["split"])[0]
    assert (row["inflight"], row["state"]) == (1, "ok")


def test_disabled_source_is_disabled_whatever_nodes_say(client: Client, threaded: AdminThread) -> None:
    client.toggle(False, name=["split"])
    threaded.node.sources[SPLIT] = SourceStatus("degraded", "no credentials", 1, 0)
    row = client.eventsources(name=["split"])[0]
    assert (row["enabled"], row["state"], row["reason"], row["inflight"]) == (False, "disabled", "", 1)


def test_report_that_cannot_be_read_leaves_the_rest_readable(client: Client, threaded: AdminThread) -> None:
    """F107."""
    threaded.node.others = [NodeStatus("n2", "ready", "9.9.9"), NodeStatus("n3", "ready", "9.9.9")]
    for node, report in (("n2", {"instances": "x", "sources": [1, {"project": "shop"}]}), ("n3", {"revision": "?"})):
        threaded.call(threaded.registry.write_report(node, "s", "9.9.9", report))
    assert len(client.eventsources()) == 5
    assert client.instances() == []
    assert [row["name"] for row in client.nodes()] == ["n1", "n2", "n3"]


def test_drained_once_nothing_is_in_flight_and_no_poll_is_open(client: Client, threaded: AdminThread) -> None:
    """F95."""
    revision = client.toggle(False, name=["split"])["revision"]
    threaded.node.sources[SPLIT] = SourceStatus("disabled", "", 1, 1)
    state = client.drained(revision, name=["split"])
    assert (state["drained"], state["open"]) == (
        False,
        [{"project": "shop", "name": "split", "inflight": 1, "polls_open": 1}],
    )
    threaded.node.sources[SPLIT] = SourceStatus("disabled", "", 0, 1)
    assert not client.drained(revision, name=["split"])["drained"]
    threaded.node.sources[SPLIT] = SourceStatus("disabled", "", 0, 0)
    assert client.drained(revision, name=["split"])["drained"]


def test_node_that_has_not_heard_of_the_change_is_waited_for(client: Client, threaded: AdminThread) -> None:
    revision = client.toggle(False, project="shop")["revision"]
    threaded.node.revision = revision - 1
    assert client.drained(revision, project="shop")["waiting_for"] == ["n1"]
    threaded.node.revision = revision
    threaded.node.others = [NodeStatus("n2", "ready", "0.1.0")]
    assert client.drained(revision, project="shop")["waiting_for"] == ["n2"]
    other_node(threaded, revision - 1, {})
    assert client.drained(revision, project="shop")["waiting_for"] == ["n2"]
    other_node(threaded, revision, {SPLIT: SourceStatus("disabled", "", 0, 1)})
    state = client.drained(revision, project="shop")
    assert (state["drained"], state["waiting_for"], [row["name"] for row in state["open"]]) == (False, [], ["split"])
    other_node(threaded, revision + 1, {})
    assert client.drained(revision, project="shop")["drained"]


def test_enabled_sources_are_not_waited_for(client: Client, threaded: AdminThread) -> None:
    threaded.node.sources[SourceKey("shop", "orders")] = SourceStatus("ok", "", 5, 5)
    revision = client.toggle(False, name=["split"])["revision"]
    assert client.drained(revision, project="shop")["drained"]


def test_audit_says_who_works_a_source(client: Client, threaded: AdminThread) -> None:
    lease = LeaseStatus("n1", 3, 2, 17, 4.5)
    threaded.node.audits[SPLIT] = SourceAudit(limit=3, inflight=2, max_inflight=3, leases=(lease,))
    assert client.audit("shop_split") == {
        "project": "shop",
        "name": "split",
        "limit": 3,
        "inflight": 2,
        "max_inflight": 3,
        "leases": [{"node": "n1", "capacity": 3, "inflight": 2, "epoch": 17, "age_seconds": 4.5}],
    }


def test_source_may_be_called_like_an_operation(client: Client) -> None:
    sources = {name: {"http": {"hostname": f"{name}.example"}} for name in ("enable", "disable", "drained", "audit")}
    client.put_project(project("odd", {"web": sources}))
    for name in sources:
        assert client.audit(name)["name"] == name
