"""Whose turn it is where one who asks for much must not keep the others waiting: each key has a lane, lanes take turns.

In a lane the first to come is the first to go. It must not know what a key stands for, nor what waits.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

T = TypeVar("T")
Lane = bytes | int  # a key of its own, or the number of a lane that several keys share

KEYS: Final = 1024  # that have a lane of their own; the others share as many again
_TELLING: Final = 8  # turns of a lane, from which on they tell how often it has one
_REMEMBERED: Final = 128  # turns: older ones count half


class _Waiting(Generic[T]):
    """Who waits in one lane, and how many turns it has had out of how many since it has not been empty."""

    __slots__ = ("since", "turns", "waiters")

    def __init__(self, since: int) -> None:
        self.waiters: dict[T, None] = {}
        self.since = since
        self.turns = 0


class Lanes(Generic[T]):
    """Lanes that are not empty. All steps take constant time but `ahead` and `longest`, which look at every lane."""

    __slots__ = ("_keys", "_lanes", "_turns")

    def __init__(self, keys: int = KEYS) -> None:
        self._keys = keys
        self._lanes: dict[Lane, _Waiting[T]] = {}  # in the order of their next turns
        self._turns = 0

    def __len__(self) -> int:
        return len(self._lanes)

    def lane(self, key: bytes) -> Lane:
        """Where one with this key waits: where others with it do, so that they stay in order."""
        if key in self._lanes:
            return key
        shared = hash(key) % self._keys
        return key if shared not in self._lanes and len(self._lanes) < self._keys else shared

    def size(self, lane: Lane) -> int:
        found = self._lanes.get(lane)
        return 0 if found is None else len(found.waiters)

    def add(self, lane: Lane, waiter: T) -> None:
        found = self._lanes.get(lane)
        if found is None:
            found = self._lanes[lane] = _Waiting(self._turns)
        found.waiters[waiter] = None

    def remove(self, lane: Lane, waiter: T) -> None:
        waiters = self._lanes[lane].waiters
        del waiters[waiter]
        if not waiters:
            del self._lanes[lane]

    def take(self) -> T:
        """The one whose turn it is, taken out; its lane's next turn comes after all others'."""
        lane = next(iter(self._lanes))
        found = self._lanes.pop(lane)
        waiter = next(iter(found.waiters))
        del found.waiters[waiter]
        self._turns += 1
        if found.waiters:
            found.turns += 1
            if found.turns >= _REMEMBERED:
                found.turns //= 2
                found.since += (self._turns - found.since) // 2
            self._lanes[lane] = found
        return waiter

    def ahead(self, lane: Lane) -> int:
        """How many are served before a newcomer in this lane: those who wait, and more will come with other keys."""
        found = self._lanes.get(lane)
        if found is None:
            return 0
        own = len(found.waiters)
        if found.turns >= _TELLING:
            return own * (self._turns - found.since) // found.turns
        return own + sum(min(own, len(other.waiters)) for other in self._lanes.values() if other is not found)

    def longest(self) -> tuple[int, T]:
        """The size of the fullest lane, and the last who came to it."""
        waiters = max((found.waiters for found in self._lanes.values()), key=len)
        return len(waiters), next(reversed(waiters))

    def clear(self) -> None:
        self._lanes.clear()
