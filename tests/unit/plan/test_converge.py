"""Plans of one component: what is done, why, and that doing it ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maelstrom.model.component import ComponentDefinition
from maelstrom.plan.converge import Drain, Seen, Start, plan_component


def definition(**fields: object) -> ComponentDefinition:
    return ComponentDefinition.model_validate({"image": "web:1", **fields})


def seen(*specs: str) -> list[Seen]:
    """`r` ready, `s` starting, `d` draining; capital: of the wanted version; digits: in flight."""
    rows = []
    states = {"r": "ready", "s": "starting", "d": "draining"}
    for n, spec in enumerate(specs):
        state = states[spec[0].lower()]
        rows.append(Seen(f"i{n}", state, spec[0].isupper(), int(spec[1:] or 0), float(n)))  # type: ignore[arg-type]
    return rows


def acts(actions: list[Start | Drain]) -> str:
    return " ".join("start" if isinstance(a, Start) else f"drain:{a.id}" for a in actions)


@pytest.mark.parametrize(
    ("fields", "have", "wanted", "expected"),
    [
        ({}, "", 1, "start"),
        ({}, "", 3, "start start start"),
        ({}, "S", 1, ""),
        ({}, "R", 1, ""),
        ({}, "D", 1, "start"),
        ({}, "R R", 1, "drain:i1"),
        ({}, "R1 R", 1, "drain:i1"),
        ({}, "R1 R2", 1, ""),  # busy ones are never stopped to scale in
        ({}, "R", 0, "drain:i0"),
        ({"startparallelism": "series"}, "", 3, "start"),
        ({"startparallelism": "series"}, "S", 3, ""),
        ({"startparallelism": "series"}, "R", 3, "start"),
        ({"startparallelism": "seriesfirst"}, "S", 3, ""),
        ({"startparallelism": "seriesfirst"}, "R", 3, "start start"),
        # start before stop: the old ones serve until as many new ones are ready
        ({"restartorder": "startstop"}, "r r", 2, "start start"),
        ({"restartorder": "startstop"}, "r5 r S S", 2, ""),
        ({"restartorder": "startstop"}, "r5 r R S", 2, "drain:i1"),
        ({"restartorder": "startstop"}, "r5 R R", 2, "drain:i0"),
        ({"restartorder": "startstop"}, "r", 0, "drain:i0"),
        # stop before start: one at a time
        ({"restartorder": "stopstart"}, "r r", 2, "drain:i1"),
        ({"restartorder": "stopstart"}, "r d", 2, ""),
        ({"restartorder": "stopstart"}, "r", 2, "start"),
        ({"restartorder": "stopstart"}, "r S", 2, ""),
        ({"restartorder": "stopstart"}, "r R", 2, "drain:i0"),
        ({"restartorder": "stopstart"}, "s", 1, "drain:i0"),
    ],
)
def test_plan(fields: dict[str, object], have: str, wanted: int, expected: str) -> None:
    assert acts(plan_component(definition(**fields), seen(*have.split()), wanted, "load")) == expected


def test_a_removed_component_is_drained_whole() -> None:
    assert acts(plan_component(None, seen("R", "s", "d"), 0, "")) == "drain:i0 drain:i1"


def apply(state: list[Seen], action: Start | Drain) -> list[Seen]:
    if isinstance(action, Start):
        return [*state, Seen(f"new{len(state)}", "starting", True, 0, 0.0)]
    return [replace(s, state="draining") if s.id == action.id else s for s in state]


def settle(state: list[Seen]) -> list[Seen]:
    """Time passes: what starts is ready, what drains is gone."""
    return [replace(s, state="ready") for s in state if s.state != "draining"]


@pytest.mark.parametrize("order", ["startstop", "stopstart"])
@pytest.mark.parametrize("parallelism", ["parallel", "series", "seriesfirst"])
@pytest.mark.parametrize("have", ["", "r", "r r r", "r R", "s r S", "R R R R"])
def test_plans_end_where_they_should_and_then_are_empty(order: str, parallelism: str, have: str) -> None:
    wanted = 2
    rules = definition(restartorder=order, startparallelism=parallelism)
    state = seen(*have.split())
    for _ in range(20):
        actions = plan_component(rules, state, wanted, "load")
        for action in actions:
            state = apply(state, action)
            again = plan_component(rules, state, wanted, "load")
            assert len([a for a in again if isinstance(a, Start)]) <= len(actions), "stopped anywhere: still safe"
        state = settle(state)
    assert [s.current for s in state] == [True, True]
    assert plan_component(rules, state, wanted, "load") == []


def test_start_before_stop_never_has_fewer_ready_than_wanted() -> None:
    rules = definition(restartorder="startstop")
    state = seen("r", "r", "r")
    for _ in range(10):
        for action in plan_component(rules, state, 3, "load"):
            state = apply(state, action)
        assert sum(1 for s in state if s.state == "ready") >= 3
        state = settle(state)
