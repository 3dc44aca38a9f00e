"""What a worker has counted since it last told, as a message, and its addition to the main process's counters. Pure.

Every number of the gateway's counters is a sum, but for the connections that are open now.
"""

from __future__ import annotations

from typing import Any, Final

from maelstrom.gateway.stats import CodeStats, ComponentStats, GatewayStats

NOW: Final = "connections"  # how many there are, not how many there were
_OTHERS: Final = ("components", "codes", "requests", NOW)


def _sums(kind: type) -> tuple[str, ...]:
    """Names of its counters, also where it is compiled and has no slots to look at."""
    names = (name for name in dir(kind) if not name.startswith("_") and name not in _OTHERS)
    return tuple(name for name in names if not callable(getattr(kind, name)))


_OF_ALL: Final = _sums(GatewayStats)
_OF_ONE: Final = _sums(ComponentStats)


def take(stats: GatewayStats) -> dict[str, Any]:
    """What has been counted since the last time; begins anew. `connections` are only told."""
    taken: dict[str, Any] = _take(stats, _OF_ALL)
    taken[NOW] = stats.connections
    components = {}
    for name, one in stats.components.items():
        values = _take(one, _OF_ONE)
        if one.codes:
            values["codes"] = [[code, row.count, row.seconds, row.buckets] for code, row in one.codes.items()]
            one.codes = {}
        if values:
            components[name] = values
    if components:
        taken["components"] = components
    return taken


def add(stats: GatewayStats, taken: dict[str, Any], connections: int) -> int:
    """Adds to the sums. `connections`: how many this worker had when it last told; returns how many it has."""
    _add(stats, taken, _OF_ALL)
    now: int = taken[NOW]
    stats.connections += now - connections
    for name, values in taken.get("components", {}).items():
        one = stats.component(name)
        _add(one, values, _OF_ONE)
        for code, count, seconds, buckets in values.get("codes", ()):
            row = one.codes.get(code)
            if row is None:
                row = one.codes[code] = CodeStats()
            row.count += count
            row.seconds += seconds
            row.buckets = [one + more for one, more in zip(row.buckets, buckets, strict=True)]
    return now


def _take(stats: object, names: tuple[str, ...]) -> dict[str, Any]:
    taken = {}
    for name in names:
        value = getattr(stats, name)
        if value:
            taken[name] = value
            setattr(stats, name, type(value)())
    return taken


def _add(stats: object, taken: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        more = taken.get(name)
        if isinstance(more, dict):
            sums = getattr(stats, name)
            for key, count in more.items():
                sums[key] = sums.get(key, 0) + count
        elif more:
            setattr(stats, name, getattr(stats, name) + more)
