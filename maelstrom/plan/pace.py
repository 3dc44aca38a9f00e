"""How fast those who wait are served, so that a newcomer can be told how long it would wait.

Measured is how long a request keeps its slot, not the rate itself, because slots come and go: the rate follows from how
many of them are taken (Little's law). Only ends while somebody waited count, since otherwise slots are free for want of
requests. Plain arithmetic on moments that are handed in (monotonic, s): no clock.
"""

from __future__ import annotations

from math import ceil
from typing import Final

LEAST_ENDS: Final = 16  # fewer say nothing
ROUNDS: Final = 2  # of all slots: requests that began at once end at once, so less is one burst or one gap
LONGEST_RETRY: Final = 60  # seconds


class Pace:
    """Of one pool. Later ends count more than earlier ones."""

    __slots__ = ("_at", "_ends", "_fresh", "_taken")

    def __init__(self) -> None:
        self._at: float | None = None  # when the last request ended, if somebody has waited ever since
        self._ends = 0.0  # weighted count
        self._taken = 0.0  # seconds in which slots were taken, weighted in the same way
        self._fresh = 0  # ends since somebody began to wait

    def begin(self) -> None:
        """Somebody waits, and nobody did before."""
        self._at = None
        self._fresh = 0

    def ended(self, slots: int, now: float) -> None:
        """One of the requests on so many slots has ended, and somebody waits."""
        at, self._at = self._at, now
        if at is None:
            return
        kept = 1.0 - 1.0 / _enough(slots)
        self._ends = self._ends * kept + 1.0
        since = max(0.0, now - at)  # of ends in several processes a later one may be told first
        self._taken = self._taken * kept + since * slots
        self._fresh += 1

    def ended_since(self, slots: int, now: float, requests: int) -> None:
        """The same, where so many have ended since it was last told."""
        at, self._at = self._at, now
        if at is None:
            return
        enough = _enough(slots)
        kept = (1.0 - 1.0 / enough) ** requests
        weight = enough * (1.0 - kept)  # as if they had ended one after the other
        self._ends = self._ends * kept + weight
        self._taken = self._taken * kept + max(0.0, now - at) * slots * weight / requests
        self._fresh += requests

    def is_sure(self, slots: int) -> bool:
        """Whether enough was measured, and without a pause up to now, for somebody to be refused because of it."""
        return self._fresh >= _enough(slots)

    def seconds(self, requests: int, slots: int) -> float:
        """Until so many have been served on so many slots; 0 where nothing is known."""
        return requests * self._taken / (self._ends * slots) if self._ends and slots else 0.0


def retry_after(seconds: float) -> int:
    """What a client is told: whole seconds, from 1 to a minute."""
    return min(LONGEST_RETRY, max(1, ceil(seconds)))


def _enough(slots: int) -> int:
    return max(LEAST_ENDS, ROUNDS * slots)
