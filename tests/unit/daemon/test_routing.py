"""Routes of a view: the same on every node, whatever the order in which its sources were read."""

from __future__ import annotations

import itertools

from maelstrom.activation.pool import Pool
from maelstrom.daemon.routing import Routing
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.source import EventSource, HttpSource, SourceKey
from maelstrom.model.stored import Snapshot


class Pools:
    """Of every component one, as activation has them."""

    def __init__(self) -> None:
        self._pools: dict[ComponentKey, Pool] = {}

    def pool(self, key: ComponentKey) -> Pool:
        if key not in self._pools:
            component = Component(key, 1, 0, ComponentDefinition(image="app:1"), 0.0)
            self._pools[key] = Pool(component, lambda _: None, lambda _: None)
        return self._pools[key]


def source(project: str, id: int, host: str = "a.example", enabled: bool = True) -> EventSource:
    key, component = SourceKey(project, "site"), ComponentKey(project, "web")
    return EventSource(key, component, 1, enabled, HttpSource(hostname=host), id)


def snapshot(*sources: EventSource) -> Snapshot:
    return Snapshot(1, {}, {one.key: one for one in sources})


def test_equal_rules_belong_to_the_oldest_source_in_every_order() -> None:
    sources = [source("c", 1), source("a", 2), source("b", 3), source("d", 4, "d.example")]
    for order in itertools.permutations(sources):
        pools = Pools()
        routing = Routing(pools)
        found = routing.table(snapshot(*order)).lookup(b"a.example", b"/")
        assert found is not None
        assert found.target.pool is pools.pool(ComponentKey("c", "web"))
        winner = SourceKey("c", "site")
        assert routing.hidden == {SourceKey("a", "site"): winner, SourceKey("b", "site"): winner}


def test_a_disabled_source_hides_nobody() -> None:
    routing = Routing(Pools())
    table = routing.table(snapshot(source("a", 1, enabled=False), source("b", 2), source("c", 3, "c.example", False)))
    assert routing.hidden == {}
    assert table.lookup(b"c.example", b"/") is None
    assert table.is_disabled(b"c.example", b"/")
    assert not table.is_disabled(b"d.example", b"/")
    assert [rule.enabled for rule in routing.rules] == [False, True, False]
