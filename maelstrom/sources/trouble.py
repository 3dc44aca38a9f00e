"""When to poll again: after an error one try at a time, later and later, until one goes well. Time is handed in."""

from __future__ import annotations

from maelstrom.plan.backoff import Backoff
from maelstrom.sources.ports import Random


class Trouble:
    """Of all polls of one source together: a hundred that fail at once are one failure, and one of them tries first."""

    def __init__(self, backoff: Backoff, random: Random) -> None:
        self._backoff = backoff
        self._random = random
        self._failures = 0
        self._next_try = 0.0
        self._trying = False

    def pause(self, now: float) -> float | None:
        """Seconds until a new poll may be opened; None while an open one is the try."""
        if not self._failures:
            return 0.0
        return None if self._trying else max(0.0, self._next_try - now)

    def opened(self) -> None:
        """A poll was opened; after a failure it is the try that decides how to go on."""
        self._trying = self._failures > 0

    def failed(self, now: float) -> None:
        self._trying = False
        if now >= self._next_try:
            self._failures += 1
            self._next_try = now + self._backoff.delay(self._failures, self._random())

    def over(self) -> None:
        """Something went well."""
        self._failures = 0
        self._next_try = 0.0
        self._trying = False


class Setbacks:
    """What is fetched cannot be worked: fetches come later and later, of one item each, until one goes well."""

    def __init__(self, backoff: Backoff, random: Random) -> None:
        self._backoff = backoff
        self._random = random
        self._failures = 0
        self._next_try = 0.0

    def __bool__(self) -> bool:
        return self._failures > 0

    def pause(self, now: float) -> float:
        """Seconds until the next fetch."""
        return max(0.0, self._next_try - now)

    def failed(self, now: float) -> None:
        """Those that fail together are one failure."""
        if now >= self._next_try:
            self._failures += 1
            self._next_try = now + self._backoff.delay(self._failures, self._random())

    def over(self) -> None:
        self._failures = 0
        self._next_try = 0.0
