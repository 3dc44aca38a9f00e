"""All workers as the main process sees them: started, told what changes, listened to, replaced, drained.

It must not know what a request is, nor why a component's instances come and go.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from maelstrom.activation.pool import Pool
from maelstrom.gateway import GatewayStats
from maelstrom.model.certificate import Certificate
from maelstrom.model.component import Component, ComponentKey
from maelstrom.model.project_answers import ProjectAnswers
from maelstrom.model.settings import Settings
from maelstrom.workers.briefing import Briefing, Rule
from maelstrom.workers.headcount import Headcounts
from maelstrom.workers.lender import Lender
from maelstrom.workers.line import Door
from maelstrom.workers.seat import Duty, Seat, Spawn

BEGIN_SECONDS: Final = 10.0
LAST_SECONDS: Final = 2.0  # after the grace, for the last words
EVEN_SECONDS: Final = 1.0  # between two looks at how connections are spread
EVEN_SHARE, EVEN_FEW = 1.25, 2  # of the mean, and so many more: what a worker may have


class Crew:
    """`start`, then `follow` at each change, then `drain`."""

    def __init__(
        self,
        settings: Settings,
        *,
        find: Callable[[str], Pool | None],
        stats: GatewayStats,
        spawn: Spawn,
        command: Sequence[str],
    ) -> None:
        """`find`: see Lender. `stats`: what workers count is added there. `spawn` owns the tasks.

        `command`: arguments to the interpreter that make a worker; file descriptors follow.
        """
        self.doors: list[Door] = []  # what workers accept on; open here too, so that no connection goes with a worker
        self.may_begin = asyncio.Event()  # while it is not set, workers come and accept nothing
        self.may_begin.set()
        self._workers = settings.gateway_workers
        self._spawn = spawn
        lender = Lender(find, time.monotonic)
        self._headcounts = Headcounts(settings.gateway_workers)
        self._duty = Duty(
            *(settings, stats, spawn, command, lender, Briefing(), self.doors, self.may_begin, self._headcounts)
        )
        self._seats: list[Seat] = []
        self._loops: list[asyncio.Task[None]] = []
        self._evens: asyncio.Task[None] | None = None

    def start(self) -> None:
        """After all doors are there."""
        self._seats = [Seat(self._duty, n) for n in range(1, self._workers + 1)]
        self._loops = [self._spawn(seat.run(), f"gateway worker {seat.number}") for seat in self._seats]
        self._evens = self._spawn(self._spread(), "connections of workers")

    async def there(self) -> None:
        """Until all workers could begin, or have not come so far in time."""
        waits = [self._spawn(seat.there.wait(), "a worker comes") for seat in self._seats]
        _, late = await asyncio.wait(waits, timeout=BEGIN_SECONDS)
        for wait in late:
            wait.cancel()

    async def ready(self) -> None:
        """Until all workers serve; those that cannot begin are not waited for as long as one does."""
        waits = [self._spawn(seat.serves.wait(), "a worker begins") for seat in self._seats]
        _, late = await asyncio.wait(waits, timeout=BEGIN_SECONDS)
        if len(late) == len(waits):
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in late:
            wait.cancel()

    @property
    def serving(self) -> int:
        """How many accept connections now."""
        return sum(seat.serves.is_set() for seat in self._seats)

    @property
    def pids(self) -> list[int]:
        return [seat.pid for seat in self._seats if seat.pid]

    def follow(
        self,
        components: Mapping[ComponentKey, Component],
        rules: Iterable[Rule],
        answers: Mapping[str, ProjectAnswers],
    ) -> None:
        """What there is now. Only what has changed is told."""
        for message in self._duty.briefing.changes(components, rules, answers):
            for seat in self._seats:
                seat.send(message)
        self._duty.lender.forget_closed()

    def show(self, certificates: Sequence[Certificate]) -> None:
        """What hosts are shown from the next connection on."""
        message = self._duty.briefing.show(certificates)
        for seat in self._seats:
            seat.send(message)

    def challenge(self, answers: Mapping[str, str]) -> None:
        """What plain listeners answer to authorities of certificates, by token."""
        message = self._duty.briefing.challenge(answers)
        for seat in self._seats:
            seat.send(message)

    def in_flight(self, tag: str) -> int:
        """Requests open towards containers that came by this rule."""
        return sum(seat.routes.get(tag, 0) for seat in self._seats)

    async def drain(self, grace: float, *, followed: bool = False) -> int:
        """No new connections; what runs is finished within `grace` seconds. Returns how many had to be cut.

        `followed`: another process serves the addresses from now on.
        """
        deadline = time.monotonic() + grace
        self._duty.ending = True
        if self._evens is not None:
            self._evens.cancel()
        for door in self.doors:
            door.socket.close()
        for seat, loop in zip(self._seats, self._loops, strict=True):
            if not seat.send(["drain", grace, followed]):
                loop.cancel()  # there is none, or it has not begun
        if self._loops:
            _, late = await asyncio.wait(self._loops, timeout=grace + LAST_SECONDS)
            for loop in late:
                loop.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        settling = [task for seat in self._seats for task in seat.settling]
        if followed and settling:  # else there is nobody whom their slots could be given to
            await asyncio.wait(settling, timeout=max(0.0, deadline - time.monotonic()))
        self._headcounts.close()
        return sum(seat.cut for seat in self._seats)

    async def _spread(self) -> None:
        """Who has far more connections than its part lets some go. The system gives a new one to whoever is there
        first, and connections stay for long: a burst can end up with one worker."""
        while True:
            await asyncio.sleep(EVEN_SECONDS)
            serving = [seat for seat in self._seats if seat.serves.is_set()]
            mean = sum(seat.connections for seat in serving) / max(1, len(serving))
            for seat in serving:
                if seat.connections > mean * EVEN_SHARE + EVEN_FEW:
                    seat.send(["shed", round(seat.connections - mean)])
