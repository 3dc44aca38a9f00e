"""What nodes say of themselves, written and read back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from maelstrom.api.ports import SourceStatus
from maelstrom.api.reports import combined, make_report, read_report
from maelstrom.model.component import ComponentKey
from maelstrom.model.instance import BlackBox, InstanceStatus
from maelstrom.model.source import SourceKey

KEY = SourceKey("shop", "split")


def test_report_is_read_back_as_it_was_written() -> None:
    box = BlackBox("it exited", 3, log_tail=("boom",))
    status = InstanceStatus(ComponentKey("shop", "web"), 2, "failed", "n2", "c", 0, 1.5, None, {"create": 2.0}, box)
    source = SourceStatus("degraded", "no credentials", 2, 1, {"received": 5})
    report = json.loads(json.dumps(make_report(revision=7, instances=[status], sources={KEY: source})))
    read = read_report("n2", report)
    assert (read.node, read.revision) == ("n2", 7)
    assert [row.model_dump() for row in read.instances] == [json.loads(json.dumps(status.as_json()))]
    assert read.sources == {KEY: SourceStatus("degraded", "no credentials", 2, 1)}


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"revision": "x", "instances": 5, "sources": {}},
        {"instances": [None, 1, {}], "sources": [[], {"project": 1}]},
    ],
)
def test_report_of_another_version_is_read_as_far_as_it_goes(report: dict[str, Any]) -> None:
    read = read_report("n2", report)
    assert (read.revision, list(read.instances), read.sources) == (0, [], {})


def test_what_a_newer_version_adds_is_passed_on() -> None:
    status = InstanceStatus(ComponentKey("shop", "web"), 1, "ready", "n2", "c", 0, 1.5, None)
    read = read_report("n2", {"instances": [{**status.as_json(), "memory": 5}]})
    assert read.instances[0].model_dump()["memory"] == 5


OK, BAD, OFF = (
    SourceStatus("ok", "", 1, 1),
    SourceStatus("degraded", "no queue", 2, 0),
    SourceStatus("disabled", "", 3, 0),
)


@pytest.mark.parametrize(
    ("enabled", "own", "others", "expected"),
    [
        (True, OK, [], OK),
        (True, OK, [("n2", OK)], SourceStatus("ok", "", 2, 2)),
        (True, OK, [("n2", BAD)], SourceStatus("degraded", "n2: no queue", 3, 1)),
        (True, BAD, [("n2", BAD)], SourceStatus("degraded", "no queue", 4, 0)),
        (True, OFF, [("n2", OFF)], SourceStatus("ok", "", 6, 0)),  # they have not heard of it yet
        (False, BAD, [("n2", OK)], SourceStatus("disabled", "", 3, 1)),
    ],
)
def test_status_over_nodes(
    enabled: bool, own: SourceStatus, others: list[tuple[str, SourceStatus]], expected: SourceStatus
) -> None:
    assert combined(enabled, own, others) == expected
