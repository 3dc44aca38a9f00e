"""One holder against one row, whatever becomes of its statements: the row always covers what is in flight."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from maelstrom.leases.term import SLACK_SECONDS, Ask, Term, Use, Verdict

LIMIT = 4


@dataclass
class Row:
    """As the database has it."""

    capacity: int
    busy_until: float  # by the holder's clock: when an observer with the same clock would be done


class HolderAndRow(RuleBasedStateMachine):
    """At most one statement's outcome is unknown; it may still take effect until a later one does."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.term = Term(1, LIMIT)
        self.row: Row | None = None
        self.late: Ask | None = None
        self.unsure = False
        self.numbers = itertools.count(1)
        self.slots: dict[int, Use] = {}
        self.deadlines: dict[int, float] = {}

    @rule(seconds=st.floats(0.01, 3))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for slot in [slot for slot, deadline in self.deadlines.items() if deadline <= self.now]:
            self.end(slot)  # a request is aborted at its deadline

    @precondition(lambda self: self.row is None and not self.unsure)
    @rule(capacity=st.integers(1, LIMIT))
    def granted(self, capacity: int) -> None:
        self.row = Row(capacity, self.now)
        number = next(self.numbers)
        self.term.granted(f"row{number}", capacity, number)

    @rule()
    def take(self) -> None:
        if self.term.free:
            slot = next(self.numbers)
            self.term.move(slot, Use.NONE, Use.POLL)
            self.slots[slot] = Use.POLL

    @precondition(lambda self: Use.POLL in self.slots.values())
    @rule()
    def poll_brings_work(self) -> None:
        slot = next(slot for slot, use in self.slots.items() if use is Use.POLL)
        self.term.move(slot, Use.POLL, Use.WAIT)
        self.slots[slot] = Use.WAIT

    @precondition(lambda self: Use.WAIT in self.slots.values())
    @rule(seconds=st.floats(0.1, 20))
    def try_to_admit(self, seconds: float) -> None:
        slot = next(slot for slot, use in self.slots.items() if use is Use.WAIT)
        verdict = self.term.verdict(self.now, seconds)
        if verdict is Verdict.GO:
            self.term.move(slot, Use.WAIT, Use.FLIGHT, self.now + seconds)
            self.slots[slot] = Use.FLIGHT
            self.deadlines[slot] = self.now + SLACK_SECONDS + seconds
        elif verdict is Verdict.ASK:
            self.term.want(self.now, seconds)

    @precondition(lambda self: self.slots)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        self.end(data.draw(st.sampled_from(sorted(self.slots))))

    @rule(
        limit=st.integers(1, LIMIT),
        ahead=st.integers(0, 2),
        works=st.booleans(),
        dealt=st.none() | st.integers(0, LIMIT),
    )
    def others_change(self, limit: int, ahead: int, works: bool, dealt: int | None) -> None:
        self.term.limit, self.term.ahead, self.term.works, self.term.dealt = limit, ahead, works, dealt

    @precondition(lambda self: self.term.row is not None and not self.unsure)
    @rule(outcome=st.sampled_from(["answered", "answered", "answered", "lost answer", "late"]), way=st.floats(0, 0.5))
    def ask(self, outcome: str, way: float) -> None:
        sent = self.now
        ask = self.term.ask(sent)
        self.late = None  # void from here on, if this one takes effect; else it is the later one that may
        self.now += way
        if outcome == "late":
            self.late, self.unsure = ask, True
            return
        assert self.row is not None
        self.take_effect(ask)
        if outcome == "answered":
            self.term.answered(sent, ask.lease, self.row.capacity, self.term.limit, fits=True)
        else:
            self.unsure = True

    @precondition(lambda self: self.late is not None)
    @rule()
    def comes_late(self) -> None:
        assert self.late is not None
        self.take_effect(self.late)
        self.late = None

    @precondition(lambda self: self.unsure)
    @rule()
    def reread(self) -> None:
        self.late, self.unsure = None, False
        if self.row is None:
            self.term.forfeited()
        else:
            assert self.term.row is not None
            self.term.reread(self.term.row, self.row.capacity, self.term.epoch)

    @precondition(lambda self: self.term.spent and not self.unsure)
    @rule()
    def release(self) -> None:
        self.term.forfeited()
        self.row = None

    @invariant()
    def the_row_covers_what_is_in_flight(self) -> None:
        flying = [deadline for slot, deadline in self.deadlines.items() if self.slots[slot] is Use.FLIGHT]
        assert len(flying) == self.term.in_flight
        if flying:
            assert self.row is not None
            assert max(flying) <= self.row.busy_until
            assert len(flying) <= self.row.capacity

    def take_effect(self, ask: Ask) -> None:
        assert self.row is not None
        if ask.capacity is not None:
            self.row.capacity = min(self.row.capacity, ask.capacity)
        if ask.busy_ms is not None:
            self.row.busy_until = self.now + ask.busy_ms / 1000

    def end(self, slot: int) -> None:
        self.term.move(slot, self.slots.pop(slot), Use.NONE)
        self.deadlines.pop(slot, None)


HolderAndRow.TestCase.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestHolderAndRow = HolderAndRow.TestCase
