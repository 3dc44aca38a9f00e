"""What a source holds: a `Lease`, and the `Slot`s by which it uses it.

A poller takes a slot before it polls, has it admitted when the poll brought work, and gives it back when both are over:

    slot = lease.take()                      # None: await lease.changed() and try again
    epoch = await slot.admit(seconds)        # right before the request, whose time is at most `seconds`
    slot.give_back()                         # always, once the poll brought nothing or the request has ended

The rules are `term.Term`'s; here is what needs a loop: waiting, and waking those who wait. It must not know of the
database: what is to be asked there is left with the term, and its keeper is woken.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import Protocol

from maelstrom.leases.fitness import Fitness
from maelstrom.leases.later import Later
from maelstrom.leases.term import AGAIN_SECONDS, Term, Use, Verdict
from maelstrom.model.clock import Clock
from maelstrom.model.errors import LeaseLost

log = logging.getLogger("maelstrom.leases")


class Holder(Protocol):
    """What a lease needs of its keeper."""

    @property
    def clock(self) -> Clock: ...

    @property
    def patience_seconds(self) -> float:
        """How long work may wait for a lease that was lost."""
        ...

    @property
    def stopped(self) -> bool:
        """No lease will come back."""
        ...

    def trusts(self, now: float) -> bool:
        """Whether nobody can have buried the own session before `now`."""
        ...

    def wake(self) -> None:
        """There is something to ask the database."""
        ...

    @property
    def later(self) -> Later:
        """Tasks of this node that are answered later."""
        ...

    async def pause(self, term: Term, seconds: float) -> None:
        """All nodes rest. Raises Unavailable."""
        ...

    def speak(self) -> None:
        """What this node says of itself has changed: the next statement is sent at once and tells others."""
        ...


class Lease:
    """The right of this node to work on up to `capacity` items of one source at a time."""

    def __init__(self, name: str, term: Term, holder: Holder) -> None:
        self.name = name  # of the source, for people
        self.term = term
        self.fitness = Fitness()
        self.dropped = False
        self._holder = holder
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def capacity(self) -> int:
        """Slots that this node has, of the source's limit over the cluster."""
        return self.term.capacity

    @property
    def epoch(self) -> int:
        """Rises over the cluster with each new lease of the source; 0 before the first."""
        return self.term.epoch

    @property
    def busy(self) -> int:
        """Slots in use: polls, work that waits to be admitted, requests."""
        return self.term.busy

    @property
    def in_flight(self) -> int:
        """Requests open towards components."""
        return self.term.in_flight

    def take(self) -> Slot | None:
        """A slot for one poll that may bring one item; None while there is none free, or none may be used."""
        now = self._holder.clock.monotonic()
        term = self.term
        if term.free <= 0 or term.allowed is None or now < term.paused_until or not self._holder.trusts(now):
            return None
        return Slot(self, self._holder)

    async def changed(self) -> None:
        """Until `take` may have another answer: capacity, trust, the source's state, or a slot given back."""
        change = asyncio.get_running_loop().create_future()
        self._waiting.append(change)
        await change

    @property
    def allowed_seconds(self) -> float:
        """The longest deadline that requests may have now: one that was raised counts once it cannot be lost any more.

        Known whenever a slot was taken.
        """
        return self.term.allowed or 0.0

    async def pause(self, seconds: float) -> None:
        """No node polls the source for so long from when it hears of it, this one from now on; 0 ends a pause.

        Raises Unavailable where the database does not confirm it.
        """
        await self._holder.pause(self.term, seconds)

    def paused_seconds(self) -> float:
        """How long the source still rests; 0: it does not. `changed` tells of its end."""
        return max(0.0, self.term.paused_until - self._holder.clock.monotonic())

    def unfit(self, reason: str) -> None:
        """A poll, or a start of the component, has failed: to be called each time, whatever the error.

        Once that has gone on for 10 s, with no call of `fit` between, this node is dealt no share of the source, unless
        no node is fit for it: open work goes on, but no slot is free and the capacity goes to other nodes. After 30 s,
        later after up to 10 min, it is dealt in again; then the first error is enough. `reason` is for the log. Costs
        nothing but the first time.
        """
        now = self._holder.clock.monotonic()
        if self.fitness.failed(now, random.random()):
            fields = {"source": self.name, "reason": reason}
            log.warning("this node leaves a source to others until it can work it", extra=fields)
            self._holder.speak()

    def fit(self) -> None:
        """A poll has reached the service, or the component has answered: ends whatever `unfit` began, at once.

        To be called each time; costs nothing while there is no trouble.
        """
        if self.fitness.troubled and self.fitness.well(self._holder.clock.monotonic()):
            log.info("this node can work a source again", extra={"source": self.name})
            self._holder.speak()

    def tell(self) -> None:
        """Wakes all who wait in `changed`."""
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            if not change.done():
                change.set_result(None)


