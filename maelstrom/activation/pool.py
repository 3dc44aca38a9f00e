"""The sans-I/O heart of activation: who gets which instance of one component, and who waits.

Claim first, then I/O: a claim takes a slot in one synchronous step. Rules, checked by the property tests: never more
claims on an instance than its limit; none on one that drains, is suspect or not ready; every waiter is granted, refused
or withdrawn exactly once; waiters are granted in the order of their arrival. It must not know of sockets, clocks,
asyncio or the engine; time is handed in where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from maelstrom.activation.instance import Instance
from maelstrom.activation.urgency import Urgency
from maelstrom.model.component import Component
from maelstrom.model.errors import Draining, MaelstromError, NoRoute, QueueFull

NO_LIMIT = 1 << 30


class Waiter(Protocol):
    """Somebody who waits for an instance. Exactly one of the two is called, once, unless it was withdrawn before."""

    patient: bool  # no person waits: a start for a person goes first

    def granted(self, instance: Instance) -> None: ...

    def refused(self, error: MaelstromError) -> None: ...


class Lender(Protocol):
    """Who lends slots of a pool to other processes. Lent slots are claims, used or not, until they are back."""

    def wanted(self, pool: Pool) -> None:
        """Somebody waits, and no slot is free here."""
        ...

    def recall(self, pool: Pool, instance: Instance) -> None:
        """It gets no more requests: slots that are not in use come back at once, the others when they are free."""
        ...


class Pool:
    """All instances of one component on this node and the queue in front of them."""

    __slots__ = (
        "closed",
        "component",
        "draining",
        "failure",
        "in_flight",
        "instances",
        "lender",
        "on_idle",
        "on_want",
        "queue",
        "served",
    )

    def __init__(self, component: Component, on_want: Callable[[Pool], None], on_idle: Callable[[Pool], None]) -> None:
        self.component = component
        self.instances: list[Instance] = []  # all that exist, in the order of their start
        self.queue: dict[Waiter, None] = {}  # FIFO with O(1) withdrawal
        self.in_flight = 0
        self.served = 0
        self.failure: MaelstromError | None = None  # why no start is tried now: handed to new claims at once
        self.draining = False  # the node stops: no new claims
        self.closed = False  # the component is removed
        self.lender: Lender | None = None
        self.on_want = on_want  # somebody waits and no instance is free
        self.on_idle = on_idle  # an instance that drains has ended its last request

    # what a door calls

    def claim(self, waiter: Waiter) -> Instance | None:
        """An instance with a slot taken, or None: the waiter is queued and will be told.

        Raises QueueFull, Draining, or what made the last start fail while the back-off lasts.
        """
        best: Instance | None = None
        least = NO_LIMIT
        if not self.queue:
            for instance in self.instances:
                n = instance.in_flight
                if n < least and instance.state == "ready" and not instance.suspect and n < instance.limit:
                    best = instance
                    if not n:
                        break
                    least = n
        if best is not None and not self.draining:
            best.in_flight += 1
            self.in_flight += 1
            return best
        self._enqueue(waiter)
        return None

    def release(self, instance: Instance, now: float) -> None:
        """The exchange on that slot has ended, however it did; `now` is monotonic and starts the idle time."""
        instance.in_flight -= 1
        instance.last_used = now
        self.in_flight -= 1
        self.served += 1
        if self.queue:
            self.grant()
        if not instance.in_flight and instance.state != "ready":
            self.on_idle(self)

    def withdraw(self, waiter: Waiter) -> bool:
        """The waiter is gone (client left, deadline). False if it was not waiting any more."""
        if waiter in self.queue:
            del self.queue[waiter]
            return True
        return False

    def suspect(self, instance: Instance) -> None:
        """An exchange broke off: trust its address no more until the engine has confirmed it."""
        if instance.state == "ready" and not instance.suspect:
            instance.suspect = True
            self.on_want(self)
            self.recall(instance)

    # what activation calls

    def grant(self) -> None:
        """Gives free slots to those who wait, in order."""
        while self.queue:
            instance = min((i for i in self.instances if i.accepts), key=lambda i: i.in_flight, default=None)
            if instance is None:
                return
            waiter = next(iter(self.queue))
            del self.queue[waiter]
            instance.in_flight += 1
            self.in_flight += 1
            waiter.granted(instance)

    def refuse_all(self, error: MaelstromError) -> None:
        """Nobody who waits now can be served; each is told why."""
        queue, self.queue = self.queue, {}
        for waiter in queue:
            waiter.refused(error)

    def urgency(self) -> Urgency:
        """Who waits for a start now."""
        if any(not waiter.patient for waiter in self.queue):
            return Urgency.PEOPLE
        return Urgency.QUEUES if self.queue else Urgency.NOBODY

    def recall(self, instance: Instance) -> None:
        """It drains or is suspect: nobody else may go on granting what was lent of it."""
        if self.lender is not None:
            self.lender.recall(self, instance)

    @property
    def busy(self) -> int:
        """Requests in flight; slots that are lent and not in use are none."""
        return self.in_flight - sum(instance.spare for instance in self.instances)

    @property
    def demand(self) -> int:
        return self.busy + len(self.queue)

    # what a lender calls

    def lend(self, instance: Instance, n: int) -> None:
        """Takes `n` free slots; the lender has looked that there are so many."""
        instance.in_flight += n
        self.in_flight += n

    def take_back(self, instance: Instance, n: int, used: float) -> None:
        """`n` lent slots are free again; `used`: monotonic, when a request on this instance last ended there."""
        instance.in_flight -= n
        instance.last_used = max(instance.last_used, used)
        self.in_flight -= n
        if self.queue:
            self.grant()
        if not instance.in_flight and instance.state != "ready":
            self.on_idle(self)

    def _enqueue(self, waiter: Waiter) -> None:
        if self.draining:
            raise Draining("this node is stopping")
        if self.closed:
            raise NoRoute(f"{self.component.key.full_name} was removed")
        if self.failure is not None and not any(i.state in ("ready", "starting") for i in self.instances):
            raise self.failure
        limit = self.component.definition.maxqueue
        if len(self.queue) >= limit:
            name = self.component.key.full_name
            raise QueueFull(f"{len(self.queue)} requests wait for {name}, its maxqueue is {limit}", retry_after=1)
        self.queue[waiter] = None
        self.on_want(self)
        if self.lender is not None:
            self.lender.wanted(self)
