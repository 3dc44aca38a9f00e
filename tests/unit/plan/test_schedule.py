"""Schedules: what is one, and when it fires next."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom.plan.schedule import Schedule

BERLIN = ZoneInfo("Europe/Berlin")  # 2024: clocks go forward on 31 March at 2:00, back on 27 October at 3:00


def at(text: str, zone: ZoneInfo | None = None, *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone or UTC, fold=fold)


def following(schedule: str, moment: datetime, count: int = 1) -> list[str]:
    parsed = Schedule.parse(schedule)
    found = []
    for _ in range(count):
        after = parsed.next_after(moment)
        assert after is not None
        found.append(after.isoformat(" ", "minutes")[2:])
        moment = after
    return found


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("* * * * *", ["24-05-15 10:31+00:00", "24-05-15 10:32+00:00"]),
        ("*/20 * * * *", ["24-05-15 10:40+00:00", "24-05-15 11:00+00:00"]),
        ("5-7/2,50 * * * *", ["24-05-15 10:50+00:00", "24-05-15 11:05+00:00", "24-05-15 11:07+00:00"]),
        ("10/25 12 * * *", ["24-05-15 12:10+00:00", "24-05-15 12:35+00:00", "24-05-16 12:10+00:00"]),
        ("7-7/2 * * * *", ["24-05-15 11:07+00:00", "24-05-15 12:07+00:00"]),
        ("0 0 1 * *", ["24-06-01 00:00+00:00", "24-07-01 00:00+00:00"]),
        ("0 0 1 jan,JUL *", ["24-07-01 00:00+00:00", "25-01-01 00:00+00:00"]),
        ("0 0 * * mon-TUE", ["24-05-20 00:00+00:00", "24-05-21 00:00+00:00"]),
        ("0 0 * * 0", ["24-05-19 00:00+00:00"]),
        ("0 0 * * 7", ["24-05-19 00:00+00:00"]),
        ("0 0 ? * MON", ["24-05-20 00:00+00:00", "24-05-27 00:00+00:00"]),
        ("0 0 17 * ?", ["24-05-17 00:00+00:00", "24-06-17 00:00+00:00"]),
        ("0 0 17 * MON", ["24-05-17 00:00+00:00", "24-05-20 00:00+00:00"]),
        ("0 0 */10 * MON", ["24-05-20 00:00+00:00", "24-05-21 00:00+00:00", "24-05-27 00:00+00:00"]),
        ("0 0 */1 * MON", ["24-05-20 00:00+00:00", "24-05-27 00:00+00:00"]),
        ("0 0 31 2 MON", ["25-02-03 00:00+00:00"]),
        ("0 0 29 2 *", ["28-02-29 00:00+00:00"]),
        ("@yearly", ["25-01-01 00:00+00:00"]),
        ("@annually", ["25-01-01 00:00+00:00"]),
        ("@monthly", ["24-06-01 00:00+00:00"]),
        ("@weekly", ["24-05-19 00:00+00:00"]),
        ("@daily", ["24-05-16 00:00+00:00"]),
        ("@midnight", ["24-05-16 00:00+00:00"]),
        ("@hourly", ["24-05-15 11:00+00:00"]),
        ("@every 1h30m", ["24-05-15 12:00+00:00", "24-05-15 13:30+00:00"]),
        ("TZ=Asia/Tokyo 0 9 * * *", ["24-05-16 09:00+09:00"]),
        ("CRON_TZ=UTC @daily", ["24-05-16 00:00+00:00"]),
        ("  CRON_TZ=UTC   0  0 * * *  ", ["24-05-16 00:00+00:00"]),
    ],
)
def test_it_fires_next(schedule: str, expected: list[str]) -> None:
    assert following(schedule, at("2024-05-15 10:30"), len(expected)) == expected


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        ("1s", 1),
        ("90s", 90),
        ("1.5s", 1),
        ("1.9999s", 1),
        ("2500ms", 2),
        ("1m0.5s", 60),
        ("1h1m1s", 3661),
        ("+1h", 3600),
        (".5h", 1800),
        ("1.h", 3600),
        ("1000000us", 1),
        ("1000000µs", 1),
        ("1000000000ns", 1),
        ("1m1m", 120),
    ],
)
def test_an_interval_is_a_duration_of_whole_seconds(duration: str, seconds: int) -> None:
    moment = datetime(2024, 5, 15, 10, 30, 20, 999_999, tzinfo=UTC)
    expected = moment.replace(microsecond=0) + timedelta(seconds=seconds)
    assert Schedule.parse(f"@every {duration}").next_after(moment) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("TZ=UTC", "empty"),
        ("* * * *", "has 4 fields, not five"),
        ("* * * * * *", "has 6 fields, not five"),
        ("60 * * * *", "`60` is no minute"),
        ("* 24 * * *", "`24` is no hour"),
        ("* * 0 * *", "`0` is no day of month"),
        ("* * 32 * *", "`32` is no day of month"),
        ("* * * 13 *", "`13` is no month"),
        ("* * * * 8", "`8` is no day of week"),
        ("MON * * * *", "`MON` is no minute"),
        ("* * * MON *", "`MON` is no month"),
        ("* * * * JAN", "`JAN` is no day of week"),
        ("* * * * XXX", "is no day of week"),
        ("5-1 * * * *", "`5-1` is no minute"),
        ("*/0 * * * *", "`*/0` is no minute"),
        ("7-7/0 * * * *", "`7-7/0` is no minute"),
        ("1,,2 * * * *", "is no minute"),
        ("-1 * * * *", "is no minute"),
        ("1/2/3 * * * *", "is no minute"),
        ("0 0 L * *", "`L` is no day of month"),
        ("0 0 LW * *", "`LW` is no day of month"),
        ("0 0 * * 5L", "`5L` is no day of week"),
        ("0 0 * * 5#2", "`5#2` is no day of week"),
        ("ſun * * * *", "is no minute"),
        ("٣ * * * *", "is no minute"),
        ("0 0 30 2 *", "it would never fire"),
        ("0 0 31 4,6 *", "it would never fire"),
        ("@reboot", "is no descriptor"),
        ("@Daily", "is no descriptor"),
        ("@everyday", "is no descriptor"),
        ("@every", "is no duration"),
        ("@every 5", "is no duration"),
        ("@every 5 s", "is no duration"),
        ("@every -5s", "is no duration"),
        ("@every 1d", "is no duration"),
        ("@every 999ms", "at least 1 s"),
        ("@every 0s", "at least 1 s"),
        ("@every 9999999h", "at most 290 years"),
        ("TZ=Nowhere/Else * * * * *", "is no time zone"),
        ("TZ= * * * * *", "is no time zone"),
        ("TZ=../../etc/passwd * * * * *", "is no time zone"),
        ("TZ=/etc/localtime * * * * *", "is no time zone"),
        ("TZ=Europe * * * * *", "is no time zone"),
        ("tz=UTC * * * * *", "has 6 fields"),
        ("TZ=UTC TZ=UTC * * * * *", "has 6 fields"),
        ("1," * 300, "at most 500 characters"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        Schedule.parse(text)


def test_a_schedule_without_a_zone_is_in_that_of_the_moment() -> None:
    assert following("0 9 * * *", at("2024-05-15 10:30", BERLIN)) == ["24-05-16 09:00+02:00"]
    assert following("TZ=UTC 0 9 * * *", at("2024-05-15 10:30", BERLIN)) == ["24-05-15 09:00+00:00"]


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        Schedule.parse("@daily").next_after(datetime(2024, 1, 1))  # noqa: DTZ001


def test_a_time_that_is_skipped_in_spring_fires_right_after_the_gap() -> None:
    assert following("30 2 * * *", at("2024-03-30 12:00", BERLIN), 2) == [
        "24-03-31 03:00+02:00",
        "24-04-01 02:30+02:00",
    ]
    assert following("*/30 * * * *", at("2024-03-31 01:30", BERLIN), 2) == [
        "24-03-31 03:00+02:00",
        "24-03-31 03:30+02:00",
    ]


def test_a_time_that_comes_twice_in_autumn_fires_once() -> None:
    first = at("2024-10-27 02:30", BERLIN, fold=0)
    assert following("30 2 * * *", at("2024-10-27 00:00", BERLIN)) == ["24-10-27 02:30+02:00"]
    assert following("30 2 * * *", first) == ["24-10-28 02:30+01:00"]
    for text in ("2024-10-27 02:10", "2024-10-27 02:30", "2024-10-27 02:40"):
        assert following("30 2 * * *", at(text, BERLIN, fold=1)) == ["24-10-28 02:30+01:00"]


def test_an_interval_does_not_care_for_the_clocks() -> None:
    assert following("@every 1h", at("2024-10-27 02:30", BERLIN, fold=0)) == ["24-10-27 02:30+01:00"]
    assert following("*/30 * * * *", at("2024-10-27 02:30", BERLIN, fold=0), 2) == [
        "24-10-27 02:00+01:00",
        "24-10-27 02:30+01:00",
    ]


def test_at_the_end_of_time_there_is_no_next_one() -> None:
    assert Schedule.parse("@daily").next_after(datetime(9999, 12, 31, 12, tzinfo=UTC)) is None
    assert Schedule.parse("@every 1h").next_after(datetime(9999, 12, 31, 23, 30, tzinfo=UTC)) is None


FIELD = st.sampled_from(["*", "?", "0", "1", "5", "*/7", "1-5", "3,4", "2-6/2"])
MOMENTS = st.datetimes(datetime(2023, 1, 1), datetime(2030, 1, 1), timezones=st.sampled_from([UTC, BERLIN]))  # noqa: DTZ001


@given(st.tuples(FIELD, FIELD, st.sampled_from(["*", "1", "2-6/2"]), st.just("*"), FIELD).map(" ".join), MOMENTS)
def test_the_next_time_is_later_and_none_lies_between(schedule: str, moment: datetime) -> None:
    parsed = Schedule.parse(schedule)
    found = parsed.next_after(moment)
    assert found is not None
    gap = (found.astimezone(UTC) - moment.astimezone(UTC)).total_seconds()
    assert gap > 0
    if gap > 1:
        middle = (moment.astimezone(UTC) + timedelta(seconds=gap / 2)).astimezone(moment.tzinfo)
        again = parsed.next_after(middle)
        assert again is not None
        assert again.astimezone(UTC) == found.astimezone(UTC)


@given(st.text(max_size=40))
def test_any_text_is_a_schedule_or_a_value_error(text: str) -> None:
    reason = "none"
    try:
        Schedule.parse(text)
    except ValueError as error:
        reason = str(error)
    assert reason
