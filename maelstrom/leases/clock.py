"""Durations by a clock that no one can step or slew.

Every wait of the lease protocol is a difference of two readings of this clock in one process; no reading leaves it.
`CLOCK_MONOTONIC` and `CLOCK_BOOTTIME` are slewed by time daemons (by up to 8 %), wall clocks are stepped; the raw clock
is neither, but stands still while the machine is suspended, so that time is added.
"""

from __future__ import annotations

import asyncio
import time

LONGEST_READING = 0.001  # s; a slower pair of readings may have been torn apart by the scheduler


class SteadyClock:
    """The `Clock` of a real process."""

    def __init__(self) -> None:
        self._suspended = 0.0

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment, time suspended included.

        The raw clock is read first: a suspension between the two readings then counts.
        """
        raw = time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
        self._suspended = max(self._suspended, seconds_suspended())
        return raw + self._suspended

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def seconds_suspended() -> float:
    """Seconds that the machine has slept since its boot; 0 where the system does not tell."""
    boot_clock = getattr(time, "CLOCK_BOOTTIME", None)
    if boot_clock is None:
        return 0.0
    while True:
        before = time.clock_gettime(time.CLOCK_MONOTONIC)
        boot = time.clock_gettime(boot_clock)
        if time.clock_gettime(time.CLOCK_MONOTONIC) - before <= LONGEST_READING:
            return boot - before
