"""Slots between two processes of one node while the former one drains: together they never exceed a container's limit.

From the moment of the switch the new process owns every instance. What the former one still has in flight counts there
as lent, slot by slot, until it is told that it has ended; whatever else it needs (for a request that waits, or one more
on a connection that is kept open) it asks for, and is granted in the order of the new process's own queue. Pure: no
clocks, no I/O; messages are lists, and kinds that are not known are passed over, so that versions may differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.model.errors import MaelstromError, NoRoute, Unavailable
from maelstrom.model.instance import Address
from maelstrom.workers.messages import Message, error_of

Send = Callable[[Message], None]


class Former:
    """The side that drains. Its pools go on; an instance's limit is what of it is held here, and sinks as that ends."""

    def __init__(self, pools: Iterable[Pool], send: Send) -> None:
        self._pools = {pool.component.key.full_name: pool for pool in pools}
        self._send = send
        self._known: dict[str, tuple[Pool, Instance]] = {}
        self._held: dict[str, int] = {}  # instance → slots that the new process counts as lent to this one
        self._http2: set[str] = set()  # instances of the new process that are spoken to so

    def switch(self) -> list[Message]:
        """Gives everything up but what is in flight: [instance, slots] of each."""
        for pool in self._pools.values():
            pool.on_idle = _nothing
            pool.on_want = self._want
            pool.failure = None
            for instance in pool.instances:
                pool.recall(instance)
                self._known[instance.id] = pool, instance
                instance.limit = instance.in_flight
                if instance.in_flight:
                    self._held[instance.id] = instance.in_flight
        return [[id, held] for id, held in self._held.items()]

    def begin(self) -> None:
        """The new process has heard of the switch: who waits here waits there."""
        for pool in self._pools.values():
            if pool.queue:
                self._want(pool)

    def look(self) -> None:
        """Gives back what has ended. To be called every few milliseconds."""
        for id in list(self._held):
            self._look_at(id)

    def told(self, message: Message) -> None:
        match message:
            case ["grant", str(component), str(id), int(version), str(host), int(port)]:
                self._granted(component, id, version, Address(host, port, id in self._http2))
            case ["refuse", str(component), str(text), str(hint)]:
                self._refused(component, Unavailable(text, hint=hint))
            case ["refuse", str(component), str(text), str(hint), str(code)]:
                self._refused(component, error_of(code, text, hint, {}))
            case ["http2", str(id)]:
                self._http2.add(id)
            case ["gone", str(id)]:
                if id in self._known:
                    self._known[id][1].cut()

    def abandoned(self) -> None:
        """The new process is gone: nobody will grant anything."""
        for pool in self._pools.values():
            pool.on_want = _nothing
            pool.draining = True
            pool.refuse_all(Unavailable("this node was restarted"))

    def _want(self, pool: Pool) -> None:
        if pool.queue:
            self._send(["want", pool.component.key.full_name, len(pool.queue)])

    def _granted(self, component: str, id: str, version: int, address: Address) -> None:
        pool = self._pools.get(component)
        if pool is None:
            self._send(["back", id, 1])
            return
        if id not in self._known:
            instance = Instance(id, pool.component.key, version, "", 0)
            instance.address = address
            pool.instances.append(instance)
            self._known[id] = pool, instance
        pool, instance = self._known[id]
        instance.limit = self._held[id] = self._held.get(id, 0) + 1
        instance.suspect = False
        instance.state = "ready"
        pool.grant()
        self._look_at(id)

    def _refused(self, component: str, error: MaelstromError) -> None:
        pool = self._pools.get(component)
        if pool is not None and pool.queue:
            waiter = next(iter(pool.queue))
            pool.withdraw(waiter)
            waiter.refused(error)

    def _look_at(self, id: str) -> None:
        _, instance = self._known[id]
        ended = self._held[id] - instance.in_flight
        if ended > 0:
            instance.limit = self._held[id] = instance.in_flight
            self._send(["back", id, ended])
            if not instance.in_flight:
                del self._held[id]


class _Seeker:
    """One who waits in the former process, in the new one's queue."""

    patient = False

    def __init__(self, heir: Heir, component: str) -> None:
        self._heir = heir
        self.component = component

    def granted(self, instance: Instance) -> None:
        self._heir.granted(self, instance)

    def refused(self, error: MaelstromError) -> None:
        self._heir.refused(self, error)

    def seconds_left(self) -> float:
        return inf  # its own process knows

    def fairness_key(self, by: str) -> bytes:
        return b""


