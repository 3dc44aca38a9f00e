"""What the pace of a pool says, and how soon it says anything."""

from __future__ import annotations

import random

import pytest

from maelstrom.plan.pace import LEAST_ENDS, Pace, retry_after


def measured(slots: int, seconds: float, rounds: int) -> Pace:
    """Slots whose requests all take so long, and end evenly spread."""
    pace = Pace()
    pace.begin()
    for n in range(rounds * slots + 1):
        pace.ended(slots, n * seconds / slots)
    return pace


@pytest.mark.parametrize(("slots", "seconds"), [(1, 0.5), (4, 2.0), (100, 0.1)])
def test_the_time_for_many_follows_from_the_time_that_each_takes(slots: int, seconds: float) -> None:
    pace = measured(slots, seconds, 40)
    assert pace.seconds(1, 1) == pytest.approx(seconds)
    assert pace.seconds(50, slots) == pytest.approx(50 * seconds / slots)
    assert pace.seconds(50, 2 * slots) == pytest.approx(25 * seconds / slots), "with twice the slots it is half"


def test_nothing_is_known_before_somebody_has_waited() -> None:
    pace = Pace()
    assert pace.seconds(1000, 3) == 0.0
    pace.begin()
    pace.ended(3, 100.0)
    assert pace.seconds(1000, 3) == 0.0, "one end says nothing: when did it begin?"
    assert not pace.is_sure(3)


def test_it_is_sure_after_two_rounds_of_all_slots_and_no_longer_after_a_pause() -> None:
    assert not measured(1, 1.0, LEAST_ENDS - 1).is_sure(1)
    assert measured(1, 1.0, LEAST_ENDS).is_sure(1)
    pace = measured(50, 1.0, 2)
    assert pace.is_sure(50)
    assert not pace.is_sure(51)
    pace.begin()
    assert not pace.is_sure(1)


def test_a_pause_in_which_nobody_waited_is_not_measured() -> None:
    pace = measured(1, 1.0, 20)
    pace.begin()
    pace.ended(1, 1000.0)
    pace.ended(1, 1001.0)
    assert pace.seconds(1, 1) == pytest.approx(1.0)


def test_bursts_of_all_slots_do_not_mislead_it() -> None:
    """A hundred begin at once and end at once, a second later, again and again."""
    pace = Pace()
    pace.begin()
    for end in range(10):
        for n in range(100):
            pace.ended(100, end + n * 1e-5)
    assert pace.seconds(1000, 100) == pytest.approx(10.0, rel=0.5)


def test_it_follows_what_changes() -> None:
    dice = random.Random(1)
    pace = Pace()
    pace.begin()
    now = 0.0
    for mean in (1.0, 0.1, 3.0):
        for _ in range(200):
            now += dice.expovariate(1 / mean)
            pace.ended(1, now)
        assert pace.seconds(1, 1) == pytest.approx(mean, rel=0.6)


@pytest.mark.parametrize(("seconds", "said"), [(0.0, 1), (0.2, 1), (1.1, 2), (59.5, 60), (1e9, 60)])
def test_retry_after_is_whole_seconds_within_a_minute(seconds: float, said: int) -> None:
    assert retry_after(seconds) == said


def test_ends_that_are_told_together_count_as_those_that_are_told_one_by_one() -> None:
    singly, together = Pace(), Pace()
    for pace in (singly, together):
        pace.begin()
        pace.ended(4, 0.0)
    for n in range(1, 101):
        singly.ended(4, n * 0.01)
        if not n % 10:
            together.ended_since(4, n * 0.01, 10)
    assert together.seconds(10, 4) == pytest.approx(singly.seconds(10, 4), rel=1e-6)
    assert together.is_sure(4)
    assert singly.is_sure(4)
