"""A pool of lent slots. The pool's own rules hold; what must be told is told.

Pure. It must not know what is sent.
"""

from __future__ import annotations

from typing import Final, Protocol

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool, Waiter
from maelstrom.model.component import Component
from maelstrom.model.errors import MaelstromError
from maelstrom.plan.lanes import Lane

STINT_SECONDS: Final = 0.02  # in which a worker gives back all that it has, if others wait


class Desk(Protocol):
    """`borrower.Borrower`, as its pools see it."""

    def comes(self, pool: LentPool, waiter: Waiter) -> None:
        """It waits from now on."""
        ...

    def over(self, pool: LentPool, waiter: Waiter) -> None:
        """It waits no more, and the main process does not know yet."""
        ...

    def gives_back(self, instance: Instance, slots: int, idle: int) -> None:
        """They are taken out of the instance's limit already."""
        ...

    def doubts(self, instance: Instance) -> None: ...


class LentPool(Pool):
    """`instance.limit` is how many of its slots this worker has."""

    __slots__ = (
        *("_borrower", "_had", "asked", "looked_at", "pressed", "quiet", "short_at"),
        *("told_quiet", "told_served", "turn"),
    )

    def __init__(self, component: Component, borrower: Desk) -> None:
        super().__init__(component, _nothing, _nothing)
        self._borrower = borrower
        self.pressed = False  # somebody else waits: nothing that is free is kept, and nothing for long
        self.turn = float("-inf")  # monotonic; from then on the next slot that is free is for others
        self._had = 1  # slots, since it is pressed
        self.short_at = float("-inf")  # monotonic; when there was last too little
        self.asked: dict[Waiter, tuple[float, int]] = {}  # who waits in the main process, too: since, as whom
        self.looked_at = float("-inf")  # monotonic; when it was last looked for more
        self.quiet: dict[Waiter, float] = {}  # who waits here only, and since when
        self.told_quiet = 0  # what the main process knows of that
        self.told_served = 0  # of `served`

    # what a door calls

    def release(self, instance: Instance, now: float) -> None:
        if (self.pressed and self._is_due(now)) or instance.suspect or instance.state != "ready":
            instance.limit -= 1  # first: nobody who waits here may take it
            super().release(instance, now)
            self._borrower.gives_back(instance, 1, 0)
        else:
            super().release(instance, now)

    def _is_due(self, now: float) -> bool:
        """Whether others get the slot that is free now, also if somebody waits here: in even steps, so that within a
        stint all that were here have changed hands."""
        if now < self.turn and self.queue and not self.component.definition.fairness:
            return False
        self.turn = now + STINT_SECONDS / max(self._had, self.in_flight)
        return True

    def withdraw(self, waiter: Waiter) -> bool:
        waited = super().withdraw(waiter)
        if waited:
            self._borrower.over(self, waiter)
        return waited

    def suspect(self, instance: Instance) -> None:
        if instance.state == "ready" and not instance.suspect:
            instance.suspect = True
            self._borrower.doubts(instance)

    def grant(self) -> None:
        over = self._borrower.over
        while self.queue:
            instance = min((i for i in self.instances if i.accepts), key=_in_flight, default=None)
            if instance is None:
                return
            waiter = next(iter(self.queue)) if self._lanes is None else self._lanes.take()
            del self.queue[waiter]
            over(self, waiter)
            instance.in_flight += 1
            self.in_flight += 1
            waiter.granted(instance)

    def refuse_all(self, error: MaelstromError) -> None:
        for waiter in self.queue:
            self._borrower.over(self, waiter)
        super().refuse_all(error)

    def _enqueue(self, waiter: Waiter) -> None:
        super()._enqueue(waiter)
        self._borrower.comes(self, waiter)

    def _check_deadline(self, waiter: Waiter, lane: Lane) -> None:
        """Only the main process knows how many slots there will be."""

    # what the borrower calls

    def press(self, pressed: bool) -> None:
        if pressed and not self.pressed:
            self._had = max(1, self.in_flight)
        self.pressed = pressed

    def came(self, had: int, now: float) -> None:
        """More slots are in use; so many were."""
        self._had = self.in_flight if not had else max(self._had, self.in_flight)
        first = now + STINT_SECONDS / max(1, self._had)
        self.turn = min(self.turn, first) if had else first

    def serve(self, waiter: Waiter, instance: Instance) -> None:
        """The slot that the main process granted to this very waiter."""
        super().withdraw(waiter)
        instance.in_flight += 1
        self.in_flight += 1
        waiter.granted(instance)

    def refuse(self, waiter: Waiter, error: MaelstromError) -> None:
        super().withdraw(waiter)
        waiter.refused(error)


def _in_flight(instance: Instance) -> int:
    return instance.in_flight


def _nothing(pool: Pool) -> None:
    """Mirrors start and stop nothing."""
