"""Plays a plan of faults on a running cluster: each round's faults, their mending, and the look at what must hold."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.cluster.cluster import Node
from tests.cluster.plan import Fault, Kind, Round
from tests.cluster.run import Run, after_crash, after_loss

# The database first, then the ways to it, then who needs it to start, or to be told something.
MENDED: tuple[Kind, ...] = ("crash", "promote", "cut", "reset", "clog", "delay", "skew", "freeze", "kill", "limit")


class Story:
    """`play` raises AssertionError at the first thing that should not be."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._sources = sorted(run.limits)

    def play(self, part: Round) -> float:
        """Seconds until all capacity was at work again."""
        menders = [(MENDED.index(fault.kind), self._begin(fault)) for fault in part.faults]
        time.sleep(part.seconds)
        for _, mend in sorted(menders, key=lambda pair: pair[0]):
            mend()
        lost = any(fault.kind == "promote" for fault in part.faults)
        took = self._run.goes_on(after_loss() if lost else after_crash())
        self._run.check()
        return took

    def _begin(self, fault: Fault) -> Callable[[], None]:
        """Does the harm; returns what makes it good."""
        match fault.kind:
            case "limit":
                return lambda: self._run.change(self._sources[fault.source], int(fault.value))
            case "crash":
                self._run.cluster.crash()
                return self._run.cluster.server.start
            case "promote":
                self._run.cluster.replicate()
                self._run.cluster.fall_behind()
                return self._run.cluster.promote
            case _:
                return _harm(self._run.cluster.nodes[fault.node], fault)


def _harm(node: Node, fault: Fault) -> Callable[[], None]:
    match fault.kind:
        case "kill":
            node.kill()
            return node.start
        case "freeze":
            node.freeze()
            return node.thaw
        case "cut":
            node.cut()
        case "clog":
            node.clog()
        case "reset":
            node.reset()
        case "delay":
            node.delay(fault.value)
        case "skew":
            node.skew(fault.value)
    return node.mend
