"""What must hold in a simulated cluster, looked at from outside with the eyes of one who sees everything at once.

The limit is checked whenever a request begins, against the limits that may have been known; the rest are rules that
each statement must keep, so that a mistake is found where it is made and not only where it does harm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from maelstrom.leases.rows import NEW_SOURCES, OwnLease, Want
from tests.fakes.lease_rows import Image, LeaseRows, Source


class Violation(AssertionError):
    """Something that must hold did not."""


@dataclass(eq=False, slots=True)
class Request:
    """Open towards a component from its begin to its end, whatever becomes of its node."""

    node: Any
    task: str = ""  # answered later: what the database knows it by
    cut: Any = None  # its end, if nothing ends it before


@dataclass
class Oracle:
    rows: LeaseRows
    source: int
    lag: float  # a limit may be in use so long after it was changed: what a confirmation may be old, and the way
    limits: list[tuple[float, int]] = field(default_factory=list)  # since when
    open: set[Request] = field(default_factory=set)
    forgiven: set[str] = field(default_factory=set)  # tasks whose rows were lost with commits
    went_back: bool = False  # the database, and nobody has noticed yet
    served: int = 0
    most: int = 0
    failure: str = ""
    _promised: dict[str, float] = field(default_factory=dict)  # rows, and until when they cover requests

    def limit(self, now: float, m: int) -> None:
        self.limits.append((now, m))

    def begin(self, now: float, request: Request) -> None:
        """A request's bytes are sent."""
        self.open.add(request)
        self.served += 1
        counted = sum(1 for item in self.open if item.task not in self.forgiven)
        self.most = max(self.most, counted)
        ends = [since for since, _ in self.limits[1:]] + [float("inf")]
        allowed = max(m for (_, m), end in zip(self.limits, ends, strict=True) if end >= now - self.lag)
        if counted > allowed:
            self.fail(f"I1: {counted} open at {now:.3f}, the limit is {allowed}")

    def end(self, request: Request) -> None:
        self.open.discard(request)
        if request.cut is not None:
            request.cut.cancel()

    def covered(self, now: float, row: str | None, seconds: float) -> None:
        """A request begins under a row: others wait for as long as the row says, from its last write on."""
        if row is not None and now + seconds > self._promised.get(row, math.inf):
            self.fail("a request may outlast what its row promises")

    def executed(self, now: float, name: str, values: tuple[Any, ...], result: Any, trusting: set[str]) -> None:
        """A statement took effect. `trusting`: sessions whose processes rely on them at this instant."""
        if name == "ask":
            for item in values[1]:
                if item.busy_ms is not None and item.lease in self.rows.leases:
                    self._promised[item.lease] = now + item.busy_ms / 1000
        elif name == "grant":
            self._granted(result)
        elif name == "bury" and values[0] in trusting and not self.went_back:
            self.fail("a session was buried while its node could rely on it")

    def obtainable(self, wants: Sequence[Want]) -> int:
        """What is free of the sources that capacity is asked for."""
        return sum(self._free(self.rows.sources.get(want.source)) for want in wants if want.capacity > 0)

    def _free(self, source: Source | None) -> int:
        if source is None or source.removed:
            return 0
        new = self.rows.total(NEW_SOURCES) if source.epoch == 0 else 0
        return max(0, (source.m or 0) - self.rows.total(source.id) - new)

    def new_era(self) -> None:
        if not self.went_back:
            self.fail("a new era began although nothing was lost")
        self.went_back = False

    def restored(self, now: float, before: Image) -> None:
        """The database went back in time."""
        self.went_back = True
        self._promised.clear()
        there = {row.task for row in self.rows.leases.values()}
        self.forgiven.update(row.task for row in before[3].values() if row.task is not None and row.task not in there)
        self.limit(now, self.rows.sources[self.source].m or 0)

    def fail(self, reason: str) -> None:
        self.failure = self.failure or reason

    def _granted(self, rows: list[OwnLease]) -> None:
        for row in rows:
            source = self.rows.sources.get(row.source)
            if source is not None and self.rows.total(row.source) > (source.m or 0):
                self.fail(f"a grant made {self.rows.total(row.source)} of {source.m}")
