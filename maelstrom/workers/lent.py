"""A pool of lent slots, and the tickets of those who wait in it. The pool's own rules hold; what must be told is told.

Pure. It must not know what is sent.
"""

from __future__ import annotations

from typing import Protocol

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool, Waiter
from maelstrom.model.component import Component
from maelstrom.model.errors import MaelstromError


class Desk(Protocol):
    """`borrower.Borrower`, as its pools see it."""

    def ticket(self, pool: LentPool, waiter: Waiter) -> Ticket: ...

    def wants(self, ticket: Ticket) -> None: ...

    def wants_no_more(self, ticket: Ticket) -> None: ...

    def gives_back(self, instance: Instance, slots: int, idle: int) -> None:
        """They are taken out of the instance's limit already."""
        ...

    def doubts(self, instance: Instance) -> None: ...


class Ticket:
    """A waiter in a worker's pool: whoever serves it, both queues know."""

    __slots__ = ("id", "patient", "pool", "waiter")

    def __init__(self, pool: LentPool, id: int, waiter: Waiter) -> None:
        self.pool = pool
        self.id = id
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

    __slots__ = ("_borrower", "pressed", "short_at", "tickets")

    def __init__(self, component: Component, borrower: Desk) -> None:
        super().__init__(component, _nothing, _nothing)
        self._borrower = borrower
        self.pressed = False  # somebody else waits: nothing that is free is kept
        self.short_at = float("-inf")  # monotonic; when there was last too little
        self.tickets: dict[Waiter, Ticket] = {}

    # what a door calls

    def release(self, instance: Instance, now: float) -> None:
        if self.pressed or instance.suspect or instance.state != "ready":
            instance.limit -= 1  # first: nobody who waits here may take it
            super().release(instance, now)
            self._borrower.gives_back(instance, 1, 0)
        else:
            super().release(instance, now)

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
        ticket = self._borrower.ticket(self, waiter)
        super()._enqueue(ticket)
        self.tickets[waiter] = ticket
        self._borrower.wants(ticket)

    # what the borrower and the tickets call

    def served_here(self, ticket: Ticket) -> None:
        """It waits no more, and the main process does not know yet."""
        self.tickets.pop(ticket.waiter, None)
        self._borrower.wants_no_more(ticket)

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
