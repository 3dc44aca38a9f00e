"""The pauses between tries grow, are capped, differ by chance and are never nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom.plan.backoff import Backoff


def test_pauses_double_up_to_the_cap() -> None:
    backoff = Backoff(first=1, cap=10)
    assert [backoff.delay(n, 0) for n in (1, 2, 3, 4, 5, 6)] == [1, 2, 4, 8, 10, 10]


def test_chance_takes_away_at_most_its_share() -> None:
    assert Backoff(first=4, cap=8, jitter=0.5).delay(1, 0.999) == pytest.approx(2, abs=0.01)


@given(st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
def test_a_pause_is_never_nothing_and_never_above_the_cap(failures: int, chance: float) -> None:
    assert 0 < Backoff(first=0.5, cap=30).delay(failures, chance) <= 30


@pytest.mark.parametrize("wrong", [{"first": 0}, {"first": 40}, {"factor": 0.5}, {"jitter": 1}, {"jitter": -1}])
def test_a_back_off_that_could_spin_or_shrink_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="no back-off"):
        Backoff(**wrong)
