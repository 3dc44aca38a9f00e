"""The grammar of cron schedules: five fields, descriptors, `@every`, and an optional zone in front.

Only reads and checks; `plan/schedule` says when a schedule fires. cronsim knows the five fields; what it accepts beyond
them (seconds, `L`, `#`) is refused, and where it follows Debian in taking `*/2` in a day field for "any day", this
follows the product's page: any day field but `*` and `?` restricts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

MAX_LENGTH = 500  # characters; bounds what reading one may cost
_MAX_EVERY_NS = (1 << 63) - 1  # Go's durations end here

_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELD_NAMES = ("minute", "hour", "day of month", "month", "day of week")
_SYMBOLS = (
    frozenset[str](),
    frozenset[str](),
    frozenset[str](),
    frozenset(["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]),
    frozenset(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]),
)
_FIELD = re.compile(r"[0-9A-Za-z*?,/-]+")
_WORDS = re.compile(r"[A-Z]+")
_EVERY_DAY = re.compile(r"\*(?:/0*1)?")
_ONE_VALUE = re.compile(r"(?<![0-9A-Z])([0-9A-Z]+)-\1/0*[1-9][0-9]*")  # `5-5/2`; cronsim would go on to the end
_STEPS = re.compile(r"\*(?=/)")
_DURATION = re.compile(r"(?:([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))")
_UNITS_NS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}


@dataclass(frozen=True, slots=True)
class ScheduleText:
    """A schedule that was read: either `fields` for cronsim, or `every` so many seconds."""

    fields: str = ""
    every: int = 0
    zone: ZoneInfo | None = None  # None: the zone of whoever asks


@lru_cache(maxsize=4096)
def parse_schedule(text: str) -> ScheduleText:
    """Raises ValueError with the reason."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"a schedule has at most {MAX_LENGTH} characters")
    rest, zone = _split_zone(text.strip())
    if not rest:
        raise ValueError("the schedule is empty")
    if rest.startswith("@every"):
        return ScheduleText(every=_every(rest), zone=zone)
    if rest.startswith("@"):
        if rest not in _DESCRIPTORS:
            raise ValueError(f"`{rest}` is no descriptor; one of {', '.join(_DESCRIPTORS)} or `@every 1h30m`")
        return ScheduleText(fields=_DESCRIPTORS[rest], zone=zone)
    return ScheduleText(fields=_five_fields(rest), zone=zone)


def _split_zone(text: str) -> tuple[str, ZoneInfo | None]:
    prefix, equals, after = text.partition("=")
    if not equals or prefix not in ("TZ", "CRON_TZ"):
        return text, None
    words = after.split(maxsplit=1)
    name = "" if not words or after[:1].isspace() else words[0]
    try:
        zone = ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ValueError(f"`{name}` is no time zone; a name such as Europe/Berlin or UTC") from None
    return (words[1] if len(words) > 1 else ""), zone


def _every(text: str) -> int:
    duration = text.removeprefix("@every")
    if duration and not duration[0].isspace():
        raise ValueError(f"`{text}` is no descriptor; an interval is written `@every 1h30m`")
    number = duration.strip().removeprefix("+")
    at, total = 0, 0
    while match := _DURATION.match(number, at):
        whole, _, fraction = match[1].partition(".")
        unit = _UNITS_NS[match[2]]
        total += int(whole or "0") * unit
        if fraction:
            total += int(fraction) * unit // 10 ** len(fraction)
        at = match.end()
    if at == 0 or at != len(number):
        raise ValueError(f"`{duration.strip()}` is no duration; one such as 90s, 15m or 1h30m")
    if not 10**9 <= total <= _MAX_EVERY_NS:
        raise ValueError("an interval of `@every` is at least 1 s and at most 290 years")
    return total // 10**9


def _five_fields(text: str) -> str:
    fields = text.upper().split()
    if len(fields) != 5:
        raise ValueError(f"has {len(fields)} fields, not five: minute, hour, day of month, month, day of week")
    for name, field, symbols in zip(_FIELD_NAMES, fields, _SYMBOLS, strict=True):
        if not _FIELD.fullmatch(field) or not symbols.issuperset(_WORDS.findall(field)):
            raise ValueError(f"`{field}` is no {name}")
    fields = [_ONE_VALUE.sub(r"\1", field.replace("?", "*")) for field in fields]
    fields[2] = _restricting(fields[2], "1-31")
    fields[4] = _restricting(fields[4], "0-6")
    expression = " ".join(fields)
    try:
        CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC))
    except (CronSimError, ValueError) as error:
        raise ValueError(_reason(error, fields)) from error
    return expression


def _restricting(field: str, everything: str) -> str:
    """A day field so that it begins with `*` only if it allows every day: cronsim goes by that."""
    if any(_EVERY_DAY.fullmatch(term) for term in field.split(",")):
        return "*"
    return _STEPS.sub(everything, field)


def _reason(error: Exception, fields: list[str]) -> str:
    if str(error) == "Bad day-of-month" and re.fullmatch("(29|30|31|,)+", fields[2]):
        return f"day `{fields[2]}` is in no month `{fields[3]}`, it would never fire"
    message = str(error).replace("-", " ")
    for name, field in zip(_FIELD_NAMES, fields, strict=True):
        if message == f"Bad {name}":
            return f"`{field}` is no {name}"
    return f"is no schedule of five fields: {' '.join(fields)}"
