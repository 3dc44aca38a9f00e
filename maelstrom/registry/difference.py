"""What a put changes: the stored rows of a project against the definition that is put. Pure.

Definitions are compared as what they mean, not as text: a field that a newer version of the code adds with its default
makes no new version of anything. Whether a source is enabled is no part of its definition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row

from maelstrom.model.component import ComponentDefinition
from maelstrom.model.project import Changes, ProjectDefinition
from maelstrom.model.project_answers import ProjectAnswers
from maelstrom.model.source import SOURCE_TYPES, AwsSource, SourceDefinition
from maelstrom.registry.records import Unreadable, definition_of, source_definition_of, text_of
from maelstrom.registry.tables import SETTLED_AT_FIRST_MS


@dataclass(slots=True)
class Difference:
    """The rows to write, as column values. `key`: which one to update, by its name (components) or its id (sources,
    which are in that order).
    """

    components: Changes
    eventsources: Changes
    insert_components: list[dict[str, Any]] = field(default_factory=list)
    update_components: list[dict[str, Any]] = field(default_factory=list)
    insert_sources: list[dict[str, Any]] = field(default_factory=list)
    update_sources: list[dict[str, Any]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.components or self.eventsources)


def difference(
    project: str,
    put: ProjectDefinition | None,
    components: Iterable[Row[Any]],
    sources: Iterable[Row[Any]],
    versions: Mapping[str, int],
) -> Difference:
    """`put` None: the project is removed. `sources` has the hidden rows, too. `versions`: each component's last one."""
    wanted = {} if put is None else {name: entry.component for name, entry in put.components.items()}
    stored = {row.name: row for row in components}
    changed = {name for name in wanted if name in stored and not _same_component(stored[name], wanted[name])}
    found = Difference(
        Changes(_names(wanted.keys() - stored), _names(changed), _names(stored.keys() - wanted)),
        Changes(),
    )
    for name in found.components.added:
        values = {"project": project, "name": name, "full_name": f"{project}_{name}", "generation": 0}
        values |= {"version": versions.get(name, 0) + 1, "definition": text_of(wanted[name])}
        found.insert_components.append(values)
    for name in found.components.updated:
        values = {"key": name, "version": stored[name].version + 1, "definition": text_of(wanted[name])}
        found.update_components.append(values)
    _sources(found, project, put, wanted, list(sources))
    return found


def changed_fields(stored: ProjectAnswers, put: ProjectAnswers) -> Changes:
    """Which fields of the project itself a put adds, changes and removes."""
    old, new = stored.fields(), put.fields()
    changed = {name for name in old.keys() & new.keys() if old[name] != new[name]}
    return Changes(_names(new.keys() - old), _names(changed), _names(old.keys() - new))


def _sources(
    found: Difference,
    project: str,
    put: ProjectDefinition | None,
    components: Mapping[str, ComponentDefinition],
    rows: list[Row[Any]],
) -> None:
    wanted: dict[str, tuple[str, SourceDefinition]] = {}
    for component, entry in () if put is None else put.components.items():
        wanted.update({name: (component, source.definition) for name, source in entry.eventsources.items()})
    stored = {row.name: row for row in rows}
    names: dict[str, list[str]] = {"added": [], "updated": [], "removed": []}
    for name, (component, definition) in wanted.items():
        row = stored.get(name)
        own = definition.maxdurationseconds if isinstance(definition, AwsSource) else None
        longest = (own or components[component].maxdurationseconds) * 1000
        values = _columns(component, definition)
        if row is None:
            names["added"].append(name)
            values |= {"project": project, "name": name, "full_name": f"{project}_{name}", "version": 1}
            values |= {"high_ms": longest, "settled_ms": min(longest, SETTLED_AT_FIRST_MS)}
            found.insert_sources.append(values)
            continue
        values |= {"key": row.id, "version": row.version, "enabled": row.enabled, "high_ms": max(row.high_ms, longest)}
        if row.removed:
            names["added"].append(name)
            values |= {"version": row.version + 1, "enabled": True}
        elif not _same_source(row, component, definition):
            names["updated"].append(name)
            values["version"] += 1
        elif values["high_ms"] == row.high_ms:
            continue
        found.update_sources.append(values)
    for row in rows:
        if not row.removed and row.name not in wanted:
            names["removed"].append(row.name)
            found.update_sources.append(_hidden(row))
    found.update_sources.sort(key=lambda values: int(values["key"]))
    found.eventsources = Changes(**{kind: _names(some) for kind, some in names.items()})


def _columns(component: str, definition: SourceDefinition) -> dict[str, Any]:
    return {
        "component": component,
        "type": _type_of(definition),
        "definition": text_of(definition),
        "m": getattr(definition, "maxconcurrency", None),
        "width": getattr(definition, "concurrencyperpoller", None),
        "removed": False,
    }


def _hidden(row: Row[Any]) -> dict[str, Any]:
    kept = {name: getattr(row, name) for name in ("type", "definition", "m", "width", "version", "enabled", "high_ms")}
    return kept | {"key": row.id, "component": None, "removed": True}


def _same_component(row: Row[Any], definition: ComponentDefinition) -> bool:
    try:
        return definition_of(ComponentDefinition, row.definition) == definition
    except Unreadable:
        return False


def _same_source(row: Row[Any], component: str, definition: SourceDefinition) -> bool:
    try:
        return row.component == component and source_definition_of(row.type, row.definition) == definition
    except Unreadable:
        return False


def _type_of(definition: SourceDefinition) -> str:
    return next(name for name, cls in SOURCE_TYPES.items() if isinstance(definition, cls))


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))
