"""Ways to break the protocol, each of which the simulation must notice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from maelstrom.leases import sqlite_steps, term
from maelstrom.leases.statements import OwnLease
from maelstrom.leases.term import NEVER, Term, Verdict
from maelstrom.leases.watch import SeenLease, WaitOut
from maelstrom.leases.writer import Writer
from tests.unit.leases import simulation

Mutation = Callable[[pytest.MonkeyPatch], None]


def horizon_ignored(patch: pytest.MonkeyPatch) -> None:
    """Requests are dispatched that outlast what the row promises."""
    honest = Term.verdict

    def verdict(self: Term, now: float, seconds: float) -> Verdict:
        return honest(self, now, NEVER)  # no time at all

    patch.setattr(Term, "verdict", verdict)


def horizon_of_the_new_request_only(patch: pytest.MonkeyPatch) -> None:
    """What is written does not cover what is in flight already."""
    patch.setattr(Term, "need", lambda self, now: 0.0)


def no_margin(patch: pytest.MonkeyPatch) -> None:
    """Clocks differ by more than the protocol allows for."""
    patch.setattr(simulation, "RATE", 0.45)


def dead_rows_deleted_at_once(patch: pytest.MonkeyPatch) -> None:
    def saw(self: WaitOut, received: float, era: str, leases: Sequence[SeenLease]) -> Any:
        return list(leases), []

    patch.setattr(WaitOut, "saw", saw)


def sum_not_checked(patch: pytest.MonkeyPatch) -> None:
    """A lower limit is not waited for."""
    honest = Term.answered

    def answered(self: Term, sent: float, row: str, capacity: int, limit: int, fits: bool) -> None:
        honest(self, sent, row, capacity, limit, True)

    patch.setattr(Term, "answered", answered)


def old_confirmation_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(term, "CONFIRM_SECONDS", 60.0)


def no_era(patch: pytest.MonkeyPatch) -> None:
    """Lost commits are not noticed: the new server is taken for the old one."""

    def raise_era(db: Any, seen: str, ttl_ms: int) -> None:
        db.execute("update era set server = :server", {"server": sqlite_steps.SERVER})

    patch.setattr(sqlite_steps, "raise_era", raise_era)


def era_of_the_shortest_wait(patch: pytest.MonkeyPatch) -> None:
    """A new era does not wait for what may have been open."""
    patch.setattr(sqlite_steps, "blocking_ms", lambda high_ms, ttl_ms: dict.fromkeys([*high_ms, 0], 0))


def in_flight_released(patch: pytest.MonkeyPatch) -> None:
    """A row is given up while requests are open under it."""
    patch.setattr(Term, "target", property(lambda self: min(self.capacity, self.share)))


def no_reread(patch: pytest.MonkeyPatch) -> None:
    """After an unknown outcome what was known before is believed."""

    def are(self: Writer, rows: Sequence[OwnLease]) -> None:
        return None

    patch.setattr(Writer, "are", are)


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


# The faults that matter, and the seed to begin with, so that few runs are needed.
MUTATIONS: dict[Mutation, tuple[tuple[str, ...], int]] = {
    horizon_ignored: (("crash",), 2),
    horizon_of_the_new_request_only: (("crash",), 0),
    no_margin: (("crash",), 9),
    dead_rows_deleted_at_once: (("crash",), 0),
    sum_not_checked: (("limit",), 0),
    old_confirmation_believed: (("limit",), 4),
    no_era: (("failover",), 21),
    era_of_the_shortest_wait: (("failover",), 18),
    in_flight_released: (("limit", "toggle"), 0),
    no_reread: (("crash", "cut", "toggle"), 5),
    strays_kept: (("cut", "toggle"), 0),
}
