"""The sans-I/O heart of activation: who gets which instance of one component, and who waits.

Claim first, then I/O: a claim takes a slot in one synchronous step. Rules, checked by the property tests: never more
claims on an instance than its limit; none on one that drains, is suspect or not ready; every waiter is granted, refused
or withdrawn exactly once; waiters are granted in the order of their arrival, or where the component asks for fairness
in turns over their keys and in that order within a key. Who would still wait at its deadline is refused at once. It
must not know of sockets, clocks, asyncio or the engine; time is handed in where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from maelstrom.activation.instance import Instance
from maelstrom.activation.urgency import Urgency
from maelstrom.model.component import Component
from maelstrom.model.errors import Draining, MaelstromError, NoRoute, QueueFull
from maelstrom.plan.lanes import Lane, Lanes
from maelstrom.plan.pace import Pace, retry_after

NO_LIMIT = 1 << 30
_ONE_LANE: Lane = 0  # of all, where the component asks for no fairness
_WORK = 3.0  # times the mean are kept for the work itself and for bad luck: to be served too late helps nobody
_MOST_FOR_WORK = 0.5  # but no more of what is left: what long connections hold is in the mean, too


class Waiter(Protocol):
    """Somebody who waits for an instance. Exactly one of the two is called, once, unless it was withdrawn before."""

    patient: bool  # no person waits: a start for a person goes first

    def granted(self, instance: Instance) -> None: ...

    def refused(self, error: MaelstromError) -> None: ...

    # asked only if it has to wait

    def seconds_left(self) -> float:
        """Until its deadline; infinite if it is not to be refused because of it."""
        ...

    def fairness_key(self, by: str) -> bytes:
        """Whose request it is; `by` is the component's `fairness`, never empty."""
        ...


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
        "_fairness",
        "_lanes",
        "_pushed_out",
        "closed",
        "component",
        "draining",
        "elsewhere",
        "failure",
        "in_flight",
        "instances",
        "lender",
        "on_idle",
        "on_want",
        "pace",
        "queue",
        "served",
    )

    def __init__(self, component: Component, on_want: Callable[[Pool], None], on_idle: Callable[[Pool], None]) -> None:
        self.component = component
        self.instances: list[Instance] = []  # all that exist, in the order of their start
        self.queue: dict[Waiter, Lane] = {}  # all who wait, in the order of their arrival; O(1) withdrawal
        self.pace = Pace()
        self.in_flight = 0
        self.served = 0
        self.failure: MaelstromError | None = None  # why no start is tried now: handed to new claims at once
        self.draining = False  # the node stops: no new claims
        self.closed = False  # the component is removed
        self.lender: Lender | None = None
        self.elsewhere = 0  # who wait in other processes and (not yet) here, as far as was told
        self.on_want = on_want  # somebody waits and no instance is free
        self.on_idle = on_idle  # an instance that drains has ended its last request
        self._fairness = ""  # of the component, when somebody last had to wait
        self._lanes: Lanes[Waiter] | None = None  # of those in `queue`, where the component asks for fairness
        self._pushed_out: list[tuple[Waiter, QueueFull]] = []  # who have lost their place, and are to be told

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
            self.pace.ended(self.in_flight + 1, now)
            self.grant()
        if not instance.in_flight and instance.state != "ready":
            self.on_idle(self)

    def withdraw(self, waiter: Waiter) -> bool:
        """The waiter is gone (client left, deadline). False if it was not waiting any more."""
        if waiter in self.queue:
            lane = self.queue.pop(waiter)
            if self._lanes is not None:
                self._lanes.remove(lane, waiter)
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
        """Gives free slots to those who wait, in order or in turns."""
        while self.queue:
            instance = min((i for i in self.instances if i.accepts), key=lambda i: i.in_flight, default=None)
            if instance is None:
                return
            waiter = next(iter(self.queue)) if self._lanes is None else self._lanes.take()
            del self.queue[waiter]
            instance.in_flight += 1
            self.in_flight += 1
            waiter.granted(instance)

    def refuse_all(self, error: MaelstromError) -> None:
        """Nobody who waits now can be served; each is told why."""
        queue, self.queue = self.queue, {}
        if self._lanes is not None:
            self._lanes.clear()
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
        return self.busy + len(self.queue) + self.elsewhere

    # what a lender calls

    def lend(self, instance: Instance, n: int) -> None:
        """Takes `n` free slots; the lender has looked that there are so many."""
        instance.in_flight += n
        self.in_flight += n

    def take_back(self, instance: Instance, n: int, used: float, *, ended: int = 0, now: float = 0.0) -> None:
        """`n` lent slots are free again; so many requests have `ended` where they were lent, `now` or before.

        `used`: monotonic, when a request on this instance last ended there.
        """
        instance.in_flight -= n
        instance.last_used = max(instance.last_used, used)
        self.in_flight -= n
        self.served += ended
        if self.queue:
            if ended:
                self.pace.ended_since(self.in_flight + n, now, ended)
            self.grant()
        if not instance.in_flight and instance.state != "ready":
            self.on_idle(self)

    def _enqueue(self, waiter: Waiter) -> None:
        if self.draining:
            raise Draining("this node is stopping")
        if self.closed:
            raise NoRoute(f"{self.component.key.full_name} was removed")
        if self.failure is not None and not any(i.state in ("ready", "starting", "frozen") for i in self.instances):
            raise self.failure
        definition = self.component.definition
        if definition.fairness != self._fairness:
            self._be_fair(definition.fairness)
        lane = _ONE_LANE if self._lanes is None else self._lanes.lane(waiter.fairness_key(self._fairness))
        self._check_deadline(waiter, lane)
        full = self._make_room(lane, definition.maxqueue) if len(self.queue) >= definition.maxqueue else None
        if not self.queue:
            self.pace.begin()
        self.queue[waiter] = lane
        if self._lanes is not None:
            self._lanes.add(lane, waiter)
        self.on_want(self)
        if self.lender is not None:
            self.lender.wanted(self)
        if full is not None:
            self._tell(*full)

    def _check_deadline(self, waiter: Waiter, lane: Lane) -> None:
        """Refuses who would not be served in time. Only what was measured until now says that, and no guess."""
        slots = self.in_flight
        if not self.pace.is_sure(slots) or any(i.state in ("starting", "frozen") for i in self.instances):
            return
        left = waiter.seconds_left()
        usable = left - min(self.pace.seconds(1, 1) * _WORK, left * _MOST_FOR_WORK)
        wait = self.pace.seconds(len(self.queue) if self._lanes is None else self._lanes.ahead(lane), slots)
        if wait > usable:
            name = self.component.key.full_name
            raise QueueFull(
                f"{len(self.queue)} requests wait for {name}: another would wait about {wait:.1f} s and has {left:.1f}",
                hint="give it more time, or come back when fewer wait",
                retry_after=retry_after(wait - usable),
            )

    def _make_room(self, lane: Lane, limit: int) -> tuple[Waiter, QueueFull]:
        """The queue is full: takes the place of one whose key has more than its share, or raises QueueFull."""
        error = self._full(limit)
        lanes = self._lanes
        if lanes is None:
            raise error
        own = lanes.size(lane)
        if own * (len(lanes) + (not own)) >= limit:
            raise error
        longest, last = lanes.longest()
        if longest <= own + 1:
            raise error
        self.withdraw(last)
        return last, error

    def _tell(self, waiter: Waiter, error: QueueFull) -> None:
        """That it has lost its place. Who is told may come again at once, and push out others: they are told after it,
        not by a call within its own."""
        self._pushed_out.append((waiter, error))
        if len(self._pushed_out) > 1:
            return
        while self._pushed_out:
            waiter, error = self._pushed_out[0]
            waiter.refused(error)
            del self._pushed_out[0]

    def _full(self, limit: int) -> QueueFull:
        waiting = len(self.queue)
        return QueueFull(
            f"{waiting} requests wait for {self.component.key.full_name}, its maxqueue is {limit}",
            retry_after=retry_after(self.pace.seconds(waiting, self.in_flight)),
        )

    def _be_fair(self, by: str) -> None:
        """From now on by this; who waits already is put in lanes anew, in the order of arrival."""
        self._fairness = by
        lanes: Lanes[Waiter] | None = Lanes() if by else None
        self._lanes = lanes
        for waiter in self.queue:
            lane = self.queue[waiter] = _ONE_LANE if lanes is None else lanes.lane(waiter.fairness_key(by))
            if lanes is not None:
                lanes.add(lane, waiter)
