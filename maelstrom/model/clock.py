"""Where time comes from. Nothing that decides reads a clock by itself: it is handed the time."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds that no one can step; for durations and deadlines."""
        ...

    def now(self) -> float:
        """Seconds since 1970 (UTC); for people and logs only, never for decisions."""
        ...

    async def sleep(self, seconds: float) -> None: ...
