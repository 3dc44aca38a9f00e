"""What is known of one source on this node: counts, and whether it works. For people, metrics and the API.

Plain numbers, changed in place, read by whoever shows them. Nothing here decides anything.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from maelstrom.model.errors import AwsThrottled, MaelstromError
from maelstrom.model.source import SourceKey

log = logging.getLogger("maelstrom.sources")

SourceState = Literal["ok", "degraded", "disabled"]


@dataclass(slots=True)
class SourceCounts:
    """Since the daemon's start, but for `in_flight`, `polls_open` and `awaited`, which are of now."""

    received: int = 0
    in_flight: int = 0  # requests open towards components
    polls_open: int = 0
    succeeded: int = 0
    failed: int = 0  # all that ended otherwise, `gone` too
    gone: int = 0  # given up by the service while it was worked: timed out, stopped
    skipped: int = 0  # cron: an earlier run was still open
    throttled: int = 0  # calls that the service refused for now
    seconds: float = 0.0  # spent in requests
    awaited: int = 0  # tasks whose component has promised to answer later, and this node waits for it
    most_in_flight: int = 0  # at once

    def begin(self) -> None:
        """A request is opened; who calls this takes it from `in_flight` again."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One row of `es ls`, this node's part. `since`: seconds since 1970 of the last change of `state` or `reason`."""

    state: SourceState
    reason: str
    since: float
    counts: SourceCounts
    capacity: int | None = None  # requests that this node may have open, of the source's limit; None: it has no lease
    oldest_sent_at: float = 0.0  # of the items that this node holds, seconds since 1970; 0: none, or it is not told


class SourceRecord:
    """Troubles are kept by what they hinder (`poll`, `report`): one that is over does not hide another."""

    def __init__(self, key: SourceKey, now: Callable[[], float]) -> None:
        self.counts = SourceCounts()
        self._key = key
        self._now = now
        self._enabled = True
        self._troubles: dict[str, str] = {}
        self._held: Counter[float] = Counter()  # when the items that are held were sent
        self._since = now()

    def status(self) -> SourceStatus:
        state: SourceState = "disabled" if not self._enabled else "degraded" if self._troubles else "ok"
        return SourceStatus(
            state,
            self._reason() if self._enabled else "",
            self._since,
            self.counts,
            oldest_sent_at=min(self._held, default=0.0),
        )

    @contextlib.contextmanager
    def holding(self, sent_at: float) -> Iterator[None]:
        """An item that was sent at that time is held by this node within the block."""
        self._held[sent_at] += 1
        try:
            yield
        finally:
            self._held[sent_at] -= 1
            if not self._held[sent_at]:
                del self._held[sent_at]

    def enabled(self, enabled: bool) -> None:
        if enabled != self._enabled:
            self._enabled = enabled
            self._since = self._now()

    def trouble(self, what: str, error: MaelstromError) -> None:
        """A call failed. Logged when it begins, not each time."""
        self.counts.throttled += isinstance(error, AwsThrottled)
        reason = f"{error.message}; {error.hint}" if error.hint else error.message
        if what not in self._troubles:
            fields = {"source": self._key.full_name, "code": error.code, "reason": error.message, "hint": error.hint}
            log.warning("event source cannot %s", what, extra=fields)
        self._change(what, reason)

    def well(self, what: str) -> None:
        if what in self._troubles:
            log.info("event source can %s again", what, extra={"source": self._key.full_name})
            self._change(what, "")

    def forget(self, what: str) -> None:
        """Whether it can is no longer this node's to say."""
        self._change(what, "")

    def _change(self, what: str, reason: str) -> None:
        before = self._reason()
        self._troubles.pop(what, None)
        if reason:
            self._troubles[what] = reason
        if self._reason() != before:
            self._since = self._now()

    def _reason(self) -> str:
        return "; ".join(self._troubles.values())
