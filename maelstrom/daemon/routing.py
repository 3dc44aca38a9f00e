"""From the node's view to what the gateways look up: routes by host and path.

Made anew at each change and swapped in one step, so a request sees the old or the new, never a mixture.
"""

from __future__ import annotations

from collections.abc import Iterator

from maelstrom.activation.service import Activation
from maelstrom.gateway import Route
from maelstrom.model.source import HttpSource, SourceKey
from maelstrom.model.stored import Snapshot
from maelstrom.plan.routes import RouteEntry, RouteTable


class Routing:
    """Keeps one route per http source, so that what is counted on it outlives the changes of others."""

    def __init__(self, activation: Activation) -> None:
        self._activation = activation
        self._routes: dict[SourceKey, Route] = {}

    def table(self, snapshot: Snapshot) -> RouteTable[Route]:
        """Enabled http sources of components that this node knows; a disabled one does not exist."""
        return RouteTable.build(list(self._entries(snapshot)))

    def in_flight(self, key: SourceKey) -> int:
        """Requests open towards containers that came by this source."""
        route = self._routes.get(key)
        return 0 if route is None else route.in_flight

    def _entries(self, snapshot: Snapshot) -> Iterator[RouteEntry[Route]]:
        routes: dict[SourceKey, Route] = {}
        for key, source in snapshot.sources.items():
            rule = source.definition
            if not isinstance(rule, HttpSource):
                continue
            pool = self._activation.pool(source.component)
            if pool is None:
                continue
            route = self._routes.get(key)
            if route is None or route.pool is not pool:
                route = Route(pool)
            routes[key] = route
            if source.enabled:
                yield RouteEntry(rule.hostname, rule.pathprefix, rule.stripprefix, route)
        self._routes = routes
