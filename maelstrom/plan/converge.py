"""What to do so that this node's instances of one component become what is wanted: pure, each action with its reason.

Applied again after its actions were done, the plan is empty; after any one of them alone it is still safe. A busy
instance is never stopped, only drained: it takes no more requests and ends those it has. What is wanted is instances
that are awake; frozen ones are woken before others are started, and stopped when their time is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from maelstrom.model.component import ComponentDefinition


@dataclass(frozen=True, slots=True)
class Seen:
    """One instance as observed. `current`: made from the definition, generation and image that are wanted now."""

    id: str
    state: Literal["starting", "ready", "frozen", "draining"]  # starting: or being woken; draining: or being stopped
    current: bool
    in_flight: int
    idle_seconds: float
    frozen_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Start:
    reason: str


@dataclass(frozen=True, slots=True)
class Drain:
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Freeze:
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Wake:
    id: str
    reason: str


Action = Start | Drain | Freeze | Wake


def plan_component(definition: ComponentDefinition | None, seen: Sequence[Seen], wanted: int, why: str) -> list[Action]:
    """The next actions; None as definition: the component is removed, or this node gives it up."""
    live = [s for s in seen if s.state != "draining"]
    if definition is None:
        return [Drain(s.id, "component removed") for s in live]
    current = [s for s in live if s.current and s.state != "frozen"]
    frozen = [s for s in live if s.current and s.state == "frozen"]
    old = [s for s in live if not s.current and s.state != "frozen"]
    useless = [s for s in live if not s.current and s.state == "frozen"]
    actions: list[Action] = [Drain(s.id, "replaced by a new version") for s in useless]
    if definition.restartorder == "stopstart" and not all(s.current for s in seen):
        others = [s for s in seen if s not in frozen]
        return actions or _stop_then_start(definition, others, current, old, wanted, why)
    woken = sorted(frozen, key=lambda s: s.frozen_seconds)[: max(0, wanted - len(current))]
    actions += [Wake(s.id, why) for s in woken]
    missing = wanted - len(current) - len(woken)
    actions += _starts(definition, current, missing, "new version" if old else why)
    ready = sum(1 for s in current if s.state == "ready")
    keep_old = max(0, wanted - ready)
    actions += [Drain(s.id, "replaced by a new version") for s in _expendable(old)[: max(0, len(old) - keep_old)]]
    actions += _surplus(definition, current, wanted, why)
    kept = definition.stopafterseconds if definition.idlebehavior == "pause" else 0
    actions += [Drain(s.id, f"frozen for {kept} s") for s in frozen if s not in woken and s.frozen_seconds >= kept]
    return actions


def _stop_then_start(
    definition: ComponentDefinition, seen: Sequence[Seen], current: list[Seen], old: list[Seen], wanted: int, why: str
) -> list[Action]:
    """One at a time: an old one goes only when nothing else is on its way, and its room is filled before the next."""
    moving = [s for s in seen if s.state != "ready"]
    if len(seen) < wanted:
        return _starts(definition, current, wanted - len(seen), why)
    if any(s.state == "starting" and not s.current for s in moving):
        return [Drain(s.id, "replaced before it was ready") for s in old if s.state == "starting"]
    if moving:
        return []
    return [Drain(_expendable(old)[0].id, "makes room for a new version")]


def _starts(definition: ComponentDefinition, current: list[Seen], missing: int, reason: str) -> list[Action]:
    if missing <= 0:
        return []
    one_by_one = definition.startparallelism == "series" or (
        definition.startparallelism == "seriesfirst" and not any(s.state == "ready" for s in current)
    )
    if one_by_one:
        missing = 0 if any(s.state == "starting" for s in current) else 1
    return [Start(reason)] * missing


def _surplus(definition: ComponentDefinition, current: list[Seen], wanted: int, why: str) -> list[Action]:
    """Too many: idle ones go, the longest idle first; a busy one goes when it has become idle."""
    idle = sorted((s for s in current if s.state == "ready" and not s.in_flight), key=lambda s: -s.idle_seconds)
    go: type[Drain | Freeze] = Freeze if definition.idlebehavior == "pause" else Drain
    return [go(s.id, why) for s in idle[: max(0, len(current) - wanted)]]


def _expendable(old: list[Seen]) -> list[Seen]:
    return sorted(old, key=lambda s: (s.state == "ready", s.in_flight, -s.idle_seconds))
