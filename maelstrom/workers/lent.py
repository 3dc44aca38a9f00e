"""A pool of lent slots, and the tickets of those who wait in it. The pool's own rules hold; what must be told is told.

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

    def comes(self, ticket: Ticket) -> None:
        """It waits from now on."""
        ...

    def over(self, ticket: Ticket) -> None:
        """It waits no more, and the main process does not know yet."""
        ...

    def gives_back(self, instance: Instance, slots: int, idle: int) -> None:
        """They are taken out of the instance's limit already."""
        ...

    def doubts(self, instance: Instance) -> None: ...


class Ticket:
    """A waiter in a worker's pool: whoever serves it, both queues know."""

    __slots__ = ("id", "patient", "pool", "waiter")

    def __init__(self, pool: LentPool, waiter: Waiter) -> None:
        self.pool = pool
        self.id = 0  # what it is called in messages, when there are any
        self.waiter = waiter
        self.patient = waiter.patient

    def granted(self, instance: Instance) -> None:
        self.pool.served_here(self)
        self.waiter.granted(instance)

    def refused(self, error: MaelstromError) -> None:
        self.pool.served_here(self)
        self.waiter.refused(error)

    def seconds_left(self) -> float:
        return self.waiter.seconds_left()

    def fairness_key(self, by: str) -> bytes:
        return self.waiter.fairness_key(by)


class LentPool(Pool):
    """A pool of lent slots. `instance.limit` is how many of its slots this worker has."""

    __slots__ = (
        *("_borrower", "_had", "asked", "looked_at", "pressed", "quiet", "short_at"),
        *("tickets", "told_quiet", "told_served", "turn"),
    )

    def __init__(self, component: Component, borrower: Desk) -> None:
        super().__init__(component, _nothing, _nothing)
        self._borrower = borrower
        self.pressed = False  # somebody else waits: nothing that is free is kept, and nothing for long
        self.turn = float("-inf")  # monotonic; from then on the next slot that is free is for others
        self._had = 1  # slots, since it is pressed
        self.short_at = float("-inf")  # monotonic; when there was last too little
        self.tickets: dict[Waiter, Ticket] = {}
        self.asked: dict[Ticket, float] = {}  # who waits in the main process's line, and since when
        self.looked_at = float("-inf")  # monotonic; when it was last looked for more
        self.quiet: dict[Ticket, float] = {}  # who waits here only
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
        ticket = self.tickets.get(waiter)
        if ticket is None:
            return False
        self.served_here(ticket)
        return super().withdraw(ticket)

    def suspect(self, instance: Instance) -> None:
        if instance.state == "ready" and not instance.suspect:
            instance.suspect = True
            self._borrower.doubts(instance)

    def _enqueue(self, waiter: Waiter) -> None:
        ticket = Ticket(self, waiter)
        super()._enqueue(ticket)
        self.tickets[waiter] = ticket
        self._borrower.comes(ticket)

    def _check_deadline(self, waiter: Waiter, lane: Lane) -> None:
        """Only the main process knows how many slots there will be."""

    # what the borrower and the tickets call

    def press(self, pressed: bool) -> None:
        if pressed and not self.pressed:
            self._had = max(1, self.in_flight)
        self.pressed = pressed

    def came(self, had: int, now: float) -> None:
        """More slots are in use; so many were."""
        self._had = self.in_flight if not had else max(self._had, self.in_flight)
        first = now + STINT_SECONDS / max(1, self._had)
        self.turn = min(self.turn, first) if had else first

    def served_here(self, ticket: Ticket) -> None:
        """It waits no more, and the main process does not know yet."""
        self.tickets.pop(ticket.waiter, None)
        self._borrower.over(ticket)

    def serve(self, ticket: Ticket, instance: Instance) -> None:
        """The slot that the main process granted to this very waiter."""
        self.tickets.pop(ticket.waiter, None)
        super().withdraw(ticket)
        instance.in_flight += 1
        self.in_flight += 1
        ticket.waiter.granted(instance)

    def refuse(self, ticket: Ticket, error: MaelstromError) -> None:
        self.tickets.pop(ticket.waiter, None)
        super().withdraw(ticket)
        ticket.waiter.refused(error)


def _nothing(pool: Pool) -> None:
    """Mirrors start and stop nothing."""
