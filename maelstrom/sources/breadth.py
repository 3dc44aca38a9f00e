"""How many fetches of a source are open: few while nothing comes, twice as many with each that finds work waiting.

Pure. An arrival after a long silence says nothing of a second one; one that came at once says that more is there.
"""

from __future__ import annotations

AT_ONCE_SECONDS = 1.0
MOST = 1 << 16


class Breadth:
    """Of one source on one node."""

    def __init__(self) -> None:
        self._fetches = 1

    @property
    def idle(self) -> bool:
        """Nothing has come lately."""
        return self._fetches == 1

    def allowed(self, idle: int, most: int) -> int:
        return min(most, max(idle, self._fetches))

    def brought(self, seconds: float) -> None:
        """A fetch that was open for so long has brought something."""
        self._fetches = min(MOST, self._fetches * 2) if seconds < AT_ONCE_SECONDS else max(2, self._fetches)

    def empty(self) -> None:
        """A fetch that waited has brought nothing."""
        self._fetches = 1
