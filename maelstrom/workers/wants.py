"""Which of a worker's waiters wait in the main process's line, too: for each of these it has said that it wants a slot.

That costs two messages, far more than a wait of a few ms is worth. So a waiter keeps *quiet* for a while where slots
are in use here that will be free again, and where the main process evidently has none: others wait for it, somebody who
waits here is quiet already, or has asked and not been answered at once. Obligations, tested in `tests/unit/workers`:

- Who asks is older than all who are quiet in the same pool. So grants, which go to those who ask, keep the order.
- Nobody is quiet for more than QUIET_SECONDS, or without a slot in use here.
- If all are quiet, *more* slots are looked for when one comes or goes, when nobody waits elsewhere any more, and else
  a few times in QUIET_SECONDS: so what is free elsewhere is found. For this nobody has to give up what he needs.

Pure: times are handed in, and what is due is called by whoever has a clock.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Final

from maelstrom.activation.pool import Waiter
from maelstrom.workers.lent import LentPool
from maelstrom.workers.messages import Message

QUIET_SECONDS: Final = 0.02
LOOKS: Final = 4  # in that time
ANSWER_SECONDS: Final = 0.001  # a slot that is free in the main process is here by then

Later = Callable[[float, Callable[[], None]], object]


class Wants:
    """Of all pools of one worker."""

    def __init__(self, send: Callable[[Message], None], monotonic: Callable[[], float], later: Later) -> None:
        """`later(seconds, callback)`: as the event loop's `call_later`."""
        self._send = send
        self._monotonic = monotonic
        self._later = later
        self._next = 0
        self._asking: dict[int, tuple[LentPool, Waiter]] = {}  # by what they are called in messages
        self._quiet: dict[LentPool, None] = {}  # pools that had quiet waiters when it was last looked
        self._over: list[int] = []  # who ask no more, and the main process does not know
        self._looks = False  # it will

    def comes(self, pool: LentPool, waiter: Waiter) -> None:
        """It waits from now on."""
        now = pool.short_at = self._monotonic()
        if not self._may_be_quiet(pool, now):
            self._ask(pool, waiter, now)
            return
        pool.quiet[waiter] = now
        self._quiet[pool] = None
        self._look_soon()

    def over(self, pool: LentPool, waiter: Waiter) -> None:
        """It has left, or got a slot that was here."""
        if waiter in pool.quiet:
            del pool.quiet[waiter]
        elif waiter in pool.asked:
            _, id = pool.asked.pop(waiter)
            del self._asking[id]
            self._over.append(id)
            self._look_soon()

    def answered(self, id: int) -> tuple[LentPool, Waiter] | None:
        """Whose request it was; None if that waits no more."""
        found = self._asking.pop(id, None)
        if found is not None:
            pool, waiter = found
            del pool.asked[waiter]
        return found

    def again(self, pool: LentPool, waiter: Waiter) -> None:
        """What it was granted could not be used: it asks anew, as the last of all."""
        self._ask(pool, waiter, self._monotonic())

    def tell(self) -> None:
        """Who asks no more: when anything else is said, or some ms later."""
        if self._over:
            self._send(["unwant", *self._over])
            self._over.clear()

    def moved(self, pool: LentPool) -> None:
        """A slot has come or gone."""
        while pool.quiet and not pool.in_flight:
            self._ask(pool, next(iter(pool.quiet)), self._monotonic())
        self.look_for_more(pool)

    def look_for_more(self, pool: LentPool) -> None:
        """Perhaps some are free elsewhere."""
        now = self._monotonic()
        if pool.quiet and not pool.asked and now - pool.looked_at > ANSWER_SECONDS:
            pool.looked_at = now
            self.tell()
            self._send(["more", pool.component.key.full_name, len(pool.quiet)])

    @staticmethod
    def _may_be_quiet(pool: LentPool, now: float) -> bool:
        if not pool.in_flight or pool.component.definition.fairness:
            return False
        if pool.quiet or pool.pressed:
            return True
        for since, _ in pool.asked.values():
            return now - since > ANSWER_SECONDS
        return False

    def _look_soon(self) -> None:
        if not self._looks:
            self._looks = True
            self._later(QUIET_SECONDS / LOOKS, self._look)

    def _look(self) -> None:
        self._looks = False
        self.tell()
        now = self._monotonic()
        due = now - QUIET_SECONDS * (LOOKS - 1) / LOOKS
        for pool in list(self._quiet):
            while pool.quiet:
                waiter, came = next(iter(pool.quiet.items()))
                if came > due:
                    break
                self._ask(pool, waiter, now)
            self.look_for_more(pool)
            if not pool.quiet:
                del self._quiet[pool]
        if self._quiet:
            self._look_soon()

    def _ask(self, pool: LentPool, waiter: Waiter, now: float) -> None:
        self.tell()
        pool.quiet.pop(waiter, None)
        self._next += 1
        pool.asked[waiter] = now, self._next
        self._asking[self._next] = pool, waiter
        component = pool.component
        by = component.definition.fairness
        key = waiter.fairness_key(by).decode("latin-1") if by else ""
        deadline = now + waiter.seconds_left()
        told = deadline if isfinite(deadline) else None
        self._send(["want", component.key.full_name, self._next, waiter.patient, told, key])
