"""When a schedule fires next. Pure: the moment is handed in, nothing reads a clock.

Daylight saving is cronsim's, after Debian's cron. Where neither minute nor hour begins with `*`, times are fixed: those
in a skipped hour fire once, right after it; those in a repeated hour fire in its first pass only. All others go by
elapsed time: nothing for the hour that there is not, and both passes of the one that is repeated. The times are the
same wherever one begins to look. `docs/cron.md` says it to users; `plan/cron` anchors intervals to a stored time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cronsim import CronSim

from maelstrom.model.schedule import ScheduleText, parse_schedule


@dataclass(frozen=True, slots=True)
class Schedule:
    """A checked schedule. `text` as it was written."""

    text: str
    parsed: ScheduleText

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Raises ValueError with the reason."""
        return cls(text, parse_schedule(text))

    def next_after(self, moment: datetime) -> datetime | None:
        """The first time strictly after `moment`, in the schedule's own zone, or in that of `moment` if it has none.

        `moment` is aware, with the daemon's zone as a ZoneInfo. None beyond the last year that datetime knows.
        """
        return next(self.times_after(moment), None)

    def times_after(self, moment: datetime) -> Iterator[datetime]:
        """All of them, in order; intervals count from `moment`, cut to whole seconds."""
        if moment.tzinfo is None:
            raise ValueError("the moment has no zone")
        local = moment if self.parsed.zone is None else moment.astimezone(self.parsed.zone)
        try:
            yield from self._intervals(local) if self.parsed.every else self._in_fields(local)
        except (OverflowError, ValueError):  # beyond the last year that datetime knows
            return

    def _intervals(self, local: datetime) -> Iterator[datetime]:
        found = local.astimezone(UTC).replace(microsecond=0)
        while True:
            found += timedelta(seconds=self.parsed.every)
            yield found.astimezone(local.tzinfo)

    def _in_fields(self, local: datetime) -> Iterator[datetime]:
        # In a repeated hour cronsim may give the earlier of two equal wall clock times, before `moment`; of several
        # times in a skipped hour it gives the same one for each.
        after = local.astimezone(UTC)
        for found in CronSim(self.parsed.fields, local):
            if (moment := found.astimezone(UTC)) > after:
                after = moment
                yield found
