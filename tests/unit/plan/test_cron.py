"""Which planned times of cron are due."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom.model.cron import Anchor, OpenRun
from maelstrom.model.source import CronRequest, CronSource
from maelstrom.plan.cron import MOST_MADE_UP, ON_TIME_SECONDS, Agenda, Timetable, Waits
from maelstrom.plan.schedule import Schedule

BERLIN = ZoneInfo("Europe/Berlin")
NOON = int(datetime(2024, 5, 15, 12, tzinfo=UTC).timestamp())
HOUR = 3600


def table(schedule: str, *, at: int = 0, since: int = 0, zone: str = "UTC", **rules: Any) -> Timetable:
    definition = CronSource(schedule=schedule, http=CronRequest(method="GET", path="/"), **rules)
    return Timetable.of(definition, Anchor(at, since), ZoneInfo(zone))


# when


def test_an_interval_counts_from_where_it_is_anchored_whenever_it_is_asked() -> None:
    hourly = table("@every 1h", at=NOON + 7)
    assert [hourly.next_after(NOON + 7 + s) for s in (0, 1, HOUR - 1, HOUR - 0.1)] == [NOON + 7 + HOUR] * 4
    assert hourly.next_after(NOON + 7 + HOUR) == NOON + 7 + 2 * HOUR
    assert hourly.next_after(NOON - 5000) == NOON + 7 + HOUR


def test_a_zone_is_the_sources_then_the_schedules_then_the_daemons() -> None:
    nine = [
        table("0 9 * * *", timezone="Asia/Tokyo", zone="Europe/Berlin"),
        table("CRON_TZ=Asia/Tokyo 0 9 * * *", zone="Europe/Berlin"),
        table("0 9 * * *", zone="Asia/Tokyo"),
    ]
    assert [one.next_after(NOON) for one in nine] == [NOON + 12 * HOUR] * 3
    assert table("0 9 * * *", zone="Europe/Berlin").next_after(NOON) == NOON + 19 * HOUR


# what was missed


def test_without_catching_up_only_what_has_just_come_is_due() -> None:
    minutely = table("* * * * *", catchup="none")
    assert minutely.due(NOON - 300, NOON + 1) == [NOON]
    assert minutely.due(NOON - 300, NOON + ON_TIME_SECONDS) == []


def test_the_last_missed_one_is_due_if_it_is_not_too_long_ago() -> None:
    every_5_minutes = table("*/5 * * * *", catchupseconds=600)
    assert every_5_minutes.due(NOON - HOUR, NOON + 60) == [NOON]
    assert every_5_minutes.due(NOON, NOON + 60) == []
    hourly = table("0 * * * *", catchupseconds=600)
    assert hourly.due(NOON - HOUR, NOON + 599) == [NOON]
    assert hourly.due(NOON - HOUR, NOON + 600) == []


def test_all_missed_ones_are_due_within_their_time_and_the_newest_hundred_at_most() -> None:
    minutely = table("* * * * *", catchup="all", catchupseconds=600)
    assert minutely.due(NOON - HOUR, NOON) == [NOON - s for s in range(540, -1, -60)]
    long = table("* * * * *", catchup="all", catchupseconds=86_400)
    assert long.due(0, NOON) == [NOON - 60 * n for n in reversed(range(MOST_MADE_UP))]
    seconds = table("@every 1s", catchup="all", catchupseconds=86_400)
    assert seconds.due(0, NOON) == [NOON - n for n in reversed(range(MOST_MADE_UP))]


def test_times_that_only_waited_their_turn_all_fire_whatever_is_said_of_missed_ones() -> None:
    for catchup in ("none", "last", "all"):
        assert table("@every 1s", catchup=catchup).due(NOON - 3, NOON) == [NOON - 2, NOON - 1, NOON]
    assert table("@every 1s", catchup="last").due(NOON - 30, NOON) == [NOON]


def test_nothing_is_made_up_for_from_before_it_began() -> None:
    assert table("* * * * *", since=NOON - 60, catchup="all").due(0, NOON + 1) == [NOON]
    assert table("* * * * *", since=NOON, catchup="all").due(0, NOON + 1) == []


@pytest.mark.parametrize("catchup", ["none", "last", "all"])
@given(hours=st.integers(1, 24 * 365))
def test_a_clock_that_jumps_ahead_brings_no_flood(catchup: str, hours: int) -> None:
    due = table("* * * * *", catchup=catchup).due(NOON, NOON + hours * HOUR)
    assert len(due) <= {"none": 1, "last": 1, "all": 10}[catchup]


SCHEDULES = st.sampled_from(
    ["* * * * *", "*/7 * * * *", "30 2 * * *", "0,30 2,3 * * *", "15 * * * *", "0 0 1 * *", "@every 90s", "@every 3h"]
)
CLOCK_CHANGES = [int(datetime(2024, *day, tzinfo=UTC).timestamp()) for day in ((3, 30, 22), (10, 26, 22))]
MOMENTS = st.builds(lambda base, more: base + more, st.sampled_from(CLOCK_CHANGES), st.integers(0, 8 * HOUR))


@given(SCHEDULES, MOMENTS, st.lists(st.integers(1, 3 * HOUR), max_size=6))
def test_however_often_it_is_asked_each_time_is_due_once(schedule: str, start: int, pauses: list[int]) -> None:
    one = table(schedule, at=start, since=start, zone="Europe/Berlin", catchup="all", catchupseconds=4 * HOUR)
    asked, found = start, []
    for pause in pauses:
        found += one.due(asked, asked + pause)
        asked += pause
    assert found == sorted(set(found))
    recent = one.due(start, asked)
    assert found[len(found) - len(recent) :] == recent


@given(SCHEDULES, MOMENTS, st.integers(0, 8 * HOUR))
def test_the_times_are_the_same_wherever_one_begins_to_look(schedule: str, start: int, later: int) -> None:
    one = table(schedule, at=CLOCK_CHANGES[0] - 11, zone="Europe/Berlin")
    moment: int | None = start
    while moment is not None and moment <= start + later:
        moment = one.next_after(moment)
    assert one.next_after(start + later) == moment


# summer time, in Berlin: on 31 March 2:00 is 3:00, on 27 October 3:00 is 2:00


def fired(schedule: str, day: tuple[int, int]) -> list[str]:
    start = datetime(2024, *day, tzinfo=BERLIN)
    end = datetime(2024, day[0], day[1] + 1, tzinfo=BERLIN) if day != (3, 31) else datetime(2024, 4, 1, tzinfo=BERLIN)
    rules: dict[str, Any] = {"catchup": "all", "catchupseconds": 90_000, "zone": "Europe/Berlin"}
    times = table(schedule, **rules).due(start.timestamp(), end.timestamp())
    return [datetime.fromtimestamp(time, BERLIN).strftime("%H:%M%z")[:-2] for time in times]


def test_in_the_hour_that_is_skipped_fixed_times_fire_right_after_it_and_repeating_ones_do_not() -> None:
    assert fired("30 2 * * *", (3, 31)) == ["03:00+02"]
    assert fired("10,50 2 * * *", (3, 31)) == ["03:00+02"]
    assert fired("0 3 * * *", (3, 31)) == ["03:00+02"]
    assert fired("15 * * * *", (3, 31))[1:4] == ["01:15+01", "03:15+02", "04:15+02"]
    assert fired("@every 6h", (3, 31)) == ["01:00+01", "08:00+02", "14:00+02", "20:00+02"]


def test_in_the_hour_that_is_repeated_fixed_times_fire_once_and_repeating_ones_in_both() -> None:
    assert fired("30 2 * * *", (10, 27)) == ["02:30+02"]
    assert fired("0,30 2,3 * * *", (10, 27)) == ["02:00+02", "02:30+02", "03:00+01", "03:30+01"]
    assert fired("15 * * * *", (10, 27))[1:5] == ["01:15+02", "02:15+02", "02:15+01", "03:15+01"]


# the agenda


def test_what_is_due_comes_in_order_and_once() -> None:
    agenda: Agenda[str] = Agenda()
    for key, at in (("c", 3.0), ("a", 1.0), ("b", 2.0), ("never", None)):
        agenda.set(key, at)
    agenda.set("a", 2.5)
    agenda.drop("c")
    assert agenda.next_at == 2.0
    assert agenda.pop_due(2.5) == ["b", "a"]
    assert agenda.next_at is None
    assert agenda.pop_due(9.0) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.one_of(st.none(), st.integers(0, 20)))))
def test_the_agenda_is_a_map_with_a_first(sets: list[tuple[int, int | None]]) -> None:
    agenda: Agenda[int] = Agenda()
    expected: dict[int, int] = {}
    for key, at in sets:
        agenda.set(key, at)
        expected.pop(key, None)
        if at is not None:
            expected[key] = at
    assert agenda.next_at == min(expected.values(), default=None)
    assert sorted(agenda.pop_due(10)) == sorted(key for key, at in expected.items() if at <= 10)
    assert agenda.next_at == min((at for at in expected.values() if at > 10), default=None)


# others' open runs


def test_a_run_is_over_when_its_row_stood_still_for_its_promise_as_seen_from_here() -> None:
    waits, first, second = Waits(), OpenRun("a", 1, "x", 1, 10_000), OpenRun("b", 1, "x", 1, 30_000)
    waits.see([first, second], 100.0)
    waits.see([first, second], 105.0)
    assert (waits.over(109.9), waits.soonest()) == ([], 110.0)
    assert waits.over(110.0) == [first]
    again = OpenRun("a", 1, "x", 2, 10_000)  # its next try has begun
    waits.see([again], 110.0)
    assert (waits.over(119.0), waits.over(120.0), waits.soonest()) == ([], [again], 120.0)


@given(SCHEDULES.filter(lambda text: not text.startswith("@every")), MOMENTS)
def test_all_following_times_are_what_is_found_one_after_another(schedule: str, start: int) -> None:
    parsed, moment = Schedule.parse(schedule), datetime.fromtimestamp(start, BERLIN)
    times = parsed.times_after(moment)
    for _ in range(5):
        found = next(times)
        assert parsed.next_after(moment) == found
        moment = found
