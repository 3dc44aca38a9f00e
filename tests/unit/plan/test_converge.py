"""Plans of one component: what is done, why, and that doing it ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maelstrom.model.component import ComponentDefinition
from maelstrom.plan.converge import Action, Drain, Freeze, Seen, Start, Wake, plan_component


def definition(**fields: object) -> ComponentDefinition:
    return ComponentDefinition.model_validate({"image": "web:1", **fields})


def seen(*specs: str) -> list[Seen]:
    """`r` ready, `s` starting, `f` frozen, `d` draining; capital: of the wanted version; digits: in flight, or frozen
    for so many seconds."""
    rows = []
    states = {"r": "ready", "s": "starting", "f": "frozen", "d": "draining"}
    for n, spec in enumerate(specs):
        state, number = states[spec[0].lower()], int(spec[1:] or 0)
        busy, frozen = (0, number) if state == "frozen" else (number, 0)
        rows.append(Seen(f"i{n}", state, spec[0].isupper(), busy, float(n), frozen))  # type: ignore[arg-type]
    return rows


def acts(actions: list[Action]) -> str:
    verbs = {Drain: "drain", Freeze: "freeze", Wake: "wake"}
    return " ".join("start" if isinstance(a, Start) else f"{verbs[type(a)]}:{a.id}" for a in actions)


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
        ({"restartorder": "stopstart"}, "d", 1, ""),  # its port is not free yet
        # the idle tier: frozen before stopped, woken before started
        ({"idlebehavior": "pause"}, "R R1", 1, "freeze:i0"),
        ({"idlebehavior": "pause"}, "F", 0, ""),
        ({"idlebehavior": "pause"}, "F", 1, "wake:i0"),
        ({"idlebehavior": "pause"}, "F9 F5 R", 2, "wake:i1"),
        ({"idlebehavior": "pause"}, "F9 S", 3, "wake:i0 start"),
        ({"idlebehavior": "pause", "stopafterseconds": 60}, "F60 F59 R", 1, "drain:i0"),
        ({"idlebehavior": "pause", "stopafterseconds": 60}, "F60", 1, "wake:i0"),
        ({"idlebehavior": "stop"}, "F1 F2", 1, "wake:i0 drain:i1"),  # it said `pause` until just now
        ({"idlebehavior": "pause"}, "f r", 1, "drain:i0 start"),
        ({"idlebehavior": "pause"}, "f", 0, "drain:i0"),
        ({"idlebehavior": "pause", "restartorder": "stopstart"}, "f r", 1, "drain:i0"),
    ],
)
def test_plan(fields: dict[str, object], have: str, wanted: int, expected: str) -> None:
    assert acts(plan_component(definition(**fields), seen(*have.split()), wanted, "load")) == expected


def test_a_removed_component_is_drained_whole() -> None:
    assert acts(plan_component(None, seen("R", "s", "d"), 0, "")) == "drain:i0 drain:i1"


def apply(state: list[Seen], action: Action) -> list[Seen]:
    if isinstance(action, Start):
        return [*state, Seen(f"new{len(state)}", "starting", True, 0, 0.0)]
    state_of = {Drain: "draining", Freeze: "frozen", Wake: "starting"}[type(action)]
    return [replace(s, state=state_of) if s.id == action.id else s for s in state]  # type: ignore[arg-type]


def settle(state: list[Seen]) -> list[Seen]:
    """Time passes: what starts is ready, what drains is gone."""
    return [s if s.state == "frozen" else replace(s, state="ready") for s in state if s.state != "draining"]


@pytest.mark.parametrize("order", ["startstop", "stopstart"])
@pytest.mark.parametrize("parallelism", ["parallel", "series", "seriesfirst"])
@pytest.mark.parametrize("have", ["", "r", "r r r", "r R", "s r S", "R R R R", "f r", "F f R", "F r r r"])
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
