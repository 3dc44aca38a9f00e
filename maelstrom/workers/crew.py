"""All workers as the main process sees them: started, told what changes, listened to, replaced, drained.

It must not know what a request is, nor why a component's instances come and go.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from maelstrom.activation.pool import Pool
from maelstrom.gateway import GatewayStats
from maelstrom.model.certificate import Certificate
from maelstrom.model.component import Component, ComponentKey
from maelstrom.model.project_answers import ProjectAnswers
from maelstrom.model.settings import Settings
from maelstrom.plan.backoff import Backoff
from maelstrom.workers import counts
from maelstrom.workers.briefing import Briefing, Rule, settings_message
from maelstrom.workers.lender import Branch, Host, Lender
from maelstrom.workers.line import Door, Line
from maelstrom.workers.messages import Message
from maelstrom.workers.orphans import orphans

log = logging.getLogger("maelstrom.workers")

AGAIN: Final = Backoff(first=0.05, cap=10.0)
BEGIN_SECONDS: Final = 10.0
STEADY_SECONDS: Final = 60.0  # one that lived so long begins its back-off anew
SILENT_SECONDS: Final = 30.0  # one that says nothing for so long hangs
LAST_SECONDS: Final = 2.0  # after the grace, for the last words
EVEN_SECONDS: Final = 1.0  # between two looks at how connections are spread
EVEN_SHARE, EVEN_FEW = 1.25, 2  # of the mean, and so many more: what a worker may have
LOOK_SECONDS: Final = 0.05  # at connections that a dead worker left
TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))

Spawn = Callable[[Coroutine[Any, Any, Any], str], "asyncio.Task[Any]"]


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
        self.settings = settings
        self.stats = stats
        self.command = command
        self.lender = Lender(find, time.monotonic)
        self.briefing = Briefing()
        self.doors: list[Door] = []  # what workers accept on; open here too, so that no connection goes with a worker
        self.ending = False
        self.may_begin = asyncio.Event()  # they are there, and accept nothing before it
        self.may_begin.set()
        self.spawn = spawn
        self._seats: list[Seat] = []
        self._loops: list[asyncio.Task[None]] = []
        self._evens: asyncio.Task[None] | None = None

    def start(self) -> None:
        """After all doors are there."""
        self._seats = [Seat(self, n) for n in range(1, self.settings.gateway_workers + 1)]
        self._loops = [self.spawn(seat.run(), f"gateway worker {seat.number}") for seat in self._seats]
        self._evens = self.spawn(self._spread(), "connections of workers")

    async def there(self) -> None:
        """Until all workers could begin, or have not come so far in time."""
        waits = [self.spawn(seat.there.wait(), "a worker comes") for seat in self._seats]
        _, late = await asyncio.wait(waits, timeout=BEGIN_SECONDS)
        for wait in late:
            wait.cancel()

    async def ready(self) -> None:
        """Until all workers serve; those that cannot begin are not waited for as long as one does."""
        waits = [self.spawn(seat.serves.wait(), "a worker begins") for seat in self._seats]
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
        for message in self.briefing.changes(components, rules, answers):
            for seat in self._seats:
                seat.send(message)
        self.lender.forget_closed()

    def show(self, certificates: Sequence[Certificate]) -> None:
        """What hosts are shown from the next connection on."""
        message = self.briefing.show(certificates)
        for seat in self._seats:
            seat.send(message)

    def challenge(self, answers: Mapping[str, str]) -> None:
        """What plain listeners answer to authorities of certificates, by token."""
        message = self.briefing.challenge(answers)
        for seat in self._seats:
            seat.send(message)

    def in_flight(self, tag: str) -> int:
        """Requests open towards containers that came by this rule."""
        return sum(seat.routes.get(tag, 0) for seat in self._seats)

    async def drain(self, grace: float, *, followed: bool = False) -> int:
        """No new connections; what runs is finished within `grace` seconds. Returns how many had to be cut.

        `followed`: another process serves the addresses from now on.
        """
        self.ending = True
        if self._evens is not None:
            self._evens.cancel()
        for door in self.doors:
            door.socket.close()
        for seat, loop in zip(self._seats, self._loops, strict=True):
            if seat.pid:
                seat.send(["drain", grace, followed])
            else:
                loop.cancel()  # it waits for the next start
        if self._loops:
            _, late = await asyncio.wait(self._loops, timeout=grace + LAST_SECONDS)
            for loop in late:
                loop.cancel()
            await asyncio.gather(*late, return_exceptions=True)
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


class Seat:
    """The place of one worker, whoever takes it."""

    def __init__(self, crew: Crew, number: int) -> None:
        self.number = number
        self.there = asyncio.Event()
        self.serves = asyncio.Event()
        self.pid = 0
        self.cut = 0
        self.routes: dict[str, int] = {}
        self._crew = crew
        self._line: Line | None = None
        self._branch: Branch | None = None
        self.connections = 0
        self._heard_at = 0.0
        lender = crew.lender
        self._handlers: dict[str, Callable[..., None]] = {
            "want": lender.want,
            "unwant": lender.unwant,
            "back": lender.back,
            "suspect": lender.suspect,
            "told": lender.told,
        }

    def send(self, message: Message) -> None:
        if self._line is not None:
            self._line.send(message)

    async def run(self) -> None:
        """One worker after the other."""
        failures = 0
        while not self._crew.ending:
            begun = time.monotonic()
            try:
                how = _reason(await self._live())
            except Exception as error:
                log.exception("worker %d of the gateway", self.number)
                how = str(error)
            failures = 0 if time.monotonic() - begun > STEADY_SECONDS else failures + 1
            delay = AGAIN.delay(failures, random.random())
            if not self._crew.ending:
                log.error("worker %d of the gateway ended (%s), the next in %.2f s", self.number, how, delay)
                await asyncio.sleep(delay)

    async def _live(self) -> int:
        """One worker from its start to its end; its exit code."""
        ours, theirs = socket.socketpair()
        line = await Line.connect(ours, self._heard, _nothing)
        branch = self._branch = self._crew.lender.join(line.send)
        try:
            with theirs:
                process = await self._begin(theirs)
            self.pid = process.pid
            await self._crew.may_begin.wait()
            self._line = line
            line.send(settings_message(self._crew.settings))
            for message in self._crew.briefing.all():
                line.send(message)
            return await self._watch(process, line)
        finally:
            if not self.pid:
                line.close()  # it could not be started
            await line.lost.wait()  # what it had still written is heard: it may be slots
            self._line = None
            self._empty()
            self._crew.lender.silent(branch)
            self._crew.spawn(self._settle(branch), f"slots of worker {self.number}")

    async def _begin(self, theirs: socket.socket) -> asyncio.subprocess.Process:
        doors = [(door.socket.fileno(), "tls" if door.tls else "plain") for door in self._crew.doors]
        control = theirs.fileno()
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *self._crew.command,
            str(control),
            *(f"{kind}={descriptor}" for descriptor, kind in doors),
            pass_fds=[control, *(descriptor for descriptor, _ in doors)],
            stdin=asyncio.subprocess.DEVNULL,
        )

    def _empty(self) -> None:
        self.serves.clear()
        self.pid = 0
        self.routes = {}
        self._crew.stats.connections -= self.connections
        self.connections = 0

    async def _watch(self, process: asyncio.subprocess.Process, line: Line) -> int:
        """Until it has ended: by itself, or because it hangs or cannot be heard any more."""
        self._heard_at = time.monotonic()
        try:
            while True:
                try:
                    async with asyncio.timeout(1.0):
                        return await process.wait()
                except TimeoutError:
                    silent = time.monotonic() - self._heard_at
                    if line.lost.is_set() or silent > SILENT_SECONDS:
                        log.error("worker %d of the gateway says nothing any more and is killed", self.number)
                        process.kill()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _settle(self, branch: Branch) -> None:
        """Its process is gone: takes back what it had, as containers end what it had open."""
        while True:
            held = await asyncio.to_thread(_held) if branch.loans else {}
            if not self._crew.lender.settle(branch, held):
                return
            await asyncio.sleep(LOOK_SECONDS)

    def _heard(self, message: Message) -> None:
        self._heard_at = time.monotonic()
        kind, *rest = message
        handler = self._handlers.get(kind)
        if handler is not None:
            handler(self._branch, *rest)
        elif kind == "there":
            self.there.set()
        elif kind == "counted":
            self._counted(*rest)
        elif kind == "ready":
            self.serves.set()
            log.info("worker %d of the gateway serves", self.number, extra={"pid": self.pid})
        elif kind == "drained":
            self.cut = rest[0]

    def _counted(self, counted: dict[str, Any], routes: dict[str, int]) -> None:
        self.connections = counts.add(self._crew.stats, counted, self.connections)
        self.routes = routes


def _held() -> Mapping[Host, int]:
    """Connections to containers that are closed here and not there; where nobody can tell, none."""
    return orphans(table.read_text("ascii") for table in TABLES if table.exists())


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"


def _nothing() -> None:
    """Its end is seen by its process."""
