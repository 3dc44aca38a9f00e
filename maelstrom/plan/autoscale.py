"""How many instances of a component this node wants: a pure function of measured load.

Load is demand: requests in flight plus those that wait, so a long request counts while it runs and a queue counts at
once. It must not know of containers, clocks or queues; samples are handed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from maelstrom.model.component import ComponentDefinition


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured of one component on this node."""

    demand: int  # in flight and waiting, now
    recent: float  # median demand of the last seconds: a burst that is over scales nothing out
    recent_full: bool  # those seconds have been measured
    peak: float  # highest demand of the last minute
    peak_full: bool  # that minute has been measured: no scaling in before
    idle_seconds: float  # since a request ended or an instance became ready; infinite if never


@dataclass(frozen=True, slots=True)
class Wanted:
    count: int
    reason: str


def wanted_instances(definition: ComponentDefinition, load: Load, running: int, frozen: int = 0) -> Wanted:
    """How many there should be, given that `running` are there (starting ones included).

    Recent load over the upper threshold: out, at most doubled by one step; peak under the lower one: in; else as it is;
    then held between the limits. Frozen ones cost next to nothing to wake: they are wanted as soon as anybody waits.
    """
    per_instance = definition.maxconcurrency
    up, down = definition.scaleupconcurrencypct, definition.scaledownconcurrencypct
    capacity = running * per_instance
    target, reason = running, f"{running} wanted as before"
    if running and load.recent_full and load.recent > capacity * up:
        target = min(ceil(load.recent / (per_instance * up)), running * 2)
        reason = f"load {load.recent:.1f} over {up:.0%} of {capacity}"
    elif running and load.peak_full and load.peak < capacity * down:
        target = min(running, ceil(load.peak / (per_instance * up)))
        if target < running:
            reason = f"peak load {load.peak:.1f} under {down:.0%} of {capacity}"
    if target < (awake := min(running + frozen, ceil(load.demand / per_instance))) and frozen:
        target, reason = awake, f"demand {load.demand} over {capacity}"
    return _limited(definition, load, target, reason)


def _limited(definition: ComponentDefinition, load: Load, target: int, reason: str) -> Wanted:
    in_use = load.demand > 0 or load.idle_seconds < definition.idletimeoutseconds
    if not in_use and target > definition.mininstances:
        target, reason = 0, f"idle for {definition.idletimeoutseconds} s"
    least = max(definition.mininstances, 1 if in_use else 0)
    if target < least:
        target = least
        reason = "mininstances" if definition.mininstances >= least else "in use"
    for name, limit in (
        ("maxinstances", definition.maxinstances),
        ("maxinstancespernode", definition.maxinstancespernode),
    ):
        if limit is not None and target > limit:
            target, reason = limit, name
    return Wanted(target, reason)
