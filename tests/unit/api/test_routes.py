"""Which operation a path means, and what its parameters are."""

from __future__ import annotations

from typing import Any

import pytest

from maelstrom.api.operations import OPERATIONS, Operation
from maelstrom.api.requests import PutProject, SourceFilters
from maelstrom.api.routes import Routes, read_body, read_parameters
from maelstrom.model.errors import BadRequest, InvalidInput, NotFound

ROUTES = Routes(OPERATIONS)
BY_ID = {operation.id: operation for operation in OPERATIONS}


def meant(method: str, path: str) -> str | None:
    found = ROUTES.find(path)
    operation = found.operations.get(method) if found else None
    return operation.id if operation else None


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_every_operation_is_found_at_its_path(operation: Operation) -> None:
    path = operation.path.replace("{revision}", "7").replace("{project}", "shop").replace("{name}", "web")
    assert meant(operation.method, path) == operation.id


def test_ids_and_places_are_unique() -> None:
    assert len({operation.id for operation in OPERATIONS}) == len(OPERATIONS)
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v1",
        "/v1/",
        "//",
        "/v1/projects/",
        "/v1//projects",
        "v1/projects",
        "/v1/projects/a/b",
        "/v1/projects/{project}/",
        "/healthz/",
        "/{}",
        "*",
        "http://x/v1/projects",
    ],
)
def test_other_paths_are_nothing(path: str) -> None:
    found = ROUTES.find(path)
    assert found is None or not found.operations


def test_name_may_be_that_of_a_fixed_segment() -> None:
    for name in ("enable", "disable", "drained", "audit", "{name}", "{}"):
        assert meant("GET", f"/v1/eventsources/{name}/audit") == "audit_eventsource"
    assert meant("POST", "/v1/eventsources/enable") == "enable_eventsources"


def parameters(id: str, values: dict[str, str] | None = None, query: str = "") -> Any:
    return read_parameters(BY_ID[id], values or {}, query)


def test_values_are_decoded_and_in_lower_case() -> None:
    assert parameters("get_project", {"project": "S%68OP"}).project == "shop"
    read = parameters("list_eventsources", query="project=Shop&name=a&name=B&type=sqs")
    assert (read.project, read.name, read.type, read.prefix) == ("shop", ("a", "b"), "sqs", None)
    logs = parameters("logs", query="component=web-%2A&follow=true&since=12.5")
    assert (logs.component, logs.follow, logs.since) == (("web-*",), True, 12.5)


@pytest.mark.parametrize("value", ["a%20b", "%2e%2e", "%00", "%ff", "a%2Fb", "é", "a" * 100, ""])
def test_impossible_name_in_a_path_is_not_found(value: str) -> None:
    with pytest.raises(NotFound):
        parameters("get_project", {"project": value})


@pytest.mark.parametrize(
    "query",
    [
        "nothing=1",
        "project=a&project=b",
        "project=",
        "project=%ff",
        "project=a%00",
        "type=x",
        "prefix=a%20b",
        "&".join(["name=a"] * 1001),
        "token=x",
    ],
)
def test_wrong_query_is_refused(query: str) -> None:
    with pytest.raises(BadRequest):
        parameters("list_eventsources", query=query)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "component=web&since=-1",
        "component=web&since=nan",
        "component=web&since=1e400",
        "component=web&follow=perhaps",
        "component=a%2Fb",
        "component=",
    ],
)
def test_wrong_query_of_the_log_is_refused(query: str) -> None:
    with pytest.raises(BadRequest):
        parameters("logs", query=query)


def test_path_parameter_cannot_come_from_the_query() -> None:
    with pytest.raises(BadRequest):
        parameters("get_project", {"project": "shop"}, "project=blog")


def test_body_is_read_strictly_and_says_all_that_is_wrong() -> None:
    assert read_body(PutProject, {"definition": 5}) == PutProject(definition=5)
    with pytest.raises(InvalidInput) as caught:
        read_body(PutProject, {"diff_only": "yes", "expected_revision": 1.5, "nonsense": 1, "author": "x" * 101})
    paths = {problem.path.split(".")[0] for problem in caught.value.problems}
    assert paths == {"definition", "diff_only", "expected_revision", "nonsense", "author"}
    with pytest.raises(InvalidInput):
        read_body(SourceFilters, None)
