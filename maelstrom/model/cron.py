"""Runs of cron sources: what the ledger tells of them. Values only.

Planned times are whole seconds since 1970 (UTC). A planned time of a source has one run at most, whoever makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from maelstrom.model.source import SourceKey

RunKind = Literal["planned", "manual"]
RunState = Literal["running", "succeeded", "failed", "skipped", "cancelled", "lost"]
Overlap = Literal["allow", "forbid", "replace"]
Catchup = Literal["none", "last", "all"]


@dataclass(frozen=True, slots=True)
class CronRun:
    """One row of `maelctl cron runs`. Times are seconds since 1970."""

    id: str
    source: SourceKey
    kind: RunKind
    scheduled_at: int
    state: RunState
    node: str
    attempts: int  # tries begun; 0 of one that was skipped
    started_at: float
    ended_at: float | None = None
    status: int | None = None  # of the last answer
    reason: str = ""  # why it did not succeed: the beginning of the answer, or our own words


@dataclass(frozen=True, slots=True)
class Followed:
    """A source that the one who plans acts by. `schedule`: its text with its zone; another one begins anew."""

    source: int
    version: int
    schedule: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """`at`: where `@every` counts from. `since`: nothing planned at or before it is made up for."""

    at: int
    since: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A planned time that has come. `id`: of the run that it becomes, made before it is sent, so that an answer that
    was lost can be told from somebody else's run. `promise_ms`: it is open no longer than that after the insert.
    """

    id: str
    source: int
    planned: int
    overlap: Overlap
    promise_ms: int


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that is not closed. Whoever has seen a row stand still for its promise may take the run for over."""

    id: str
    source: int
    owner: str  # the process that works it
    attempt: int
    promise_ms: int


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of a tick that is ours: `older` are the runs that it replaces, None where it was skipped."""

    tick: Tick
    older: tuple[OpenRun, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    state: RunState
    status: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a run, to be recorded. `at`: seconds since 1970."""

    run: str
    outcome: Outcome
    at: float
