"""What runs, through the API: components, instances of all nodes, nodes, versions."""

from __future__ import annotations

import pytest

import maelstrom
from maelstrom.api.client import Client, Target
from maelstrom.api.ports import NodeStatus
from maelstrom.api.reports import make_report
from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import AmbiguousName, BodyTooLarge, MaelstromError, NotFound, Unauthorized, Unavailable
from maelstrom.model.instance import BlackBox, InstanceStatus
from tests.support.admin import AdminThread


@pytest.fixture
def client(threaded: AdminThread) -> Client:
    client = threaded.client()
    for name in ("shop", "blog"):
        components = {key: {"component": {"image": f"{key}:1"}} for key in ("web", f"{name}jobs")}
        client.put_project({"name": name, "components": components})
    return client


def instance(project: str, component: str, node: str, box: BlackBox | None = None) -> InstanceStatus:
    key = ComponentKey(project, component)
    return InstanceStatus(key, 1, "failed" if box else "ready", node, "c" * 64, 2, 10.5, None, {"create": 1.5}, box)


def test_components_are_listed_by_project_and_prefix(client: Client) -> None:
    assert [(row["project"], row["component"]) for row in client.components()] == [
        ("blog", "blogjobs"),
        ("blog", "web"),
        ("shop", "shopjobs"),
        ("shop", "web"),
    ]
    assert [row["image"] for row in client.components(project="shop", prefix="w")] == ["web:1"]


def test_restart_raises_the_generation_and_not_the_version(client: Client, threaded: AdminThread) -> None:
    for generation in (1, 2):
        restarted = client.restart("web", project="shop")
        assert restarted == {"project": "shop", "component": "web", "generation": generation}
    assert client.restart("shop_web")["generation"] == 3
    row = client.components(project="shop", prefix="web")[0]
    assert (row["version"], row["generation"]) == (1, 3)
    assert threaded.node.refreshed == 2 + 3
    with pytest.raises(AmbiguousName) as caught:
        client.restart("web")
    assert caught.value.fields["candidates"] == ["blog_web", "shop_web"]
    with pytest.raises(NotFound):
        client.restart("nothing")


def test_instances_are_those_of_all_live_nodes(client: Client, threaded: AdminThread) -> None:
    threaded.node.instance_rows = [instance("shop", "web", "n1")]
    threaded.node.others = [NodeStatus("n2", "ready", "0.1.0")]
    for node in ("n2", "dead"):
        box = BlackBox("it exited", exit_code=1, log_tail=("boom",))
        rows = [instance("shop", "web", node), instance("shop", "shopjobs", node, box)]
        report = make_report(revision=1, instances=rows, sources={})
        threaded.call(threaded.registry.write_report(node, "s", "0.1.0", report))
    found = client.instances()
    assert [(row["component"], row["node"], row["state"]) for row in found] == [
        ("shopjobs", "n2", "failed"),
        ("web", "n1", "ready"),
        ("web", "n2", "ready"),
    ]
    assert found[0]["black_box"]["log_tail"] == ["boom"]
    assert found[1] == {
        "project": "shop",
        "component": "web",
        "version": 1,
        "state": "ready",
        "node": "n1",
        "container": "c" * 64,
        "inflight": 2,
        "started_at": 10.5,
        "last_request_at": None,
        "receipt_ms": {"create": 1.5},
        "black_box": None,
    }


def test_log_of_a_black_box_may_be_any_bytes(client: Client, threaded: AdminThread) -> None:
    box = BlackBox("it \udcff exited", log_tail=("\ud800 \x00 \x1b[31m",))
    threaded.node.instance_rows = [instance("shop", "web", "n1", box)]
    assert client.instances()[0]["black_box"]["log_tail"] == ["? \x00 \x1b[31m"]
    report = make_report(revision=1, instances=threaded.node.instance_rows, sources={})
    threaded.call(threaded.registry.write_report("n2", "s", "0.1.0", report))


def test_instances_are_filtered_by_project_and_component(client: Client, threaded: AdminThread) -> None:
    threaded.node.instance_rows = [
        instance(p, c, "n1") for p, c in (("shop", "web"), ("blog", "web"), ("shop", "shopjobs"))
    ]

    def names(**filters: str) -> list[str]:
        return [f"{row['project']}/{row['component']}" for row in client.instances(**filters)]

    assert names(project="shop") == ["shop/shopjobs", "shop/web"]
    assert names(component="web") == ["blog/web", "shop/web"]
    assert names(component="shop_web") == ["shop/web"]
    assert names(component="web", project="blog") == ["blog/web"]
    assert names(component="nothing") == []


def test_nodes_say_all_they_know(client: Client, threaded: AdminThread) -> None:
    threaded.node.others = [NodeStatus("a0", "starting", "0.2.0", reason="no engine", more={"memory": 5, "name": "x"})]
    rows = client.nodes()
    assert [row["name"] for row in rows] == ["a0", "n1"]
    assert (rows[0]["memory"], rows[0]["reason"], rows[0]["state"]) == (5, "no engine", "starting")


def test_version_is_that_of_the_server(client: Client) -> None:
    assert client.version() == {"version": maelstrom.__version__, "node": "n1"}


def test_fault_of_the_daemon_is_a_500_without_details(client: Client, threaded: AdminThread) -> None:
    threaded.node.broken = RuntimeError("secret detail")
    with pytest.raises(MaelstromError) as caught:
        client.instances()
    assert (caught.value.code, caught.value.message) == ("internal", "internal error")


def test_own_instances_are_shown_while_the_database_is_away(client: Client, threaded: AdminThread) -> None:
    threaded.node.instance_rows = [instance("shop", "web", "n1")]
    threaded.node.nodes_broken = Unavailable("the database cannot be reached")
    assert [row["node"] for row in client.instances(component="shop_web")] == ["n1"]
    assert client.missing == ["the other nodes' containers (unavailable)"]


def test_definition_over_the_limit_is_told_as_that(client: Client) -> None:
    environment = [f"V{number}={'x' * 100_000}" for number in range(90)]
    component = {"image": "a:1", "environment": environment}
    with pytest.raises(BodyTooLarge):
        client.put_project({"name": "big", "components": {"web": {"component": component}}})


def test_what_is_away_is_said_to_be_away(client: Client, threaded: AdminThread) -> None:
    threaded.node.nodes_broken = Unavailable("the database cannot be reached")
    with pytest.raises(Unavailable, match="the database cannot be reached"):
        client.nodes()


def test_wrong_token_is_told_without_showing_it(threaded: AdminThread) -> None:
    with pytest.raises(Unauthorized) as caught:
        threaded.client(token="s3cret").version()
    assert "s3cret" not in str(caught.value.as_json())


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://name.invalid:8374", "http://" + "a" * 70 + ".example"])
def test_daemon_that_is_not_there_is_unavailable(url: str) -> None:
    with pytest.raises(Unavailable) as caught:
        Client(Target(url, "s3cret", 3)).version()
    assert "s3cret" not in str(caught.value.as_json())
    assert url in caught.value.message


def test_daemon_that_does_not_answer_is_unavailable(threaded: AdminThread) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(Unavailable, match="no answer in time"):
        Client(Target(f"http://127.0.0.1:{mute.getsockname()[1]}", "", 0.2)).version()
