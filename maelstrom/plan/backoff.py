"""How long to wait before the next try: exponential, capped, with jitter. Pure: the caller brings the dice.

It must not know what is tried, nor sleep: who waits may be woken by something better than time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """`first` and `cap` in seconds. With the defaults: 1, 2, 4 … 30 s, each less up to half of itself."""

    first: float = 1.0
    cap: float = 30.0
    factor: float = 2.0
    jitter: float = 0.5  # the share of a delay that chance may take away

    def __post_init__(self) -> None:
        if not (0 < self.first <= self.cap and self.factor >= 1 and 0 <= self.jitter < 1):
            raise ValueError(f"no back-off: {self!r}")

    def delay(self, failures: int, chance: float) -> float:
        """Seconds to wait after so many failures in a row (from 1 on); `chance` is a random number in [0, 1).

        Never 0, so that no caller spins, whatever chance says.
        """
        steps = max(failures - 1, 0)
        if self.factor > 1 and steps >= math.log(self.cap / self.first, self.factor):
            ceiling = self.cap  # decided by logarithms: a power of a long outage's count would overflow
        else:
            ceiling = self.first * self.factor**steps
        return ceiling * (1 - self.jitter * chance)
