"""Ways to break the protocol, each of which the simulation must notice; with the faults that bring it out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from maelstrom.leases import term, watch
from maelstrom.leases.session import OwnSession
from maelstrom.leases.statements import Me, OwnLease, Want
from maelstrom.leases.term import NEVER, Ask, Term
from maelstrom.leases.watch import SeenDeadline, SeenLease, SeenSession, Settling, WaitOut, Watch
from maelstrom.leases.writer import Writer
from tests.fakes import lease_rows
from tests.fakes.lease_rows import LeaseRows
from tests.unit.leases import nodes, pace
from tests.unit.leases.faults import Faults
from tests.unit.leases.nodes import Node, NodeClock

Mutation = Callable[[pytest.MonkeyPatch], None]
Noticed = tuple[tuple[str, ...], int]  # with these faults, from this seed on
MUTATIONS: dict[Mutation, Noticed] = {}


def noticed(*faults: str, seed: int = 0) -> Callable[[Mutation], Mutation]:
    def note(mutation: Mutation) -> Mutation:
        MUTATIONS[mutation] = faults, seed
        return mutation

    return note


# holders


@noticed("crash")
def horizon_ignored(patch: pytest.MonkeyPatch) -> None:
    """Requests are dispatched that outlast what the row promises."""
    honest = Term.verdict
    patch.setattr(Term, "verdict", lambda self, now, seconds: honest(self, now, NEVER))  # no time at all


@noticed("crash", seed=60)
def horizon_of_the_new_request_only(patch: pytest.MonkeyPatch) -> None:
    """What is written does not cover what is in flight already."""
    patch.setattr(Term, "need", lambda self, now: 0.0)


@noticed("restarts")
def horizon_from_the_answer(patch: pytest.MonkeyPatch) -> None:
    """It counts from when the answer came, as late as that may be."""
    honest = Term.answered

    def answered(self: Term, sent: float, row: str, capacity: int, limit: int, fits: bool) -> None:
        honest(self, sent, row, capacity, limit, fits)
        self.horizon += 0.6

    patch.setattr(Term, "answered", answered)


@noticed("freeze", "cut", seed=95)
def trust_from_the_answer(patch: pytest.MonkeyPatch) -> None:
    honest = OwnSession._succeeded
    patch.setattr(OwnSession, "_succeeded", lambda self, sent: honest(self, self._clock.monotonic() + 0.3))


@noticed("limit")
def sum_not_checked(patch: pytest.MonkeyPatch) -> None:
    """A lower limit is not waited for."""
    honest = Term.answered

    def answered(self: Term, sent: float, row: str, capacity: int, limit: int, fits: bool) -> None:
        honest(self, sent, row, capacity, limit, True)

    patch.setattr(Term, "answered", answered)


@noticed("limit", "cut", seed=60)
def old_confirmation_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(term, "CONFIRM_SECONDS", 60.0)


@noticed("limit", "toggle")
def in_flight_released(patch: pytest.MonkeyPatch) -> None:
    """A row is given up while requests are open under it."""
    patch.setattr(Term, "target", property(lambda self: min(self.capacity, self.share)))


@noticed("limit", "leave")
def admitted_above_the_share(patch: pytest.MonkeyPatch) -> None:
    """A busy lease never drains."""

    def free(self: Term) -> int:
        return 0 if self.shut else max(0, self.capacity - self.busy)

    patch.setattr(Term, "free", property(free))


@noticed("limit")
def no_growth(patch: pytest.MonkeyPatch) -> None:
    """Capacity is asked for only by those who have none."""
    honest = Term.missing.fget  # type: ignore[attr-defined]
    patch.setattr(Term, "missing", property(lambda self: 0 if self.row is not None else honest(self)))


@noticed("crash", "cut", "toggle")
def no_reread(patch: pytest.MonkeyPatch) -> None:
    """After an unknown outcome what was known before is believed."""
    patch.setattr(Writer, "are", lambda self, rows: None)


@noticed("cut", "toggle")
def strays_kept(patch: pytest.MonkeyPatch) -> None:
    """Rows that nobody uses are kept by a living session."""

    def are(self: Writer, rows: Sequence[OwnLease]) -> None:
        for found in self._terms():
            row = next((row for row in rows if row.id == found.row), None)
            if row is None:
                found.forfeited()
            else:
                found.reread(row.id, row.capacity, row.epoch)

    patch.setattr(Writer, "are", are)


@noticed("outage")
def no_adoption(patch: pytest.MonkeyPatch) -> None:
    """The first node back after an outage buries all others, and who was buried leaves his rows to be waited out."""
    honest = Watch.saw

    def saw(self: Watch, received: float, era: str, sessions: Sequence[SeenSession], me: Any, wrote: float) -> Any:
        self._read = received
        return honest(self, received, era, sessions, me, received)

    async def adopt(self: OwnSession) -> None:
        self._formers.clear()

    patch.setattr(Watch, "saw", saw)
    patch.setattr(OwnSession, "_adopt", adopt)


@noticed("unfit")
def no_word_of_unfitness(patch: pytest.MonkeyPatch) -> None:
    """A healthy node starves beside an idle holder."""
    patch.setattr(nodes, "broken_is_told", lambda lease: None)


# clocks


@noticed("crash")
def slewed_clocks(patch: pytest.MonkeyPatch) -> None:
    """Clocks differ by more than the protocol allows for."""
    patch.setattr(nodes, "RATE", 0.45)


@noticed("clocks", "crash")
def wall_clock_used(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(NodeClock, "monotonic", NodeClock.now)


# observers


@noticed("crash")
def dead_rows_deleted_at_once(patch: pytest.MonkeyPatch) -> None:
    def saw(self: WaitOut, received: float, era: str, leases: Sequence[SeenLease]) -> Any:
        return list(leases), []

    patch.setattr(WaitOut, "saw", saw)


@noticed("crash")
def waits_from_the_sending(patch: pytest.MonkeyPatch) -> None:
    """They count from before the row was read: it may have been written since."""
    honest = WaitOut.saw

    def saw(self: WaitOut, received: float, era: str, leases: Sequence[SeenLease]) -> Any:
        before = set(self._since)
        honest(self, received, era, leases)
        for key in set(self._since) - before:
            self._since[key] -= 0.55
        return honest(self, received, era, leases)

    patch.setattr(WaitOut, "saw", saw)


@noticed("cut", "freeze")
def buried_at_once(patch: pytest.MonkeyPatch) -> None:
    def saw(self: Watch, received: float, era: str, sessions: Sequence[SeenSession], me: Any, wrote: float) -> Any:
        return [session for session in sessions if session.alive and session.id != me], []

    patch.setattr(Watch, "saw", saw)


@noticed("cut", "outage", "freeze")
def dead_forgotten_at_once(patch: pytest.MonkeyPatch) -> None:
    """Who comes back takes his own burial for lost commits."""
    patch.setattr(pace, "CONSTANTS", (*pace.CONSTANTS, (watch, "KEEP_DEAD_SECONDS", 0.0)))


@noticed("deadline", "failover")
def raised_deadlines_used_at_once(patch: pytest.MonkeyPatch) -> None:
    def saw(self: Settling, received: float, era: str, deadlines: Sequence[SeenDeadline]) -> Any:
        return {item.source: item.high_ms for item in deadlines}, []

    patch.setattr(Settling, "saw", saw)


# the database


@noticed("cut", "crash", seed=80)
def no_guard(patch: pytest.MonkeyPatch) -> None:
    """Late and repeated statements take effect."""

    def guard(self: LeaseRows, me: Me) -> Any:
        session = self.sessions_by_id.get(me.session)
        if session is None or not session.alive or session.era != me.era or self.era != me.era:
            return None
        session.beat += 1
        return session

    patch.setattr(LeaseRows, "_guard", guard)


@noticed("crash")
def nothing_is_extended(patch: pytest.MonkeyPatch) -> None:
    honest = LeaseRows.ask

    def ask(self: LeaseRows, me: Me, asks: Sequence[Ask]) -> Any:
        return honest(self, me, [Ask(item.lease, None, item.capacity, item.in_flight) for item in asks])

    patch.setattr(LeaseRows, "ask", ask)


@noticed("crash")
def nothing_is_counted(patch: pytest.MonkeyPatch) -> None:
    """A grant gives what is wanted."""
    patch.setattr(LeaseRows, "_free", lambda self, source: source.m or 0)


@noticed("toggle")
def grant_without_a_lock(patch: pytest.MonkeyPatch) -> None:
    """The sum is older than the grant before."""
    honest, last = LeaseRows._free, dict[int, int]()

    def free(self: LeaseRows, source: Any) -> int:
        now = honest(self, source)
        return max(now, last.pop(source.id, now)) if last.setdefault(source.id, now) != now else now

    patch.setattr(LeaseRows, "_free", free)


@noticed("crash")
def rows_are_limited(patch: pytest.MonkeyPatch) -> None:
    """One that drains for long keeps free slots from others."""
    honest = LeaseRows.grant

    def grant(self: LeaseRows, me: Me, wants: Sequence[Want]) -> Any:
        allowed = []
        for want in wants:
            source = self.sources[want.source]
            rows = sum(1 for row in self.leases.values() if row.source == want.source)
            if want.lease in self.leases or rows < math.ceil((source.m or 0) / (source.width or 1)):
                allowed.append(want)
        return honest(self, me, allowed)

    patch.setattr(LeaseRows, "grant", grant)


@noticed("recreate")
def leases_go_with_their_source(patch: pytest.MonkeyPatch) -> None:
    honest = Faults.recreate

    def recreate(self: Faults, node: Node) -> None:
        honest(self, node)
        self._world.rows.leases.clear()

    patch.setattr(Faults, "recreate", recreate)


@noticed("failover")
def no_era(patch: pytest.MonkeyPatch) -> None:
    """Lost commits are not noticed: the new server is taken for the old one."""

    def raise_era(self: LeaseRows, seen: str, ttl_ms: int, *, lost: bool = True) -> None:
        self.era_server = self.server

    patch.setattr(LeaseRows, "raise_era", raise_era)


@noticed("failover")
def era_without_a_wait(patch: pytest.MonkeyPatch) -> None:
    """A new era does not wait for what may have been open."""
    patch.setattr(lease_rows, "blocking_ms", lambda high_ms, ttl_ms, lost: dict.fromkeys([*high_ms, 0], 0))


@noticed("failover", "deadline")
def era_waits_for_the_present_deadline(patch: pytest.MonkeyPatch) -> None:
    """Not for the longest that there ever was."""
    honest = lease_rows.blocking_ms

    def blocking(high_ms: dict[int, int], ttl_ms: int, *, lost: bool) -> dict[int, int]:
        return honest(dict.fromkeys(high_ms, 200), 0, lost=lost)

    patch.setattr(lease_rows, "blocking_ms", blocking)


@noticed("failover")
def eras_are_counted(patch: pytest.MonkeyPatch) -> None:
    """After a second failover an era comes again, and with it what was seen in it."""
    honest = LeaseRows.raise_era

    def raise_era(self: LeaseRows, seen: str, ttl_ms: int, *, lost: bool = True) -> None:
        before = self.era
        honest(self, seen, ttl_ms, lost=lost)
        if self.era != before:
            self.era = f"{int(before or '0', 16) + 1:032x}"

    patch.setattr(LeaseRows, "raise_era", raise_era)


@noticed("failover", "crash")
def ids_come_again(patch: pytest.MonkeyPatch) -> None:
    """A row that comes back with an older copy is taken for the one that was seen before."""
    honest, watched = LeaseRows.grant, WaitOut.saw

    def grant(self: LeaseRows, me: Me, wants: Sequence[Want]) -> Any:
        named = [
            want if want.lease in self.leases else Want(want.source, want.capacity, f"lease{len(self.leases)}")
            for want in wants
        ]
        return honest(self, me, named)

    def saw(self: WaitOut, received: float, era: str, leases: Sequence[SeenLease]) -> Any:
        self._era = era
        before = dict(self._since)
        found = watched(self, received, era, leases)
        self._since = before | self._since  # nothing is forgotten
        return found

    patch.setattr(LeaseRows, "grant", grant)
    patch.setattr(WaitOut, "saw", saw)
