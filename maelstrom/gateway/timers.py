"""Deadlines for very many connections at next to no cost: one timer of the loop for all of them.

A connection is watched in one slot of 50 ms, found again when that comes, and tells then when to look next. So a
deadline that moves away costs nothing, only one that comes nearer moves the connection to another slot. It must not
know what a deadline means.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from math import inf
from typing import Final, Protocol

SLOT_SECONDS: Final = 0.05


class Watched(Protocol):
    """Something with a deadline. `watched_at` is kept by Timers: the time of its slot, infinite if it has none."""

    watched_at: float

    def due(self, now: float) -> float:
        """Its time has come, or may have: acts, and returns when to look next (monotonic, s; inf: never)."""
        ...


class Timers:
    """All deadlines of one gateway. Times are those of `monotonic`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, monotonic: Callable[[], float]) -> None:
        self._loop = loop
        self._monotonic = monotonic
        self._slots: dict[int, set[Watched]] = {}
        self._order: list[int] = []  # heap of the keys of _slots
        self._handle: asyncio.TimerHandle | None = None
        self._armed = 0  # the slot that _handle waits for

    def watch(self, entry: Watched, at: float) -> None:
        """Looks at `entry` at the latest one slot after `at`, and no more at the time that was set before."""
        if entry.watched_at != inf:
            self.forget(entry)
        if at == inf:
            return
        slot = int(at / SLOT_SECONDS) + 1
        entry.watched_at = slot * SLOT_SECONDS
        entries = self._slots.get(slot)
        if entries is None:
            entries = self._slots[slot] = set()
            heapq.heappush(self._order, slot)
            if self._handle is None or slot < self._armed:
                self._arm()
        entries.add(entry)

    def forget(self, entry: Watched) -> None:
        if entry.watched_at != inf:
            entries = self._slots.get(round(entry.watched_at / SLOT_SECONDS))
            if entries is not None:
                entries.discard(entry)
            entry.watched_at = inf

    def close(self) -> None:
        self._disarm()
        self._slots.clear()
        self._order.clear()

    def _arm(self) -> None:
        self._disarm()
        if self._order:
            self._armed = self._order[0]
            delay = self._armed * SLOT_SECONDS - self._monotonic()
            self._handle = self._loop.call_later(max(0.0, delay), self.look)

    def _disarm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def look(self) -> None:
        """Looks at all whose time has come; the loop calls it in time."""
        self._disarm()
        now = self._monotonic()
        while self._order and self._order[0] * SLOT_SECONDS <= now:
            for entry in self._slots.pop(heapq.heappop(self._order)):
                if entry.watched_at == inf:
                    continue  # forgotten by one that was due before it
                entry.watched_at = inf
                try:
                    self.watch(entry, entry.due(now))
                except Exception as error:  # noqa: BLE001 - its own fault, told to the loop; the others' deadlines stand
                    message = f"the deadline of {entry!r} could not be looked at"
                    self._loop.call_exception_handler({"message": message, "exception": error})
        if self._handle is None:
            self._arm()
