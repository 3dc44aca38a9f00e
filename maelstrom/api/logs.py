"""The operation that streams components' log lines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from fnmatch import fnmatchcase
from typing import Any

from maelstrom.api.cluster import all_instances
from maelstrom.api.ports import Ports
from maelstrom.api.replies import Lines
from maelstrom.api.requests import LogsQuery
from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import NotFound

MISSING_NODES = "Maelstrom-Missing-Nodes"


async def logs(ports: Ports, params: LogsQuery, _: None) -> Lines:
    """Lines of this node's containers; nodes whose containers are not among them are named in a field of the head."""
    keys = await _components(ports, params)
    missing = sorted(
        {
            row.node
            for row in await all_instances(ports)
            if row.node != ports.node.name and ComponentKey(row.project, row.component) in keys
        }
    )
    headers = {MISSING_NODES: ", ".join(missing)} if missing else {}
    return Lines(_rows(ports, sorted(keys), params), headers)


async def _components(ports: Ports, params: LogsQuery) -> set[ComponentKey]:
    """What names and globs mean; each has to mean something."""
    known: list[ComponentKey] | None = None
    found: set[ComponentKey] = set()
    for name in params.component:
        if not set(name) & set("*?["):
            found.add((await ports.registry.find_component(name, params.project)).key)
            continue
        if known is None:
            known = [component.key for component in await ports.registry.list_components(project=params.project)]
        matching = {key for key in known if fnmatchcase(key.name, name) or fnmatchcase(key.full_name, name)}
        if not matching:
            raise NotFound(f"no component matches {name}")
        found |= matching
    return found


async def _rows(ports: Ports, keys: list[ComponentKey], params: LogsQuery) -> AsyncIterator[Mapping[str, Any]]:
    lines = ports.node.logs(keys, since=params.since, follow=params.follow)
    async with aclosing(lines):  # type: ignore[type-var]
        async for line in lines:
            yield {
                "project": line.component.project,
                "component": line.component.name,
                "node": ports.node.name,
                "container": line.container,
                "stream": line.stream,
                "at": line.at,
                "text": line.text,
            }
