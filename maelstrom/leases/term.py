"""What a holder may do with a lease row, as far as it knows: pure bookkeeping, time is handed in.

A `Term` is one source's lease: how much capacity, until when requests may be open under it, what of it is used.
Whatever makes it smaller counts from the moment that the statement is *sent*; whatever makes it larger from the answer.
It must not know of asyncio, clocks or the database. All times are readings of the holder's own duration clock, in
seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

NEVER = -math.inf
CONFIRM_SECONDS = 1.0  # how old the database's word may be at an admission
UNKNOWN = -1
AGAIN_SECONDS = 0.2  # pause before asking again whether the capacities still add up to more than the limit
SLACK_SECONDS = 1.0  # from an admission to the moment at which the request's own time begins to count
EXTRA_SECONDS = 1.0  # a horizon is extended by more than is needed, so that a busy lease writes about once a second


def margin(seconds: float) -> float:
    """What two duration clocks may differ by over so many seconds, readings included."""
    return 0.01 * seconds + 0.05


def busy_milliseconds(seconds: float) -> int:
    """The `busy_ms` that makes every observer wait at least `seconds` of the holder's clock."""
    return 0 if seconds <= 0 else math.ceil((seconds + margin(seconds)) * 1000)


def longest_busy_milliseconds(high_ms: int) -> int:
    """The largest `busy_ms` that a holder writes for requests of at most `high_ms`."""
    return busy_milliseconds(high_ms / 1000 + SLACK_SECONDS + EXTRA_SECONDS)


class Use(Enum):
    """What a slot of a lease is used for."""

    POLL = "poll"  # a poll is open that may bring work
    WAIT = "wait"  # work is there and waits to be admitted; it needs no capacity yet
    FLIGHT = "flight"  # a request is open towards a component
    NONE = "none"


class Verdict(Enum):
    """Whether a piece of work may be dispatched now."""

    GO = "go"
    ASK = "ask"  # the database must confirm or extend first
    FULL = "full"  # as many in flight as the row has capacity, or the rows exceed the limit
    LOST = "lost"  # there is no row with capacity


@dataclass(frozen=True, slots=True)
class Ask:
    """One line of the statement that confirms, extends and shrinks leases; None leaves a value alone."""

    lease: str
    busy_ms: int | None
    capacity: int | None
    in_flight: int


@dataclass(frozen=True, slots=True)
class Note:
    """What a holder reports of a lease: in flight now, and the most since its last report."""

    lease: str
    source: int
    in_flight: int
    peak: int


