"""How many instances are wanted for a load."""

from __future__ import annotations

import math

import pytest

from maelstrom.model.component import ComponentDefinition
from maelstrom.plan.autoscale import Load, wanted_instances


def wanted(load: Load, running: int, **fields: object) -> int:
    return wanted_instances(ComponentDefinition.model_validate({"image": "web:1", **fields}), load, running).count


def load(demand: int = 0, mean: float = 0, peak: float | None = None, idle: float = 0.0, *, full: bool = True) -> Load:
    return Load(demand, mean, full, mean if peak is None else peak, full, idle)


@pytest.mark.parametrize(
    ("measured", "running", "fields", "expected"),
    [
        (load(1, full=False), 0, {}, 1),  # the first request
        (load(200, full=False), 0, {}, 1),  # a burst starts one
        (load(200, mean=200, full=False), 1, {}, 1),  # and nothing more before it lasts
        (load(8, mean=8), 1, {"maxconcurrency": 10}, 2),  # over 75 %
        (load(7, mean=7), 1, {"maxconcurrency": 10}, 1),
        (load(400, mean=400), 2, {}, 4),  # at most doubled by one step
        (load(2, mean=2, peak=2), 4, {"maxconcurrency": 10}, 1),  # under 25 %
        (load(2, mean=2, peak=30), 4, {"maxconcurrency": 10}, 4),  # a peak within the minute keeps them
        (Load(2, 2, True, 2, False, 0.0), 4, {"maxconcurrency": 10}, 4),  # not measured long enough
        (load(0, idle=299), 1, {}, 1),
        (load(0, idle=300), 1, {}, 0),
        (load(1, idle=math.inf), 1, {}, 1),  # busy with one long request: never idle
        (load(0, idle=math.inf), 0, {"mininstances": 2}, 2),
        (load(0, idle=math.inf), 4, {"mininstances": 2}, 2),
        (load(400, mean=400), 3, {"maxinstances": 5}, 5),
        (load(400, mean=400), 3, {"maxinstancespernode": 4}, 4),
    ],
)
def test_wanted(measured: Load, running: int, fields: dict[str, object], expected: int) -> None:
    assert wanted(measured, running, **fields) == expected


def test_a_steady_load_is_not_scaled_to_and_fro() -> None:
    running = 1
    counts = []
    for _ in range(10):
        running = wanted(load(20, mean=20), running, maxconcurrency=10)
        counts.append(running)
    assert counts == [2] + [3] * 9


def test_where_nothing_changes_the_reason_speaks_of_no_change() -> None:
    """It is logged for the start that replaces an instance that died."""
    quiet = load(0, mean=0, peak=1)
    definition = ComponentDefinition(image="web:1", maxconcurrency=20, mininstances=1)
    assert wanted_instances(definition, quiet, 1).reason == "1 wanted as before"


@pytest.mark.parametrize(
    ("demand", "running", "frozen", "expected"),
    [
        (1, 0, 2, 1),
        (3, 0, 2, 2),
        (9, 1, 2, 3),  # no load needs to last: who waits wakes them, and no more than there are
        (9, 1, 0, 1),
        (1, 1, 2, 1),
    ],
)
def test_frozen_ones_are_wanted_as_soon_as_anybody_waits(demand: int, running: int, frozen: int, expected: int) -> None:
    definition = ComponentDefinition(image="web:1", maxconcurrency=1, idlebehavior="pause")
    assert wanted_instances(definition, load(demand, full=False), running, frozen).count == expected
