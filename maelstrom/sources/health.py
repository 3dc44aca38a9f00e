"""Whether a source works on this node: its polls, and its component. Says when to fetch again, and whom it concerns.

    a poll fails                  later and later, one try at a time     record: cannot poll               lease: unfit
    its component does not start  later and later, one item at a time    record: cannot start its component     unfit
    the component asks for rest   all nodes                              lease: pause

It must not know what a poll is.
"""

from __future__ import annotations

import logging
from typing import Any

from maelstrom.activation.work import WorkAnswer
from maelstrom.model.errors import MaelstromError, StartFailed
from maelstrom.plan.backoff import Backoff
from maelstrom.sources.ports import Random, SlotLease, Spawn
from maelstrom.sources.record import SourceRecord
from maelstrom.sources.trouble import Setbacks, Trouble

log = logging.getLogger("maelstrom.sources")

AGAIN = Backoff(first=1.0, cap=30.0)
NO_START = frozenset(["start_failed", "no_capacity"])  # the gateway's codes: what is fetched would only fail
SAME_PAUSE_SECONDS = 1.0  # several items of one moment ask for one pause


class Health:
    """Of one source on this node."""

    def __init__(self, name: str, lease: SlotLease, record: SourceRecord, random: Random, spawn: Spawn) -> None:
        self._name = name
        self._lease = lease
        self._record = record
        self._spawn = spawn
        self._polls = Trouble(AGAIN, random)
        self._starts = Setbacks(AGAIN, random)
        self._resting: Any = None

    @property
    def ailing(self) -> bool:
        """What is fetched could not be worked lately."""
        return bool(self._starts)

    def pause(self, now: float) -> float | None:
        """Seconds until a fetch may be opened; None while an open one is the try."""
        polls = self._polls.pause(now)
        return None if polls is None else max(polls, self._starts.pause(now))

    def fetching(self) -> None:
        self._polls.opened()

    def reached(self) -> None:
        """A fetch has reached the service."""
        self._polls.over()
        self._record.well("poll")
        if not self._starts:
            self._lease.fit()

    def failed(self, error: MaelstromError, now: float) -> None:
        """A fetch has failed."""
        self._polls.failed(now)
        self._record.trouble("poll", error)
        self._lease.unfit(error.message)

    def answered(self, answer: WorkAnswer, now: float) -> None:
        """What an answer says of all items."""
        if answer.code in NO_START:
            self._starts.failed(now)
            self._record.trouble("start its component", StartFailed(answer.message))
            self._lease.unfit(answer.message)
        elif self._starts:
            self._starts.over()
            self._record.well("start its component")
            self._lease.fit()

    def rest(self, seconds: float) -> None:
        """The component wants no more for a while: no node polls, until then or until somebody ends it."""
        if self._resting is None and abs(self._lease.paused_seconds() - seconds) > SAME_PAUSE_SECONDS:
            self._resting = self._spawn(self._rest(seconds), f"pause {self._name}")

    async def _rest(self, seconds: float) -> None:
        try:
            await self._lease.pause(seconds)
            log.info("event source rests as its component asked", extra={"source": self._name, "seconds": seconds})
        except MaelstromError as error:
            log.warning("a pause was not taken", extra={"source": self._name, "reason": error.message})
        finally:
            self._resting = None
