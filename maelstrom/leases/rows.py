"""What statements take and give: the rows of sessions, leases and sources as holders and observers see them.

Values only; what is done with them is said in `statements`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from maelstrom.leases.term import longest_busy_milliseconds
from maelstrom.leases.watch import SeenLease, SeenSession
from maelstrom.model.errors import SchemaMismatch
from maelstrom.registry.tables import SETTLED_AT_FIRST_MS

NEW_SOURCES = 0  # no source's id: a row that blocks those which were never granted in the present era
ALL_CAPACITY = 1 << 40  # above any limit

SessionState = Literal["alive", "leaving", "dead"]


def blocking_ms(high_ms: dict[int, int], ttl_ms: int, *, lost: bool = True) -> dict[int, int]:
    """How long each source is blocked when an era begins, by its longest deadline; sources put later by the longest.

    `lost` False: no commits were lost, so that the rows of what is open are there; only sessions must be over.
    """
    if not lost:
        return dict.fromkeys([*high_ms, NEW_SOURCES], ttl_ms)
    blocks = {source: ttl_ms + longest_busy_milliseconds(high) for source, high in high_ms.items()}
    at_first = ttl_ms + longest_busy_milliseconds(SETTLED_AT_FIRST_MS)
    blocks[NEW_SOURCES] = max([*blocks.values(), at_first])
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
class Word:
    """What a session says of itself to others, as its row has it: lists of ids of sources, as JSON."""

    unfit: str  # which others are to have
    wanting: str = "[]"  # of which it has had less than its share for a while, with nothing free


@dataclass(frozen=True, slots=True)
class Ground:
    """What the server says of itself."""

    era: str
    current: bool  # it is the server, and the timeline, that the era began on
    durable: bool  # a commit that it confirms outlives its crash
    writable: bool
    server: str = ""  # its identity and timeline
    flushed: int = 0  # how far its log is written: never less but after it went back in time


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
class Defer:
    """One unit of capacity of an own lease that goes to a row of its own: nobody's, until its task is answered."""

    task: str  # SHA-256 of its token
    source: int
    lease: str  # the own row that gives it; one that is not there gives nothing
    row: str  # id of the row to be made
    busy_ms: int
    number: int  # of what this process gives; a lease gives each once, however often and late it is told


@dataclass(frozen=True, slots=True)
class Deferred:
    """The task's row is there, or was. `capacity`: what the own lease now has; None: it is not the session's."""

    task: str
    capacity: int | None


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
    ahead: int  # of rows with a lower epoch than the own one, and of tasks, which cannot give way
    high_ms: int = 0
    settled_ms: int = 0
    pause_ms: int = 0
    pause_seq: int = 0
    width: int = 1  # of one poller; 0: no pollers are dealt, as of a role


@dataclass(frozen=True, slots=True)
class View:
    """What one pass of an observer reads."""

    era: str
    sessions: tuple[SeenSession, ...]
    orphans: tuple[SeenLease, ...]  # leases without a living session
    sources: tuple[SourceNow, ...]
    flushed: int = 0  # as in Ground
    tasks: frozenset[str] = frozenset()  # of those that were asked for: they have a row


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

    @property
    def state(self) -> SessionState:
        if not self.alive:
            return "dead"
        return "leaving" if self.leaving else "alive"


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One node of the cluster, by its newest session."""

    node: str
    state: SessionState
    version: str
    age_seconds: float  # since it began, by the database's clock


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
