"""The clock of durations."""

from __future__ import annotations

import time

from maelstrom.leases.clock import SteadyClock, seconds_suspended


def test_it_never_goes_back_and_follows_the_raw_clock() -> None:
    clock = SteadyClock()
    before = time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
    readings = [clock.monotonic() for _ in range(1000)]
    after = time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
    assert readings == sorted(readings)
    suspended = seconds_suspended()
    assert before + suspended - 0.01 <= readings[0] <= readings[-1] <= after + suspended + 0.01


def test_the_time_suspended_is_the_distance_of_two_clocks() -> None:
    assert 0 <= seconds_suspended() < time.clock_gettime(time.CLOCK_MONOTONIC) + 1e9
    assert abs(seconds_suspended() - seconds_suspended()) < 0.01


async def test_now_is_for_people() -> None:
    assert abs(SteadyClock().now() - time.time()) < 5
    await SteadyClock().sleep(0)