class _Loan:
    """Slots of one instance that the former process has; as a link of it, it is told when that is gone."""

    def __init__(self, pool: Pool, instance: Instance, send: Send) -> None:
        self.pool = pool
        self.instance = instance
        self.slots = 0
        self._send = send

    def lost(self) -> None:
        self._send(["gone", self.instance.id])


class Heir:
    """The side that takes over: lends what the former process still uses, and what it asks for."""

    def __init__(self, find: Callable[[str], Pool | None], send: Send, monotonic: Callable[[], float]) -> None:
        """`find`: the pool of a component by its full name."""
        self._find = find
        self._send = send
        self._monotonic = monotonic
        self._unclaimed: dict[str, int] = {}  # instance → slots, of those not (yet) adopted
        self._loans: dict[str, _Loan] = {}
        self._seekers: dict[str, set[_Seeker]] = {}

    def holds(self, slots: Iterable[Message]) -> None:
        """What the former process had in flight at the switch."""
        self._unclaimed = {str(id): int(held) for id, held in slots}

    def uses(self, instance: str) -> bool:
        """Whether the former process has requests on an instance that was not adopted."""
        return instance in self._unclaimed

    def adopted(self, pool: Pool, instance: Instance) -> None:
        """An instance is taken over; it has no free slot for what the former process uses."""
        slots = self._unclaimed.pop(instance.id, 0)
        if slots:
            pool.lend(instance, slots)
            self._loan(pool, instance).slots += slots

    def told(self, message: Message) -> None:
        match message:
            case ["want", str(component), int(wanted)]:
                self._want(component, wanted)
            case ["back", str(id), int(slots)]:
                self._back(id, slots)

    def over(self) -> None:
        """The former process has ended."""
        for component, seekers in self._seekers.items():
            pool = self._find(component)
            if pool is not None:
                for seeker in seekers:
                    pool.withdraw(seeker)
        self._seekers.clear()
        self._unclaimed.clear()
        for id, loan in list(self._loans.items()):
            self._back(id, loan.slots)

    def granted(self, seeker: _Seeker, instance: Instance) -> None:
        self._seekers[seeker.component].discard(seeker)
        pool = self._find(seeker.component)
        assert pool is not None, "it has just granted"
        self._loan(pool, instance).slots += 1
        address = instance.address
        if address.http2:
            self._send(["http2", instance.id])
        self._send(["grant", seeker.component, instance.id, instance.version, address.host, address.port])

    def refused(self, seeker: _Seeker, error: MaelstromError) -> None:
        self._seekers[seeker.component].discard(seeker)
        self._refuse(seeker.component, error)

    def _refuse(self, component: str, error: MaelstromError) -> None:
        self._send(["refuse", component, error.message, error.hint, error.code])

    def _want(self, component: str, wanted: int) -> None:
        pool = self._find(component)
        seekers = self._seekers.setdefault(component, set())
        for _ in range(wanted - len(seekers)):
            if pool is None:
                self._refuse(component, NoRoute(f"there is no component {component}"))
                continue
            seeker = _Seeker(self, component)
            seekers.add(seeker)
            try:
                instance = pool.claim(seeker)
            except MaelstromError as error:
                self.refused(seeker, error)
                continue
            if instance is not None:
                self.granted(seeker, instance)

    def _loan(self, pool: Pool, instance: Instance) -> _Loan:
        loan = self._loans.get(instance.id)
        if loan is None:
            loan = self._loans[instance.id] = _Loan(pool, instance, self._send)
            instance.links.add(loan)
        return loan

    def _back(self, id: str, slots: int) -> None:
        if id in self._unclaimed:
            self._unclaimed[id] -= slots
            if self._unclaimed[id] <= 0:
                del self._unclaimed[id]
            return
        loan = self._loans.get(id)
        if loan is None:
            return
        slots = min(slots, loan.slots)
        loan.slots -= slots
        if not loan.slots:
            del self._loans[id]
            loan.instance.links.discard(loan)
        loan.pool.take_back(loan.instance, slots, self._monotonic())


def _nothing(_: Pool) -> None: ...
