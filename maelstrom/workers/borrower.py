"""A worker's side of lent slots: pools whose instances have as many slots as were lent, and what is said about them.

A claim of a lent slot is the pool's own and sends nothing. Pure: messages go to `send`, times are handed in (monotonic,
s, which all processes of a machine share).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any, Final

from maelstrom.activation.instance import Instance
from maelstrom.model.component import Component
from maelstrom.model.errors import NoRoute
from maelstrom.model.instance import Address, Receipt
from maelstrom.workers.lent import LentPool
from maelstrom.workers.messages import Message, error_of
from maelstrom.workers.wants import Later, Wants

KEEP_SECONDS: Final = 0.5  # an instance that was not used for so long is given back; less than any idle time-out
SHORT_SECONDS: Final = 1.0  # so long after somebody had to ask for more, what there is is kept


class Holding:
    """One instance of which this worker has, or had, slots."""

    __slots__ = ("doubts", "instance", "pool", "told")

    def __init__(self, pool: LentPool, instance: Instance) -> None:
        self.pool = pool
        self.instance = instance
        self.doubts = 0  # how often the main process was told that it is suspect
        self.told: tuple[int, float] | None = None  # slots not in use and the last use; None: something has changed


class Borrower:
    """All pools of one worker."""

    def __init__(self, send: Callable[[Message], None], monotonic: Callable[[], float], later: Later) -> None:
        self._send = send
        self._monotonic = monotonic
        self._wants = Wants(send, monotonic, later)
        self._leaving = False
        self.pools: dict[str, LentPool] = {}
        self.holdings: dict[str, Holding] = {}
        # what pools say of those who wait
        self.comes = self._wants.comes
        self.over = self._wants.over

    # what pools say

    def gives_back(self, instance: Instance, slots: int, idle: int) -> None:
        """They are taken out of the instance's limit already."""
        holding = self.holdings[instance.id]
        pool = holding.pool
        self._wants.tell()
        self._send(["back", instance.id, slots, idle, _finite(instance.last_used), _ended(pool)])
        holding.told = None
        if instance.state != "ready" and not instance.limit:
            del self.holdings[instance.id]
        self._wants.moved(pool)

    def doubts(self, instance: Instance) -> None:
        self.holdings[instance.id].doubts += 1
        self._send(["suspect", instance.id])
        self._give_back_idle(instance)

    # what the main process says

    def follow(self, changed: Iterable[Component], removed: Iterable[str]) -> None:
        """Components that are new, changed, or not there any more."""
        for component in changed:
            name = component.key.full_name
            pool = self.pools.get(name)
            if pool is None:
                self.pools[name] = LentPool(component, self)
            else:
                pool.component = component
                pool.closed = False
        for name in removed:
            pool = self.pools.get(name)
            if pool is not None:
                pool.closed = True
                pool.refuse_all(NoRoute(f"{name} was removed"))

    def introduce(
        self,
        component: str,
        id: str,
        version: int,
        host: str,
        port: int,
        ready_at: float,
        http2: bool,
        woken: bool,
        phases: dict[str, float],
    ) -> None:
        """An instance of which slots will be lent, or what is new of it since it was frozen."""
        pool = self.pools.get(component)
        if pool is None:
            return  # removed meanwhile; what is granted of it goes back
        holding = self.holdings.get(id)
        if holding is None:
            instance = Instance(id, pool.component.key, version, "", 0)
            instance.state = "ready"
            pool.instances.append(instance)
            holding = self.holdings[id] = Holding(pool, instance)
        instance = holding.instance
        instance.address = Address(host, port, http2)
        instance.ready_at = ready_at
        instance.woken = woken
        instance.receipt = Receipt(phases)

    def grant(self, id: str, waiter: int, extra: int, doubts: int) -> None:
        """One slot for a waiter and some more. `doubts`: how many of ours had been heard when it was lent."""
        asking = self._wants.answered(waiter)
        holding = self.holdings.get(id)
        if holding is None or holding.instance.state != "ready" or doubts < holding.doubts:
            self._send(["back", id, 1 + extra, 1 + extra, None, 0])
            if asking is not None:
                self._wants.again(*asking)
            return
        instance, pool = holding.instance, holding.pool
        holding.told = None
        instance.suspect = False
        instance.limit += 1 + extra
        had = pool.in_flight
        if asking is not None:
            pool.serve(asking[1], instance)
        if not (pool.pressed and pool.component.definition.fairness):
            pool.grant()
        pool.came(had, self._monotonic())
        if pool.pressed:
            self._give_back_idle(instance)
        self._wants.moved(pool)

    def refuse(self, waiter: int, code: str, message: str, hint: str, fields: dict[str, Any]) -> None:
        asking = self._wants.answered(waiter)
        if asking is not None:
            pool, refused = asking
            pool.refuse(refused, error_of(code, message, hint, fields))

    def press(self, component: str, pressed: bool) -> None:
        pool = self.pools.get(component)
        if pool is None:
            return
        pool.press(pressed or self._leaving)
        if pressed:
            self.idle(component)
        else:
            self._wants.look_for_more(pool)

    def idle(self, component: str) -> None:
        """Somebody else could use more."""
        pool = self.pools.get(component)
        if pool is not None:
            for instance in pool.instances:
                self._give_back_idle(instance)

    def leave(self) -> None:
        """This worker drains: it keeps nothing that it does not use."""
        self._leaving = True
        for name in self.pools:
            self.press(name, True)

    def recall(self, id: str) -> None:
        """It drains or is suspect: no new requests until some are granted again."""
        holding = self.holdings.get(id)
        if holding is not None and holding.instance.state == "ready":
            holding.instance.suspect = True
            self._give_back_idle(holding.instance)

    def gone(self, id: str) -> None:
        """Its address may belong to a stranger from now on."""
        holding = self.holdings.get(id)
        if holding is None:
            return
        instance, pool = holding.instance, holding.pool
        instance.state = "failed"
        pool.instances.remove(instance)
        if not instance.limit:
            del self.holdings[id]
        self._give_back_idle(instance)
        instance.cut()

    # from time to time

    def look(self) -> None:
        """Gives back what is not needed, and tells what is in use."""
        now = self._monotonic()
        for id, holding in list(self.holdings.items()):
            instance, pool = holding.instance, holding.pool
            idle = instance.limit - instance.in_flight
            if idle and not instance.in_flight and now - instance.last_used >= KEEP_SECONDS <= now - pool.short_at:
                self._give_back_idle(instance)
            elif idle and now - pool.short_at >= SHORT_SECONDS:
                self._give_back_idle(instance, (idle + 1) // 2)
            told = instance.limit - instance.in_flight, instance.last_used
            if told != holding.told:
                holding.told = told
                self._send(["told", id, told[0], _finite(told[1]), _ended(pool)])
        for name, pool in self.pools.items():
            if len(pool.quiet) != pool.told_quiet:
                pool.told_quiet = len(pool.quiet)
                self._send(["quiet", name, pool.told_quiet])
        for name in [name for name, pool in self.pools.items() if pool.closed and not pool.instances]:
            del self.pools[name]

    def _give_back_idle(self, instance: Instance, most: int | None = None) -> None:
        idle = instance.limit - instance.in_flight
        if most is not None:
            idle = min(idle, most)
        if idle > 0:
            instance.limit -= idle
            self.gives_back(instance, idle, idle)


def _ended(pool: LentPool) -> int:
    """How many requests have ended here since it was last told."""
    ended, pool.told_served = pool.served - pool.told_served, pool.served
    return ended


def _finite(moment: float) -> float | None:
    return moment if isfinite(moment) else None
