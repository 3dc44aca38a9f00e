"""What the protocol asks of the database: one method is one transaction, the same on SQLite and PostgreSQL.

Statements of a session are guarded: they take effect only while the session lives, is of the present era, and its beat
is the one that the sender last knew; each that takes effect raises the beat by one. So a late or repeated one is void,
which the answer None says. All errors are those of the registry (`mapped_errors`); after any of them the statement may
have taken effect, or may still do. It must not know of holders, clocks or waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from maelstrom.leases.rows import (
    ALL_CAPACITY,
    NEW_SOURCES,
    Audit,
    AuditLease,
    Confirmed,
    Defer,
    Deferred,
    Ground,
    Held,
    Me,
    NewSession,
    Own,
    OwnLease,
    SessionInfo,
    SessionRow,
    SourceNow,
    View,
    Want,
    Word,
    blocking_ms,
    no_era,
)
from maelstrom.leases.term import Ask, Note
from maelstrom.leases.watch import SeenLease

__all__ = [
    "ALL_CAPACITY",
    "NEW_SOURCES",
    "Audit",
    "AuditLease",
    "Confirmed",
    "Defer",
    "Deferred",
    "Ground",
    "Held",
    "Me",
    "NewSession",
    "Own",
    "OwnLease",
    "SessionInfo",
    "SessionRow",
    "SourceNow",
    "Statements",
    "View",
    "Want",
    "Word",
    "blocking_ms",
    "no_era",
]


class Statements(Protocol):
    """One dialect's statements. `seconds` for each: what the engine was made with, or the time-out given to it."""

    # of a process that has no session yet

    async def ground(self) -> Ground:
        """The present era. Raises SchemaMismatch where there is none: it comes with the tables."""
        ...

    async def raise_era(self, seen: str, ttl_ms: int, *, lost: bool = True) -> None:
        """Ends the era `seen`, unless somebody did: the database lacks commits that holders may rely on.

        All sessions are over. What they may have open is waited out: a row that takes all capacity of each source.
        `lost` False: the server is another one, but no commits were lost.
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

    async def beat(
        self, me: Me, notes: Sequence[Note] = (), *, leaving: bool = False, word: Word | None = None
    ) -> list[int] | None:
        """What is in flight goes to the lease rows, what was highest to the sources', `word` to the session's.

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

    async def defer(self, me: Me, defers: Sequence[Defer]) -> list[Deferred] | None:
        """Makes those rows; a task that has one keeps it. A source whose row is locked by somebody is left out."""
        ...

    # of anybody

    async def answered(self, tasks: Sequence[str]) -> list[str]:
        """Deletes the rows of these tasks and wakes other nodes; those that were there."""
        ...

    async def pause(self, source: int, milliseconds: int) -> None:
        """All nodes rest for so long from when they see it. 0 ends a pause."""
        ...

    # of an observer

    async def view(self, held: Sequence[Held], tasks: Sequence[str] = ()) -> View: ...

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

    async def rested(self, rests: Sequence[tuple[int, int, int]]) -> None:
        """(source, pause_seq, ms): lowers what is left of pauses that are still as they were seen."""
        ...

    async def role(self, name: str) -> int | None:
        """The id of a role's row, which is made if there is none. None: somebody is making it, ask again."""
        ...

    async def settle(self, deadlines: Sequence[tuple[int, int]]) -> None:
        """(source, high_ms): such a deadline may be used, if it is still the longest."""
        ...

    # for people

    async def sessions(self) -> list[SessionRow]: ...

    async def audit(self, source: int) -> Audit | None:
        """None if there is no such source."""
        ...

    async def in_flight(self, without: str) -> dict[int, int]:
        """Requests in flight by source as the rows say, over all sessions but one."""
        ...
