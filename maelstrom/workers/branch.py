"""One worker as the main process sees it: who of it waits, and what it has. Pure; messages go to `Branch.send`."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.model.errors import MaelstromError
from maelstrom.workers.messages import Message

if TYPE_CHECKING:
    from maelstrom.workers.lender import Lender

Wish = tuple[bool, float | None, str]  # whether it is patient, its deadline (monotonic; None: none), its fairness key


class Seeker:
    """A waiter of a worker, in its place in the main pool's queue."""

    __slots__ = ("_key", "_until", "branch", "id", "lender", "patient", "pool")

    def __init__(self, lender: Lender, branch: Branch, pool: Pool, id: int, wish: Wish) -> None:
        self.lender = lender
        self.branch = branch
        self.pool = pool
        self.id = id
        self.patient, self._until, self._key = wish

    def seconds_left(self) -> float:
        return inf if self._until is None else self._until - self.lender.monotonic()

    def fairness_key(self, by: str) -> bytes:
        return self._key.encode("latin-1")

    def granted(self, instance: Instance) -> None:
        self.lender.granted(self, instance)

    def refused(self, error: MaelstromError) -> None:
        self.branch.forget(self)
        self.branch.refuse(self.id, error)


class Loan:
    """Slots of one instance that one worker has. As a link of the instance it is told when that is gone."""

    __slots__ = ("_branch", "doubts", "gone", "instance", "pool", "ready_at", "slots", "spare")

    def __init__(self, branch: Branch, pool: Pool, instance: Instance) -> None:
        self._branch = branch
        self.pool = pool
        self.instance = instance
        self.slots = 0
        self.spare = 0  # of them, as the worker last told, not in use
        self.doubts = 0  # how often the worker has said that the instance is suspect
        self.gone = False
        self.ready_at: float | None = None  # of the instance, as the worker knows it; a wake makes it another

    def lost(self) -> None:
        self.gone = True
        self._branch.send(["gone", self.instance.id])
        if not self.slots:
            self._branch.loans.pop(self.instance.id, None)

    def not_used(self, spare: int) -> None:
        self.instance.spare += spare - self.spare
        self.spare = spare


class Branch:
    """One worker, as the main process sees it."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self._open = True
        self.seekers: dict[int, Seeker] = {}
        self.waiting: dict[Pool, int] = {}  # how many of them wait in which pool
        self.quiet: dict[Pool, int] = {}  # how many wait in the worker only, as it last told
        self.loans: dict[str, Loan] = {}  # by the instance's id; also those without slots while the instance lives
        self.pressed: set[Pool] = set()
        self.borrows: set[Pool] = set()  # pools that it ever had a slot of

    def send(self, message: Message) -> None:
        if self._open:
            self._send(message)

    def silence(self) -> None:
        """Nobody listens any more."""
        self._open = False

    def refuse(self, id: int, error: MaelstromError) -> None:
        self.send(["refuse", id, error.code, error.message, error.hint, error.fields])

    def expect(self, seeker: Seeker) -> None:
        self.seekers[seeker.id] = seeker
        self.waiting[seeker.pool] = self.waiting.get(seeker.pool, 0) + 1

    def keep_quiet(self, pool: Pool, waiting: int) -> None:
        pool.elsewhere += waiting - self.quiet.get(pool, 0)
        self.quiet[pool] = waiting

    def forget(self, seeker: Seeker) -> None:
        del self.seekers[seeker.id]
        left = self.waiting[seeker.pool] - 1
        if left:
            self.waiting[seeker.pool] = left
        else:
            del self.waiting[seeker.pool]