class Term:
    """One source's lease as its holder knows it."""

    def __init__(self, source: int, limit: int) -> None:
        self.source = source
        self.limit = limit  # M as last heard
        self.ahead = 0  # capacity of rows that go before this one if all together exceed the limit
        self.dealt: int | None = None  # the capacity to have at most, lest others have less than their share; None: all
        self.works = True  # the source is enabled and not removed
        self.allowed: float | None = None  # seconds: the longest deadline that may be used; None: not read yet
        self.paused_until = NEVER  # no polls before
        self.told = NEVER  # when its holder last said how the source is: what was read before is older than that
        self.closing = False  # its holder wants no more
        self.seeks = True  # more capacity may be free: worth asking for
        self.row: str | None = None  # id of the lease row
        self.epoch = 0
        self.capacity = 0
        self.horizon = NEVER  # no request may be open later; unknown counts as never
        self.confirmed = NEVER  # when the statement was sent whose answer was the last confirmation
        self.fits = False  # by that answer all capacities add up to no more than the limit
        self.last_row: str | None = None  # the row before it was lost
        self._peak = 0  # most in flight since the last report
        self._reported = 0  # in flight as the row says
        self._highest = 0  # most in flight that was ever reported
        self._uses = {Use.POLL: 0, Use.WAIT: 0, Use.FLIGHT: 0}
        self._deadlines: dict[object, float] = {}
        self._wanted = NEVER
        self._asked = NEVER
        self._pending = False  # the last ask may still be answered

    # slots

    @property
    def polling(self) -> int:
        return self._uses[Use.POLL]

    @property
    def in_flight(self) -> int:
        return self._uses[Use.FLIGHT]

    @property
    def busy(self) -> int:
        return sum(self._uses.values())

    @property
    def shut(self) -> bool:
        """No new polls: capacity is given up as it drains."""
        return self.closing or not self.works

    @property
    def share(self) -> int:
        """What this holder may keep of the limit; what it has above is given up as it drains."""
        return max(0, min(self.limit - self.ahead, self._fair))

    @property
    def _fair(self) -> int:
        return self.limit if self.dealt is None else self.dealt

    @property
    def free(self) -> int:
        """Slots that a poll may occupy now: none above the own share, else a busy lease never drains."""
        return 0 if self.shut else max(0, min(self.capacity, self.share) - self.busy)

    def move(self, slot: object, before: Use, after: Use, deadline: float = NEVER) -> None:
        """The slot goes from one use to another; `deadline` is that of a request in flight."""
        for use, step in ((before, -1), (after, 1)):
            if use is not Use.NONE:
                self._uses[use] += step
        if after is Use.FLIGHT:
            self._deadlines[slot] = deadline + SLACK_SECONDS
            self._peak = max(self._peak, self.in_flight)
        else:
            self._deadlines.pop(slot, None)

    # admission

    def verdict(self, now: float, seconds: float) -> Verdict:
        """Whether a request that may last `seconds` can be dispatched at `now`, apart from the session's trust."""
        if self.row is None or self.capacity <= 0:
            return Verdict.LOST
        if self.in_flight >= self.capacity:
            return Verdict.FULL
        age = now - self.confirmed
        if age > CONFIRM_SECONDS:
            return Verdict.ASK
        if not self.fits:
            return Verdict.ASK if age > AGAIN_SECONDS else Verdict.FULL
        return Verdict.GO if now + seconds + SLACK_SECONDS <= self.horizon else Verdict.ASK

    def want(self, now: float, seconds: float) -> None:
        """The next statement shall confirm this lease, and extend it for a request of `seconds`."""
        until = now + seconds + SLACK_SECONDS
        if not self._pending or until > self._asked:  # else what is on its way will do
            self._wanted = max(self._wanted, until)

    @property
    def wants(self) -> bool:
        return self.row is not None and self._wanted > NEVER

    # what goes into statements

    @property
    def target(self) -> int:
        """The capacity to shrink to; the present one if there is nothing to give up.

        Open polls keep theirs, for what they bring. Work that waits does not where the limit is exceeded, else holders
        who all have work waiting would wait for each other; it does where only others are to have their share.
        """
        within_limit = max(self.polling + self.in_flight, self.limit - self.ahead)
        target = min(self.capacity, within_limit, max(self.busy, self._fair))
        return min(target, self.busy) if self.shut else target

    @property
    def excess(self) -> bool:
        return self.row is not None and self.target < self.capacity

    @property
    def spent(self) -> bool:
        """Nothing is left that the row is needed for: it can be released."""
        return self.row is not None and self.target == 0

    @property
    def missing(self) -> int:
        """Capacity to ask for: all that may be free, up to the share."""
        return max(0, min(self.limit, self._fair) - self.capacity) if self.seeks and not self.shut else 0

    def idle(self, now: float) -> bool:
        """The row promises more than is needed: a smaller horizon would spare others a wait after a crash.

        Work that waits is about to need what was just promised.
        """
        used = self.in_flight or self._uses[Use.WAIT] or self.wants
        return self.row is not None and not used and self.horizon > now

    def need(self, now: float) -> float:
        """Seconds from `now` until the last request in flight must have ended."""
        return max(0.0, max(self._deadlines.values(), default=now) - now)

    def ask(self, sent: float) -> Ask:
        """To be called right before the statement is sent: whatever it makes smaller is obeyed from here on."""
        assert self.row is not None, "only a lease with a row is asked for"
        seconds = self.need(sent)
        if self._wanted > sent:
            seconds = max(seconds, self._wanted - sent) + EXTRA_SECONDS
        self._asked, self._pending = sent + seconds, True
        self._wanted = NEVER
        self.horizon = min(self.horizon, self._asked)
        cut = self.target if self.excess else None
        if cut is not None:
            self.capacity = cut
        return Ask(self.row, busy_milliseconds(seconds), cut, self._counted(self.in_flight))

    @property
    def peak(self) -> int:
        """Most in flight since the last report."""
        return self._counted(max(self._peak, self.in_flight))

    @property
    def untold(self) -> bool:
        """More were in flight than was ever reported of this lease: to be told while the row has room for them."""
        return self.row is not None and self.peak > self._highest

    def note(self) -> Note | None:
        """What to report, if anything has changed. If the report is not answered, `unnoted` takes it back."""
        now = self._counted(self.in_flight)
        if self.row is None or now == self._reported == self._peak:
            return None
        note = Note(self.row, self.source, now, self.peak)
        self._peak = self._reported = now
        self._highest = max(self._highest, note.peak)
        return note

    def unnoted(self, note: Note) -> None:
        self._peak, self._reported = max(self._peak, note.peak), UNKNOWN

    def _counted(self, requests: int) -> int:
        """What other rows do not count as well: requests of a row that was lost are counted there while it stays."""
        return min(requests, max(0, self.capacity))

    def answered(self, sent: float, row: str, capacity: int, limit: int, fits: bool) -> None:
        """The statement of the last `ask` took effect."""
        self._pending = False
        if row != self.row:
            return
        self.capacity = min(self.capacity, capacity)
        self.limit = limit
        self.fits = fits
        self.confirmed = sent
        self.horizon = self._asked

    def unanswered(self) -> None:
        """A statement may or may not have taken effect: nothing is admitted until the row was read again."""
        self.horizon = self.confirmed = NEVER
        self._pending = False

    def granted(self, row: str, capacity: int, epoch: int) -> None:
        """A row of this source is ours with this much capacity: new, grown, or read again."""
        if row != self.row:
            self.unanswered()
        self.row, self.capacity, self.epoch = row, capacity, epoch

    def reread(self, row: str, capacity: int, epoch: int) -> None:
        """The row as it is after a statement whose outcome was unknown."""
        self.granted(row, capacity, epoch)
        self.unanswered()

    def give(self) -> str:
        """A unit of capacity is about to go to a task that is answered later: from which row."""
        assert self.row is not None, "only a row gives"
        self.capacity -= 1
        return self.row

    def gave(self, row: str, capacity: int | None) -> None:
        """What the row has after that statement took effect; None: it has not given."""
        if row == self.row:
            self.capacity = self.capacity + 1 if capacity is None else capacity
            self._reported = UNKNOWN

    def forfeited(self) -> None:
        """There is no row any more; requests in flight run on, covered by what the last row promised."""
        if self.row is not None:
            self.last_row = self.row
        self.row, self.capacity, self.seeks = None, 0, True
        self._peak, self._reported = 0, UNKNOWN  # by the next row's time others may have what this one had
        self.unanswered()
