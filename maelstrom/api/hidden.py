"""Which http sources get nothing because an older one has the same host and path: said to who puts or enables them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from math import inf

from maelstrom.api.ports import Ports
from maelstrom.model.project import ProjectDefinition
from maelstrom.model.source import EventSource, HttpSource, SourceKey
from maelstrom.model.stored import SourceFilter
from maelstrom.plan.routes import RouteEntry, RouteTable


@dataclass(frozen=True, slots=True)
class _Rule:
    key: SourceKey
    definition: HttpSource
    enabled: bool
    age: float  # rises; infinite: not stored yet


async def warnings_of_put(ports: Ports, project: ProjectDefinition) -> list[str]:
    """About what `project` would hide or have hidden, stored or not."""
    stored = {rule.key: rule for rule in await _stored(ports)}
    rules = {key: rule for key, rule in stored.items() if key.project != project.name}
    for entry in project.components.values():
        for name, source in entry.eventsources.items():
            if source.http is not None:
                key = SourceKey(project.name, name)
                known = stored.get(key)
                rules[key] = (
                    _Rule(key, source.http, True, inf) if known is None else replace(known, definition=source.http)
                )
    return _warnings(rules.values(), {key for key in rules if key.project == project.name})


async def warnings_of_enabled(ports: Ports, changed: Iterable[EventSource]) -> list[str]:
    """About sources that were enabled just now."""
    about = {source.key for source in changed if isinstance(source.definition, HttpSource)}
    return _warnings(await _stored(ports), about) if about else []


async def _stored(ports: Ports) -> list[_Rule]:
    return [
        _Rule(source.key, source.definition, source.enabled, source.id)
        for source in await ports.registry.list_sources(SourceFilter(type="http"))
        if isinstance(source.definition, HttpSource)
    ]


def _warnings(rules: Iterable[_Rule], about: Collection[SourceKey]) -> list[str]:
    table = RouteTable.build(
        RouteEntry(rule.definition.hostname, rule.definition.pathprefix, False, rule.key)
        for rule in sorted(rules, key=lambda rule: rule.age)
        if rule.enabled
    )
    return [
        f"http source {hidden.full_name} gets no requests: {winner.full_name} has the same host and path"
        for hidden, winner in table.hidden
        if hidden in about or winner in about
    ]
