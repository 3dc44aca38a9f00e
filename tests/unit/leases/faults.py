"""What goes wrong in a simulated cluster, and what is changed while it runs."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.unit.leases.pace import TTL

if TYPE_CHECKING:
    from tests.unit.leases.nodes import Node
    from tests.unit.leases.simulation import World

FAULTS = (
    "crash",
    "crash",
    "freeze",
    "freeze",
    "cut",
    "outage",
    "read-only",
    "stall",
    "restart",
    "restarts",
    "leave",
    "limit",
    "limit",
    "width",
    "deadline",
    "toggle",
    "recreate",
    "pause",
    "unfit",
    "clocks",
    "failover",
    "put-back",
)


class Faults:
    """`draw` begins one of a random kind; they overlap. `end` ends what lasts."""

    def __init__(self, world: World, kinds: list[str]) -> None:
        self._world = world
        self._kinds = kinds
        self._dice: random.Random = world.dice
        self._servers = 1

    def draw(self) -> None:
        kind = self._dice.choice(self._kinds)
        getattr(self, kind.replace("-", "_"))(self._dice.choice(self._world.nodes))

    def end(self) -> None:
        source = self._world.rows.sources[self._world.source]
        source.removed = False
        broken = [node for node in self._world.nodes if node.broken]
        if len(broken) == len(self._world.nodes):
            broken[0].broken = False

    def crash(self, node: Node) -> None:
        node.crash()
        self._soon(self._dice.choice((0.0, 0.1, self._dice.uniform(0, 2 * TTL))), node.start)

    def restart(self, node: Node) -> None:
        node.stop()
        self._soon(self._dice.uniform(0, 3 * TTL), node.start)

    def restarts(self, _: Node) -> None:
        """Everybody, again and again, faster than long waits."""
        for turn in range(5):
            for node in self._world.nodes:
                self._soon(1.3 * turn, node.crash)
                self._soon(1.3 * turn + 0.05, node.start)

    def leave(self, node: Node) -> None:
        node.stop()
        self._soon(self._dice.uniform(TTL, 4 * TTL), node.start)

    def freeze(self, node: Node) -> None:
        if node.process is not None and node.running:
            node.process.freeze()
            self._soon(self._dice.choice((0.05, 0.3, self._dice.uniform(0.1, 2.5 * TTL))), node.process.thaw)

    def cut(self, node: Node) -> None:
        self._lines([node], "cut")

    def outage(self, _: Node) -> None:
        self._lines(self._world.nodes, "cut")

    def read_only(self, _: Node) -> None:
        self._lines(self._world.nodes, "read_only")

    def stall(self, _: Node) -> None:
        self._world.stalled_until = self._world.now + self._dice.uniform(0.1, 2 * TTL)

    def limit(self, _: Node) -> None:
        self._world.put_limit(self._dice.choice((1, 2, 3, 5)))

    def width(self, _: Node) -> None:
        self._world.rows.sources[self._world.source].width = self._dice.choice((1, 2, 5))

    def deadline(self, _: Node) -> None:
        self._world.put_deadline(self._dice.choice((2.0, 6.0, 9.0, 20.0)))

    def toggle(self, node: Node) -> None:
        node.toggle(self._dice.choice((0.0, 0.3, 2.0)))

    def recreate(self, _: Node) -> None:
        """The source is removed, and put again under its name: nodes learn of it one after the other."""
        source = self._world.rows.sources[self._world.source]
        source.removed = True
        gone = self._dice.uniform(0.1, 3.0)
        for node in self._world.nodes:
            self._soon(self._dice.uniform(0, 1), node.toggle, gone + self._dice.uniform(0, 1))
        self._soon(gone, self._put_again)

    def pause(self, node: Node) -> None:
        node.pause(self._dice.choice((0.0, 0.5, 4.0)))

    def unfit(self, node: Node) -> None:
        node.broken = not node.broken

    def clocks(self, node: Node) -> None:
        """Somebody sets the time."""
        node.clock.step += self._dice.choice((-3600.0, -TTL, TTL, 3600.0))

    def failover(self, _: Node) -> None:
        self._servers += 1
        self._world.go_back(f"memory/{self._servers}")

    def put_back(self, _: Node) -> None:
        """An older copy, under the same identity."""
        self._world.go_back(None)

    def _put_again(self) -> None:
        self._world.rows.sources[self._world.source].removed = False

    def _lines(self, nodes: list[Node], what: str) -> None:
        lines = [node.network for node in nodes if node.running]
        for line in lines:
            setattr(line, what, True)
            self._soon(self._dice.uniform(0.1, 2.5 * TTL), setattr, line, what, False)

    def _soon(self, seconds: float, callback: object, *values: object) -> None:
        self._world.after(seconds, self._unless_calm, callback, *values)

    def _unless_calm(self, callback: object, *values: object) -> None:
        if not self._world.calm and callable(callback):
            callback(*values)
