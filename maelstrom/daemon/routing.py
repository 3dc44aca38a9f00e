"""From the node's view to what the gateways look up: routes by host and path.

Made anew at each change and swapped in one step, so a request sees the old or the new, never a mixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from maelstrom.activation.pool import Pool
from maelstrom.gateway import Additions, Route
from maelstrom.model.component import ComponentKey
from maelstrom.model.project_answers import ProjectAnswers
from maelstrom.model.source import HttpSource, SourceKey
from maelstrom.model.stored import Snapshot
from maelstrom.plan.routes import RouteEntry, RouteTable
from maelstrom.workers.briefing import Rule


class Pools(Protocol):
    """Activation, as routes see it."""

    def pool(self, key: ComponentKey) -> Pool | None: ...


class Routing:
    """Keeps one route per http source, so that what is counted on it outlives the changes of others.

    `hidden`: sources that get nothing, because an older one has the same host and path, each with that one.
    """

    def __init__(self, activation: Pools, workers: Callable[[str], int] | None = None) -> None:
        """`workers`: how many requests the gateway's workers have open that came by a rule, by its tag."""
        self._activation = activation
        self._workers = workers
        self.rules: list[Rule] = []  # the last table, for workers
        self._routes: dict[SourceKey, Route] = {}
        self._additions: dict[str, tuple[ProjectAnswers, Additions]] = {}
        self.hidden: dict[SourceKey, SourceKey] = {}

    def table(self, snapshot: Snapshot) -> RouteTable[Route]:
        """Http sources of components that this node knows."""
        table = RouteTable.build(list(self._entries(snapshot)))
        keys = {id(route): key for key, route in self._routes.items()}
        self.hidden = {keys[id(route)]: keys[id(winner)] for route, winner in table.hidden}
        return table

    def in_flight(self, key: SourceKey) -> int:
        """Requests open towards containers that came by this source."""
        route = self._routes.get(key)
        own = 0 if route is None else route.in_flight
        return own if self._workers is None else own + self._workers(tag_of(key))

    def _entries(self, snapshot: Snapshot) -> Iterator[RouteEntry[Route]]:
        routes: dict[SourceKey, Route] = {}
        self.rules = []
        # every node gives equal rules to the same source: the one that was there first
        for key, source in sorted(snapshot.sources.items(), key=lambda item: item[1].id):
            rule = source.definition
            if not isinstance(rule, HttpSource):
                continue
            pool = self._activation.pool(source.component)
            if pool is None:
                continue
            route = self._routes.get(key)
            if route is None or route.pool is not pool:
                route = Route(pool)
            route.additions = self._additions_of(key.project, snapshot)
            routes[key] = route
            where = (rule.hostname, rule.pathprefix, rule.stripprefix)
            yield RouteEntry(*where, route, source.enabled)
            self.rules.append(Rule(tag_of(key), *where, source.component.full_name, source.enabled))
        self._routes = routes
        self._additions = {name: known for name, known in self._additions.items() if name in snapshot.answers}

    def _additions_of(self, project: str, snapshot: Snapshot) -> Additions | None:
        """Made anew only if the project says something else."""
        answers = snapshot.answers.get(project)
        if answers is None:
            return None
        known = self._additions.get(project)
        if known is None or known[0] != answers:
            known = self._additions[project] = (answers, Additions(answers))
        return known[1]


def tag_of(key: SourceKey) -> str:
    return "/".join(key)
