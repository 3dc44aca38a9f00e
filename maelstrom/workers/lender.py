"""The main process's side of lent slots: who has how many of which instance, who waits, who must give back. Pure.

Rules, checked by the property tests: what is lent is claimed in the main pool; what a dead worker had comes back once,
and only when it is said to be safe; a worker is pressed as long as somebody else waits for the same component. It must
not know of sockets or processes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Final, cast

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.model.errors import MaelstromError, NoRoute
from maelstrom.workers.branch import Branch, Loan, Seeker, Wish
from maelstrom.workers.messages import Message

Host = tuple[str, int]

NEVER: Final = -inf
NOBODY: Final = 0  # waits for what is granted
EXTRA_MOST: Final = 1024  # slots lent at once beyond those that were asked for


class Lender:
    """All lent slots of this node. Implements `activation.pool.Lender`."""

    def __init__(self, find: Callable[[str], Pool | None], monotonic: Callable[[], float]) -> None:
        """`find`: the pool of a component by its full name; None if there is none."""
        self._find = find
        self.monotonic = monotonic
        self.branches: list[Branch] = []
        self._hungry: dict[Pool, tuple[Branch, int]] = {}  # who last looked for more, and found nothing

    # workers that come and go

    def join(self, send: Callable[[Message], None]) -> Branch:
        branch = Branch(send)
        self.branches.append(branch)
        return branch

    def silent(self, branch: Branch) -> None:
        """It says nothing any more: nobody of it waits. What it has it may still be using."""
        branch.silence()
        self._hungry = {pool: found for pool, found in self._hungry.items() if found[0] is not branch}
        pools = set(branch.waiting)
        for pool in branch.quiet:
            branch.keep_quiet(pool, 0)
        for seeker in list(branch.seekers.values()):
            branch.forget(seeker)
            seeker.pool.withdraw(seeker)
        for pool in pools:
            self._review(pool)

    def settle(self, branch: Branch, held: Mapping[Host, int]) -> int:
        """Its process is gone: its slots come back, how many did not.

        `held`: connections that a container has not closed yet, by its address.
        """
        if branch in self.branches:
            self.branches.remove(branch)
        left = 0
        for loan in list(branch.loans.values()):
            address = loan.instance.address
            open_still = held.get((address.host, address.port), 0)
            # one connection of HTTP/2 carries any number of requests
            kept = loan.slots if open_still and address.http2 else min(loan.slots, open_still)
            loan.not_used(0)
            self._take_back(branch, loan, loan.slots - kept, NEVER)
            if not kept:
                branch.loans.pop(loan.instance.id, None)
                loan.instance.links.discard(loan)
            left += kept
        return left

    # what workers say

    def want(self, branch: Branch, component: str, id: int, *wish: Any) -> None:
        """One more of its callers waits; `wish`: what a Wish has."""
        pool = self._find(component)
        seeker = Seeker(self, branch, pool, id, cast(Wish, wish)) if pool is not None else None
        if pool is None or seeker is None:
            branch.refuse(id, NoRoute(f"there is no component {component}"))
            return
        pool.lender = self
        branch.expect(seeker)
        try:
            instance = pool.claim(seeker)
        except MaelstromError as error:
            branch.forget(seeker)
            branch.refuse(id, error)
            return
        if instance is not None:
            self.granted(seeker, instance)
        else:
            self._review(pool)

    def unwant(self, branch: Branch, *ids: int) -> None:
        """They left, or got slots that the worker had. One that was granted meanwhile is at the worker's disposal."""
        pools = set()
        for id in ids:
            seeker = branch.seekers.get(id)
            if seeker is not None:
                branch.forget(seeker)
                seeker.pool.withdraw(seeker)
                pools.add(seeker.pool)
        for pool in pools:
            self._review(pool)

    def more(self, branch: Branch, component: str, wanted: int) -> None:
        """So many wait there quietly: half of what nobody uses is lent, or looked for with the others."""
        pool = self._find(component)
        if pool is None or pool.queue or pool.draining:
            return  # nothing is free
        instance = min((one for one in pool.instances if one.accepts), key=lambda one: one.in_flight, default=None)
        if instance is None:
            self._hungry[pool] = branch, wanted
            for other in self.branches:
                if other is not branch and pool in other.borrows:
                    other.send(["idle", component])
            return
        loan = self._loan(branch, pool, instance)
        slots = min(wanted, (instance.limit - instance.in_flight + 1) // 2)
        pool.lend(instance, slots)
        loan.slots += slots
        branch.send(["grant", instance.id, NOBODY, slots - 1, loan.doubts])

    def back(self, branch: Branch, id: str, slots: int, idle: int, used: float | None, ended: int) -> None:
        """Slots of an instance are back, `idle` of them not in use before; `used`, `ended`: see `Pool.take_back`."""
        loan = branch.loans.get(id)
        if loan is None:
            return
        loan.not_used(max(0, loan.spare - idle))
        pool = loan.pool
        self._take_back(branch, loan, min(slots, loan.slots), NEVER if used is None else used, ended)
        if idle and pool in self._hungry:
            hungry, wanted = self._hungry.pop(pool)
            self.more(hungry, pool.component.key.full_name, wanted)
        if loan.gone and not loan.slots:
            branch.loans.pop(id, None)

    def suspect(self, branch: Branch, id: str) -> None:
        loan = branch.loans.get(id)
        if loan is not None:
            loan.doubts += 1
            loan.pool.suspect(loan.instance)

    def told(self, branch: Branch, id: str, spare: int, used: float | None, ended: int) -> None:
        """How much of what it has is not in use; what was lent since it said so is counted as in use."""
        loan = branch.loans.get(id)
        if loan is not None:
            loan.not_used(min(spare, loan.slots))
            used = NEVER if used is None else used
            loan.pool.take_back(loan.instance, 0, used, ended=ended, now=self.monotonic())

    def quiet(self, branch: Branch, component: str, waiting: int) -> None:
        """So many wait there, and are in no line here."""
        pool = self._find(component)
        if pool is not None:
            branch.keep_quiet(pool, waiting)

    # what pools say

    def wanted(self, pool: Pool) -> None:
        self._review(pool)

    def recall(self, pool: Pool, instance: Instance) -> None:
        for branch in self.branches:
            if instance.id in branch.loans:
                branch.send(["recall", instance.id])

    def granted(self, seeker: Seeker, instance: Instance) -> None:
        """A waiter's turn has come: the slot is lent, and more with it if nobody waits."""
        branch, pool = seeker.branch, seeker.pool
        branch.forget(seeker)
        loan = self._loan(branch, pool, instance)
        loan.slots += 1
        extra = self._extra(pool, loan)
        if extra:
            pool.lend(instance, extra)
            loan.slots += extra
            loan.not_used(loan.spare + extra)
        branch.send(["grant", instance.id, seeker.id, extra, loan.doubts])
        self._review(pool)

    def _loan(self, branch: Branch, pool: Pool, instance: Instance) -> Loan:
        pool.lender = self
        loan = branch.loans.get(instance.id)
        if loan is None:
            loan = branch.loans[instance.id] = Loan(branch, pool, instance)
            instance.links.add(loan)
            branch.borrows.add(pool)
        if loan.ready_at != instance.ready_at:
            loan.ready_at = instance.ready_at
            branch.send(_introduction(pool, instance))
        return loan

    def _take_back(self, branch: Branch, loan: Loan, slots: int, used: float, ended: int = 0) -> None:
        loan.slots -= slots
        loan.not_used(min(loan.spare, loan.slots))
        if slots:
            loan.pool.take_back(loan.instance, slots, used, ended=ended, now=self.monotonic())
        self._review(loan.pool)

    def _review(self, pool: Pool) -> None:
        """Who must not keep what it has, because somebody else waits."""
        waiting = len(pool.queue)
        for branch in self.branches:
            press = waiting > branch.waiting.get(pool, 0)
            if press != (pool in branch.pressed) and pool in branch.borrows:
                branch.send(["press", pool.component.key.full_name, press])
                if press:
                    branch.pressed.add(pool)
                else:
                    branch.pressed.discard(pool)

    def _extra(self, pool: Pool, loan: Loan) -> int:
        """As many again as it has, within half of what is free and its equal part: who asks often is lent much."""
        if pool.queue:
            return 0
        instance = loan.instance
        part = instance.limit // len(self.branches) - loan.slots
        return max(0, min(loan.slots, (instance.limit - instance.in_flight) // 2, part, EXTRA_MOST))

    def forget_closed(self) -> None:
        """What was kept of components that are removed."""
        self._hungry = {pool: found for pool, found in self._hungry.items() if not pool.closed}
        for branch in self.branches:
            kept = {loan.pool for loan in branch.loans.values()}
            gone = {pool for pool in branch.borrows if pool.closed and pool not in kept}
            for pool in gone & set(branch.quiet):
                del branch.quiet[pool]
            branch.borrows -= gone
            branch.pressed -= gone


def _introduction(pool: Pool, instance: Instance) -> Message:
    address = instance.address
    return [
        "instance",
        pool.component.key.full_name,
        instance.id,
        instance.version,
        address.host,
        address.port,
        instance.ready_at,
        address.http2,
        instance.woken,
        instance.receipt.phases,
    ]
