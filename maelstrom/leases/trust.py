"""The window in which a session may be believed to live: pure, time is handed in.

It must not know of asyncio, clocks or the database. All times are readings of the holder's own duration clock, in
seconds.
"""

from __future__ import annotations

from maelstrom.leases.term import NEVER, margin


class Trust:
    """Until when the own session may be believed to live: nobody buries it before."""

    def __init__(self, ttl_seconds: float) -> None:
        self._length = ttl_seconds - margin(ttl_seconds)
        self.until = NEVER

    def answered(self, sent: float) -> None:
        """A statement of the session took effect; it was sent at `sent`. Answers out of order never shorten."""
        self.until = max(self.until, sent + self._length)

    def end(self) -> None:
        self.until = NEVER

    def holds(self, now: float) -> bool:
        return now < self.until