class Slot:
    """One unit of a lease's capacity, from the poll to the end of the request that it brought."""

    def __init__(self, lease: Lease, holder: Holder) -> None:
        self._lease = lease
        self._holder = holder
        self._use = Use.NONE
        self._deadline = 0.0  # of the request, by the holder's clock
        self._turn(Use.POLL)

    async def admit(self, seconds: float) -> int:
        """Waits until a request of at most `seconds` may be dispatched; then it counts as in flight. The lease's epoch.

        The request's own time must begin within `term.SLACK_SECONDS` of the return. Returns without suspending if the
        database has confirmed the lease within the last second. Raises LeaseLost where no lease came back in time.
        """
        self._turn(Use.WAIT)
        lost_at: float | None = None
        while True:
            now = self._holder.clock.monotonic()
            verdict = self._verdict(now, seconds)
            if verdict is Verdict.GO:
                self._deadline = now + seconds
                self._turn(Use.FLIGHT, deadline=self._deadline)
                return self._lease.epoch
            if verdict is Verdict.LOST:
                lost_at = now if lost_at is None else lost_at
                if self._holder.stopped or self._lease.dropped or now - lost_at >= self._holder.patience_seconds:
                    raise LeaseLost(f"the lease of {self._lease.name} was lost while work waited for it")
            else:
                lost_at = None
            if verdict is Verdict.ASK:
                self._lease.term.want(now, seconds)
                self._holder.wake()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_SECONDS):
                    await self._lease.changed()

    async def defer(self, task: str, seconds: float) -> bool:
        """The request is over, but its work goes on for at most so long: until `keeper.answered(task)` on any node.

        From then on it counts without this slot, whatever becomes of this node. False if the database did not confirm
        that before the request's own deadline: the work is then no longer counted, and must be told to be over.
        """
        moved: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def move(there: bool) -> None:
            if there:
                self._turn(Use.NONE)
            if not moved.done():
                moved.set_result(there)

        later, clock = self._holder.later, self._holder.clock
        later.add(task, self._lease.term, until=clock.monotonic() + seconds, moved=move)
        self._holder.wake()
        try:
            while not moved.done() and not self._holder.stopped and clock.monotonic() < self._deadline:
                await asyncio.wait((moved,), timeout=AGAIN_SECONDS)
        finally:
            later.withdraw(task)
        return moved.done() and moved.result()

    def give_back(self) -> None:
        """The slot is free again; a second call does nothing."""
        self._turn(Use.NONE)
        self._lease.tell()
        if self._lease.term.excess or self._lease.term.spent:
            self._holder.wake()

    def _verdict(self, now: float, seconds: float) -> Verdict:
        if self._holder.stopped or not self._holder.trusts(now):
            return Verdict.LOST
        return self._lease.term.verdict(now, seconds)

    def _turn(self, use: Use, *, deadline: float = 0.0) -> None:
        if use is not self._use:
            self._lease.term.move(self, self._use, use, deadline)
            self._use = use
