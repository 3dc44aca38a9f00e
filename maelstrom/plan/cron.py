"""Which planned times of a cron source are to be fired, and when to look again. Pure: time is handed in.

Times are seconds since 1970; planned ones are whole. All that counts is which of them have come and not been decided:
who really fires one is decided in the ledger, which takes each only once. So a clock that is set back repeats nothing,
and one that is set forward brings no more than the source's rule of catching up allows.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, takewhile
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from maelstrom.model.cron import Anchor, Catchup, OpenRun
from maelstrom.model.source import CronSource
from maelstrom.plan.schedule import Schedule

ON_TIME_SECONDS = 5  # a time that came so long ago was not missed: it only waited its turn
MOST_MADE_UP = 100
_FIRST_SPAN = 3600  # s; how far back is looked at first

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Timetable:
    """One source's planned times."""

    schedule: Schedule
    zone: ZoneInfo  # where the schedule itself names none
    anchor: Anchor
    catchup: Catchup
    catchupseconds: int

    @classmethod
    def of(cls, definition: CronSource, anchor: Anchor, daemon_zone: ZoneInfo) -> Timetable:
        zone = ZoneInfo(definition.timezone) if definition.timezone else daemon_zone
        return cls(Schedule.parse(definition.schedule), zone, anchor, definition.catchup, definition.catchupseconds)

    def next_after(self, moment: float) -> int | None:
        """The first planned time strictly after it; None where there is none any more."""
        return next(self._times_after(moment), None)

    def due(self, after: float, now: float) -> list[int]:
        """What is to be fired of the times in (after, now], in order: those that have just come, and of those that
        were missed as many as `catchup` says, none longer ago than `catchupseconds`.
        """
        reach = 0 if self.catchup == "none" else self.catchupseconds
        low = max(after, self.anchor.since, now - max(reach, ON_TIME_SECONDS))
        times = self._newest(low, now)
        if self.catchup == "last" and times and times[0] <= now - ON_TIME_SECONDS:
            return times[-1:]
        return times

    def _newest(self, low: float, now: float) -> list[int]:
        """The last hundred in (low, now]."""
        if every := self.schedule.parsed.every:
            low = max(low, now - MOST_MADE_UP * every)
        span = _FIRST_SPAN
        while True:
            start = max(low, now - span)
            found = list(takewhile(lambda time: time <= now, self._times_after(start)))
            if start <= low or len(found) >= MOST_MADE_UP:
                return found[-MOST_MADE_UP:]
            span *= 2

    def _times_after(self, moment: float) -> Iterator[int]:
        if every := self.schedule.parsed.every:
            return count(self.anchor.at + max(1, int((moment - self.anchor.at) // every) + 1) * every, every)
        local = datetime.fromtimestamp(moment, UTC).astimezone(self.zone)
        return (int(found.timestamp()) for found in self.schedule.times_after(local))


class Agenda(Generic[K]):
    """When each of many is next due; cheap for thousands of which few change."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._entries: dict[int, K] = {}
        self._current: dict[K, int] = {}
        self._number = 0

    def set(self, key: K, at: float | None) -> None:
        """Instead of what was set before; None: never."""
        self.drop(key)
        if at is None:
            return
        self._number += 1
        self._entries[self._number] = key
        self._current[key] = self._number
        heapq.heappush(self._heap, (at, self._number))

    def drop(self, key: K) -> None:
        number = self._current.pop(key, None)
        if number is not None:
            del self._entries[number]

    def clear(self) -> None:
        self._heap.clear()
        self._entries.clear()
        self._current.clear()

    @property
    def next_at(self) -> float | None:
        while self._heap and self._heap[0][1] not in self._entries:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> list[K]:
        """Those whose time has come, in order; they are no longer on it."""
        found = []
        while (at := self.next_at) is not None and at <= now:
            _, number = heapq.heappop(self._heap)
            key = self._entries.pop(number)
            del self._current[key]
            found.append(key)
        return found


class Waits:
    """Runs that other processes have open, each over at the latest when its row has stood still for its promise.

    The wait begins when the row was first seen so; times are this process's own steady clock's.
    """

    def __init__(self) -> None:
        self._since: dict[OpenRun, float] = {}

    def see(self, rows: Iterable[OpenRun], now: float) -> None:
        """All that are open now; `now`: after they were read."""
        self._since = {row: self._since.get(row, now) for row in rows}

    def over(self, now: float) -> list[OpenRun]:
        return [row for row, since in self._since.items() if now >= since + row.promise_ms / 1000]

    def soonest(self) -> float | None:
        """When the next of them is over."""
        return min((since + row.promise_ms / 1000 for row, since in self._since.items()), default=None)
