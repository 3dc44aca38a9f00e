"""What an observer concludes from rows that do not change: pure, time is handed in.

`Watch` finds sessions to bury: their beat has stood still for their own ttl. `WaitOut` finds leases of dead sessions
whose promise is over: the row has stood still for as long as it promises. Both count from *after* the answer that
showed the row, by the observer's own duration clock, and forget all when the era changes: a database that went back may
show the same row again. It must not know of asyncio, clocks or the database.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

KEEP_DEAD_SECONDS = (
    7200.0  # rows of the dead stay: a process suspended for long must not take its absence for lost commits
)
WRITE_BACK_SECONDS = 20.0  # a wait of others survives my restart if it is written down so often


@dataclass(frozen=True, slots=True)
class SeenSession:
    """A session as one read showed it."""

    id: str
    beat: int
    ttl_ms: int
    alive: bool
    leases: int = 0  # rows that it still has
    node: str = ""
    leaving: bool = False
    unfit: str = "[]"  # this and the next as in `rows.Word`
    wanting: str = "[]"


@dataclass(frozen=True, slots=True)
class SeenLease:
    """A lease without a living session as one read showed it."""

    id: str
    busy_ms: int
    busy_seq: int


class Watch:
    """The other sessions, seen by one process."""

    def __init__(self, own_ttl_seconds: float) -> None:
        self._ttl = own_ttl_seconds
        self._since: dict[tuple[str, int, bool], float] = {}
        self._read = float("-inf")
        self._era = ""

    def saw(
        self, received: float, era: str, sessions: Sequence[SeenSession], me: str | None, wrote: float
    ) -> tuple[list[SeenSession], list[str]]:
        """Sessions to bury, and dead ones to forget.

        `received`: after the answer came. `wrote`: when the own session's last statement that took effect was sent.
        Who could not read for a ttl begins anew, and who could not write for half of one: where own beats do not get
        through, that others' do not says nothing about them.
        """
        if received - self._read > self._ttl or received - wrote > self._ttl / 2 or era != self._era:
            self._since.clear()
        self._read, self._era = received, era
        others = {(s.id, s.beat, s.alive): s for s in sessions if s.id != me}
        self._since = {key: self._since.get(key, received) for key in others}
        bury, forget = [], []
        for key, session in others.items():
            unchanged = received - self._since[key]
            if session.alive and unchanged >= session.ttl_ms / 1000:
                bury.append(session)
            elif not session.alive and not session.leases and unchanged >= KEEP_DEAD_SECONDS:
                forget.append(session.id)
        return bury, forget


@dataclass(frozen=True, slots=True)
class SeenDeadline:
    """A source's longest deadline as one read showed it, and the one that may be used."""

    source: int
    high_ms: int
    settled_ms: int


@dataclass(frozen=True, slots=True)
class SeenPause:
    """A source's pause as one read showed it."""

    source: int
    pause_ms: int
    pause_seq: int


class WaitOut:
    """The leases of the dead, seen by one process."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, int], float] = {}
        self._era = ""
        self.soonest = float("inf")  # seconds from the last look until the first wait that was not over is

    def saw(
        self, received: float, era: str, leases: Sequence[SeenLease]
    ) -> tuple[list[SeenLease], list[tuple[SeenLease, int]]]:
        """Leases that are over, and those of which a part was waited for, each with the rest in ms."""
        if era != self._era:
            self._since.clear()
        self._era = era
        self._since = {(x.id, x.busy_seq): self._since.get((x.id, x.busy_seq), received) for x in leases}
        self.soonest = float("inf")
        over, rest = [], []
        for lease in leases:
            waited = received - self._since[lease.id, lease.busy_seq]
            left = lease.busy_ms / 1000 - waited
            if left <= 0:
                over.append(lease)
                continue
            self.soonest = min(self.soonest, left)
            if waited >= WRITE_BACK_SECONDS:
                rest.append((lease, math.ceil(left * 1000)))
        return over, rest


class Pauses:
    """The pauses of sources, seen by one process: each counts from when it was first seen."""

    def __init__(self) -> None:
        self._since: dict[tuple[int, int], float] = {}
        self.soonest = math.inf  # seconds from the last look until the first of them ends

    def saw(self, received: float, pauses: Sequence[SeenPause]) -> tuple[dict[int, float], list[tuple[int, int, int]]]:
        """Until when each source rests, and what to write down of those of which a part is over: source, seq, rest."""
        pauses = [pause for pause in pauses if pause.pause_ms > 0]
        self._since = {(x.source, x.pause_seq): self._since.get((x.source, x.pause_seq), received) for x in pauses}
        self.soonest = math.inf
        until, rests = {}, []
        for pause in pauses:
            since = self._since[pause.source, pause.pause_seq]
            left = pause.pause_ms / 1000 - (received - since)
            if left > 0:
                until[pause.source] = received + left
                self.soonest = min(self.soonest, left)
            if left <= 0 or received - since >= WRITE_BACK_SECONDS:
                rests.append((pause.source, pause.pause_seq, max(0, math.ceil(left * 1000))))
        return until, rests


class Settling:
    """Deadlines that were raised, seen by one process: none is used while the commit that allows it may be lost.

    `seconds`: how old a commit must be so that it cannot be lost any more; 0: none can.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[tuple[int, int], float] = {}
        self._era = ""

    def saw(
        self, received: float, era: str, deadlines: Sequence[SeenDeadline]
    ) -> tuple[dict[int, int], list[tuple[int, int]]]:
        """What may be used now, in ms by source; and (source, high_ms) that are settled by now, to be written down."""
        if not self._seconds:
            return {item.source: item.high_ms for item in deadlines}, []
        if era != self._era:
            self._since.clear()
        self._era = era
        raised = [item for item in deadlines if item.settled_ms < item.high_ms]
        self._since = {(x.source, x.high_ms): self._since.get((x.source, x.high_ms), received) for x in raised}
        due = [(source, high) for (source, high), since in self._since.items() if received - since >= self._seconds]
        return {item.source: min(item.high_ms, item.settled_ms) for item in deadlines}, due
