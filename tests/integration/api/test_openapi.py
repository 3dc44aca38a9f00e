"""The OpenAPI document is true: what it allows is answered as it says, and what it does not is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig

from maelstrom.api.openapi import document
from maelstrom.api.operations import OPERATIONS
from maelstrom.model.component import ComponentKey
from maelstrom.model.instance import InstanceStatus
from tests.fakes.api import line
from tests.support.admin import TOKEN, AdminThread, copy_of
from tests.support.rawhttp import request, send

BEARER = {"Authorization": f"Bearer {TOKEN}"}
EXAMPLES = 12  # for each operation
REFUSALS = [400, 401, 403, 404, 405, 409, 413, 415, 422]
CONFIG = {
    "generation": {"max-examples": EXAMPLES, "deterministic": True, "no-shrink": True},
    "phases": {"coverage": {"enabled": False}},
    "checks": {
        # Rules over several fields (limit ≥ reservation) are more than a schema can say.
        "positive_data_acceptance": {"expected-statuses": ["2xx", 400, 404, 409, 422, 503]},
        "negative_data_rejection": {"expected-statuses": REFUSALS},
        "missing_required_header": {"expected-statuses": REFUSALS},
        "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", 503]},
    },
}

schema = schemathesis.openapi.from_dict(document(OPERATIONS), config=SchemathesisConfig.from_dict(CONFIG))


@pytest.fixture(scope="module")
def running(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdminThread]:
    with AdminThread(copy_of(template, tmp_path_factory.mktemp("openapi"))) as admin:
        key = ComponentKey("shop", "web")
        admin.node.instance_rows = [InstanceStatus(key, 1, "ready", "n1", "c" * 64, 0, 1.0, None)]
        admin.node.lines = [line("hello")]
        sources = {
            "site": {"http": {"hostname": "a.example"}},
            "split": {"awsstepfunc": {"activityname": "s", "path": "/"}},
        }
        entry = {"component": {"image": "app:1"}, "eventsources": sources}
        admin.client().put_project({"name": "shop", "components": {"web": entry}})
        yield admin


@schema.include(path_regex="^/(v1|healthz|readyz|metrics)").parametrize()
def test_operation_does_what_the_document_says(case: schemathesis.Case, running: AdminThread) -> None:
    if case.query and "follow" in case.query:
        case.query["follow"] = False  # endless, else
    case.call_and_validate(base_url=running.url, headers=BEARER)


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/v1/projects/{project}", {"project": "shop"}),
        ("/v1/projects/{project}/revisions/{revision}", {"project": "shop", "revision": "1"}),
        ("/v1/projects/{project}/revisions", {"project": "shop"}),
        ("/v1/projects/{project}/readiness", {"project": "shop"}),
        ("/v1/eventsources/{name}/audit", {"name": "split"}),
    ],
)
def test_answers_about_what_is_there_are_as_the_document_says(
    path: str, parameters: dict[str, str], running: AdminThread
) -> None:
    case = schema[path]["GET"].Case(path_parameters=parameters)
    assert case.call_and_validate(base_url=running.url, headers=BEARER).status_code == 200


async def test_document_needs_the_token_and_describes_everything(running: AdminThread) -> None:
    assert (await send(running.port, request("GET", "/openapi.json"))).status == 401
    served = (await send(running.port, request("GET", "/openapi.json", BEARER))).json()
    described = {(method.upper(), path) for path, item in served["paths"].items() for method in item}
    assert described == {(operation.method, operation.path) for operation in OPERATIONS}
    for path, item in served["paths"].items():
        for method, operation in item.items():
            needs_token = {} not in operation.get("security", served["security"])
            assert needs_token == path.startswith("/v1/"), (method, path)


async def test_every_operation_that_needs_the_token_refuses_without(running: AdminThread) -> None:
    for operation in OPERATIONS:
        if not operation.open:
            path = operation.path.replace("{", "").replace("}", "")
            assert (await send(running.port, request(operation.method, path))).status == 401
