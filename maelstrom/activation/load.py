"""Samples of one component's demand, taken twice a second while it runs; the past minute is kept.

Plain arithmetic on what is handed in: no clock, no tasks.
"""

from __future__ import annotations

from collections import deque
from statistics import median

from maelstrom.plan.autoscale import Load

SAMPLE_SECONDS = 0.5
RECENT = 10  # samples: 5 s, long enough that one burst alone starts nothing
WINDOW = 120  # samples: one minute must be quiet before anything is scaled in


class LoadMeter:
    """Filled by the converge loop, read by the planner. Begun anew when nothing runs any more."""

    __slots__ = ("_samples", "last_used")

    def __init__(self) -> None:
        self._samples: deque[int] = deque(maxlen=WINDOW)
        self.last_used = float("-inf")  # monotonic; the latest end of a request or start of an instance

    def sample(self, demand: int) -> None:
        self._samples.append(demand)

    def used(self, now: float) -> None:
        self.last_used = max(self.last_used, now)

    def reset(self) -> None:
        """After a scaling step or when nothing runs: what was measured before says nothing of what is there now."""
        self._samples.clear()

    def load(self, demand: int, now: float) -> Load:
        samples = self._samples
        recent = list(samples)[-RECENT:]
        return Load(
            demand=demand,
            recent=median(recent) if recent else 0.0,
            recent_full=len(recent) == RECENT,
            peak=max(samples, default=0),
            peak_full=len(samples) == WINDOW,
            idle_seconds=now - self.last_used,
        )
