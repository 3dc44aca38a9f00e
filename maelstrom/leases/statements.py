"""What the protocol asks of the database: one method is one transaction, the same on SQLite and PostgreSQL.

Statements of a session are guarded: they take effect only while the session lives, is of the present era, and its beat
is the one that the sender last knew; each that takes effect raises the beat by one. So a late or repeated one is void,
which the answer None says. All errors are those of the registry (`mapped_errors`); after any of them the statement may
have taken effect, or may still do. It must not know of holders, clocks or waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from maelstrom.leases.term import Ask, Note, longest_busy_milliseconds
from maelstrom.leases.watch import SeenLease, SeenSession
from maelstrom.model.errors import SchemaMismatch

NEW_SOURCES = 0  # no source's id: a row that blocks those which were never granted in the present era
ALL_CAPACITY = 1 << 40  # above any limit


def blocking_ms(high_ms: dict[int, int], ttl_ms: int) -> dict[int, int]:
    """How long each source is blocked when an era begins, by its longest deadline; sources put later by the longest."""
    blocks = {source: ttl_ms + longest_busy_milliseconds(high) for source, high in high_ms.items()}
    blocks[NEW_SOURCES] = max(blocks.values(), default=ttl_ms)
    return blocks


def no_era() -> SchemaMismatch:
    return SchemaMismatch(
        "the database's era is missing, though its tables are there", hint="put back a whole copy of it"
    )


@dataclass(frozen=True, slots=True)
class Me:
    """Who sends a statement, and what he last knew. Ids are 32 hexadecimal digits."""

    session: str
    beat: int
    era: str


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to be opened under a random id."""

    id: str
    node: str
    state_dir: str
    boot: str
    version: str
    ttl_ms: int


@dataclass(frozen=True, slots=True)
class Ground:
    """What the server says of itself."""

    era: str
    current: bool  # it is the server, and the timeline, that the era began on
    durable: bool  # a commit that it confirms outlives its crash
    writable: bool


@dataclass(frozen=True, slots=True)
class Want:
    """Capacity to be granted: to a new row of that id, or to the own row that has it."""

    source: int
    capacity: int
    lease: str


@dataclass(frozen=True, slots=True)
class OwnLease:
    """A lease row of the own session."""

    id: str
    source: int
    capacity: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Own:
    """The own session as it is now, and all its leases."""

    beat: int
    alive: bool  # and of the present era
    leases: tuple[OwnLease, ...]


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the database says of a lease that was asked for."""

    lease: str
    capacity: int
    limit: int
    fits: bool  # all capacities of the source add up to no more than its limit


@dataclass(frozen=True, slots=True)
class Held:
    """A source that this node is interested in, with the epoch of its own row if it has one."""

    source: int
    epoch: int | None


@dataclass(frozen=True, slots=True)
class SourceNow:
    """A source's row, and the capacities given out."""

    id: int
    limit: int
    works: bool  # enabled and not removed
    total: int
    ahead: int  # of rows with a lower epoch than the own one


@dataclass(frozen=True, slots=True)
class View:
    """What one pass of an observer reads."""

    era: str
    sessions: tuple[SeenSession, ...]
    orphans: tuple[SeenLease, ...]  # leases without a living session
    sources: tuple[SourceNow, ...]


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session for people, and for those who look for another one with their name."""

    id: str
    node: str
    state_dir: str
    version: str
    beat: int
    ttl_ms: int
    alive: bool
    leaving: bool
    age_seconds: float  # by the database's clock


@dataclass(frozen=True, slots=True)
class AuditLease:
    """One lease of a source as `maelctl es audit` shows it. `node` is empty for a row that is nobody's."""

    node: str
    capacity: int
    inflight: int
    epoch: int
    age_seconds: float
    id: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """A source's limit and what is given out of it, over all nodes. Other nodes' `inflight` is at most a beat old."""

    limit: int | None  # None: the source is not polled
    inflight: int
    max_inflight: int  # the highest number ever, kept in the database
    leases: tuple[AuditLease, ...]


class Statements(Protocol):
    """One dialect's statements. `seconds` for each: what the engine was made with, or the time-out given to it."""

    # of a process that has no session yet

    async def ground(self) -> Ground:
        """The present era. Raises SchemaMismatch where there is none: it comes with the tables."""
        ...

    async def raise_era(self, seen: str, ttl_ms: int) -> None:
        """Ends the era `seen`, unless somebody did: the database lacks commits that holders may rely on.

        All sessions are over. What they may have open is waited out: a row that takes all capacity of each source.
        """
        ...

    async def open_session(self, new: NewSession, era: str) -> bool:
        """Opens a session; ends all of the same state directory and of other eras.

        False if the era is over, or another live node has the name.
        """
        ...

    # of a session

    async def own(self, session: str) -> Own | None:
        """The truth after an unknown outcome; None if there is no such session. Not guarded: it changes nothing."""
        ...

    async def beat(self, me: Me, notes: Sequence[Note] = (), *, leaving: bool = False) -> list[int] | None:
        """What is in flight goes to the lease rows, what was highest to the sources'.

        Answers with those whose row was locked by somebody, so that it must be told again.
        """
        ...

    async def grant(self, me: Me, wants: Sequence[Want]) -> list[OwnLease] | None:
        """Rows that were made or have grown: each by what is free of the limit, by all rows there are, up to the want.

        A source whose row is locked by somebody is left out.
        """
        ...

    async def ask(self, me: Me, asks: Sequence[Ask]) -> list[Confirmed] | None:
        """Confirms, extends and shrinks; rows that are not the session's are left out."""
        ...

    async def release(self, me: Me, leases: Sequence[str], *, end: bool = False) -> bool | None:
        """Deletes own rows and wakes other nodes; `end` also ends the session."""
        ...

    async def adopt(self, me: Me, formers: Sequence[str], busy_ms: dict[int, int]) -> bool | None:
        """Moves all rows of the own former sessions to this one; `busy_ms` by source, 0 for those not in it."""
        ...

    # of an observer

    async def view(self, held: Sequence[Held]) -> View: ...

    async def bury(self, session: str, beat: int) -> bool:
        """Ends another session if its beat is still that one."""
        ...

    async def forget(self, sessions: Sequence[str]) -> None:
        """Deletes dead sessions that have no leases."""
        ...

    async def waited_out(self, leases: Sequence[SeenLease]) -> int:
        """Deletes rows of the dead that are still as they were seen, and wakes other nodes; how many."""
        ...

    async def write_back(self, rests: Sequence[tuple[SeenLease, int]]) -> None:
        """Lowers what such rows promise to what is left of it, in ms."""
        ...

    # for people

    async def sessions(self) -> list[SessionRow]: ...

    async def audit(self, source: int) -> Audit | None:
        """None if there is no such source."""
        ...

    async def in_flight(self, without: str) -> dict[int, int]:
        """Requests in flight by source as the rows say, over all sessions but one."""
        ...
