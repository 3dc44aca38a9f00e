"""Which queue is asked next, where a source has several: by priority, without waiting at one while another has work.

The order of the names is the order of priority; numbers in them count as numbers. A *round* asks the queues one by one
with receives that do not wait, and stays at the first that has something, until that has nothing more; after `RESET`
seconds, and after a pause, it begins at the first queue again. A round that found nothing ends with a receive that
waits, at the first queue where nobody does: as long as SQS can, if then all queues are waited at, else for a few
seconds, after which the next round looks at those that were left out. So an idle source costs about one call per queue
and 20 s, and an arrival is seen at once, as long as its slots suffice for a poll per queue; each further queue costs
some latency instead.

Pure: time is handed in. One `Walk` is shared by all open fetches of a source.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

LONGEST_WAIT = 20  # seconds; SQS's own limit
RESET_SECONDS = 15.0
REREAD_SECONDS = 60.0
LEFT_SECONDS = 3600.0
ROUND_SECONDS, LONGEST_ROUND_SECONDS = 5, 15  # between two rounds where some queue is not waited at
QUEUES_PER_SECOND = 4  # more queues than that make rounds rarer
MOST_WAITING = 10  # queues that are waited at

_NUMBER = re.compile(r"([0-9]+)")


def natural_key(name: str) -> tuple[tuple[str, int], ...]:
    """`job-2` before `job-10`."""
    parts = _NUMBER.split(name)
    return tuple((parts[i], int(parts[i + 1]) if i + 1 < len(parts) else -1) for i in range(0, len(parts), 2))


def in_order(urls: Iterable[str]) -> list[str]:
    return sorted(set(urls), key=lambda url: (natural_key(url.rstrip("/").rpartition("/")[2]), url))


class Walk:
    """The queues of one source, and where its fetches are."""

    def __init__(self) -> None:
        self.queues: list[str] = []
        self.read_at: float | None = None
        self.reading = False
        self._position = 0
        self._since = 0.0  # when the present round began at the first queue
        self._empty_at: float | None = None  # when a whole round had found nothing; None while something may be there
        self._left = 0  # queues that this round has not asked yet
        self._waiting: Counter[str] = Counter()

    # the list

    def stale(self, now: float) -> bool:
        return self.read_at is None or now - self.read_at >= REREAD_SECONDS

    def left(self, now: float) -> bool:
        """Nobody has asked for long: its source is gone, or another one now."""
        return self.read_at is not None and now - self.read_at >= LEFT_SECONDS

    def found(self, urls: Iterable[str], now: float) -> None:
        """What there is now; a queue that is new, or was dropped before, is asked in the next round."""
        queues = in_order(urls)
        if queues != self.queues:
            self.queues = queues
            self.restart(now)
        self.read_at = now

    def gone(self, queue: str) -> None:
        """The queue does not exist any more; with the last one the list is read again."""
        if queue in self.queues:
            at = self.queues.index(queue)
            self.queues.remove(queue)
            self._position = (self._position - (at < self._position)) % max(1, len(self.queues))
            self._left = max(0, self._left - 1)
        if not self.queues:
            self.read_at = None

    # the round

    def restart(self, now: float) -> None:
        """Begin at the first queue."""
        self._position, self._since, self._empty_at = 0, now, None
        self._left = len(self.queues)

    def next(self, now: float) -> tuple[str, int]:
        """The queue to ask, and for how many seconds to wait there."""
        if len(self.queues) == 1:
            return self.queues[0], LONGEST_WAIT
        if self._empty_at is not None:
            queue = min(self.queues, key=self._waiting.__getitem__)  # the first of those with the fewest
            if all(self._waiting[url] or url == queue for url in self.queues):
                return queue, LONGEST_WAIT
            left = self._empty_at + self._round_seconds - now
            if left > 0:
                return queue, max(1, round(left))
            self.restart(now)
        elif now - self._since >= RESET_SECONDS:
            self.restart(now)
        return self.queues[self._position], 0

    def asking(self, queue: str, wait: int) -> None:
        self._waiting[queue] += wait > 0

    def asked(self, queue: str, wait: int, *, brought: bool, now: float) -> None:
        """What `asking` announced has ended."""
        if wait:
            self._waiting[queue] -= 1
            if not self._waiting[queue]:
                del self._waiting[queue]
        if queue not in self.queues:
            return
        if brought:
            if self._empty_at is not None:
                self._since, self._empty_at = now, None
            self._position, self._left = self.queues.index(queue), len(self.queues)
        elif not wait and self._empty_at is None and self.queues[self._position] == queue:
            self._position, self._left = (self._position + 1) % len(self.queues), self._left - 1
            if self._left <= 0:
                self._empty_at = now

    @property
    def _round_seconds(self) -> int:
        return max(ROUND_SECONDS, min(LONGEST_ROUND_SECONDS, len(self.queues) // QUEUES_PER_SECOND))
