"""Planned times that were decided and are not kept."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from maelstrom.registry.cron_spans import APART_SECONDS, MOST_SPANS, as_text, covers, extended, read

TIMES = st.lists(st.integers(0, 20 * APART_SECONDS), max_size=40)


@given(st.lists(TIMES, max_size=5))
def test_what_was_put_in_stays_in_and_the_spans_are_few_and_apart(batches: list[list[int]]) -> None:
    spans = ()
    for times in batches:
        spans = extended(spans, times)
        assert read(as_text(spans)) == spans
    assert all(covers(spans, time) for times in batches for time in times)
    assert len(spans) <= MOST_SPANS
    assert all(later[0] - earlier[1] > APART_SECONDS for earlier, later in itertools.pairwise(spans))


def test_times_before_those_that_were_fired_ahead_of_time_are_not_in_it() -> None:
    spans = extended((), [100, 160, 220])
    spans = extended(spans, [7200, 7260])
    assert spans == ((100, 220), (7200, 7260))
    assert [covers(spans, time) for time in (99, 130, 280, 7199, 7230, 7261)] == [
        False,
        True,
        False,
        False,
        True,
        False,
    ]


def test_of_many_the_lowest_become_one() -> None:
    days = [86_400 * n for n in range(20)]
    spans = extended((), days)
    assert len(spans) == MOST_SPANS
    assert spans[0] == (0, days[-MOST_SPANS])
    assert spans[1:] == tuple((day, day) for day in days[-MOST_SPANS + 1 :])
