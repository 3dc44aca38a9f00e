"""The place of one worker, whoever takes it: started, listened to, its slots taken back when it is gone.

It must not know what a request is, nor of the other workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from maelstrom.gateway import GatewayStats
from maelstrom.model.settings import Settings
from maelstrom.plan.backoff import Backoff
from maelstrom.workers import counts
from maelstrom.workers.branch import Branch
from maelstrom.workers.briefing import Briefing, settings_message
from maelstrom.workers.headcount import Headcounts
from maelstrom.workers.lender import Host, Lender
from maelstrom.workers.line import Door, Line
from maelstrom.workers.messages import Message
from maelstrom.workers.orphans import orphans

log = logging.getLogger("maelstrom.workers")

AGAIN: Final = Backoff(first=0.05, cap=10.0)
STEADY_SECONDS: Final = 60.0  # one that lived so long begins its back-off anew
SILENT_SECONDS: Final = 30.0  # one that says nothing for so long hangs
LOOK_SECONDS: Final = 0.05  # at connections that a dead worker left
TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))

Spawn = Callable[[Coroutine[Any, Any, Any], str], "asyncio.Task[Any]"]


@dataclass
class Duty:
    """What all workers have in common."""

    settings: Settings
    stats: GatewayStats  # what workers count is added here
    spawn: Spawn
    command: Sequence[str]  # arguments to the interpreter that make a worker; file descriptors follow
    lender: Lender
    briefing: Briefing
    doors: list[Door]
    may_begin: asyncio.Event  # they are there, and accept nothing before it
    headcounts: Headcounts
    ending: bool = False


class Seat:
    """The place of one worker, whoever takes it."""

    def __init__(self, duty: Duty, number: int) -> None:
        self.number = number  # from 1
        self._column = number - 1  # of the shared counters
        self.there = asyncio.Event()
        self.serves = asyncio.Event()
        self.pid = 0
        self.cut = 0
        self.routes: dict[str, int] = {}
        self.settling: set[asyncio.Task[Any]] = set()  # while containers work on what dead workers had open
        self._duty = duty
        self._line: Line | None = None
        self._branch: Branch | None = None
        self.connections = 0
        self._heard_at = 0.0
        lender = duty.lender
        self._handlers: dict[str, Callable[..., None]] = {
            "want": lender.want,
            "unwant": lender.unwant,
            "more": lender.more,
            "back": lender.back,
            "suspect": lender.suspect,
            "told": lender.told,
            "quiet": lender.quiet,
        }

    def send(self, message: Message) -> bool:
        """Whether there is a worker that reads it."""
        if self._line is not None:
            self._line.send(message)
        return self._line is not None

    async def run(self) -> None:
        """One worker after the other."""
        failures = 0
        while not self._duty.ending:
            begun = time.monotonic()
            try:
                how = _reason(await self._live())
            except Exception as error:
                log.exception("worker %d of the gateway", self.number)
                how = str(error)
            failures = 0 if time.monotonic() - begun > STEADY_SECONDS else failures + 1
            delay = AGAIN.delay(failures, random.random())
            if not self._duty.ending:
                log.error("worker %d of the gateway ended (%s), the next in %.2f s", self.number, how, delay)
                await asyncio.sleep(delay)

    async def _live(self) -> int:
        """One worker from its start to its end; its exit code."""
        ours, theirs = socket.socketpair()
        line = await Line.connect(ours, self._heard, _nothing)
        branch = self._branch = self._duty.lender.join(line.send)
        try:
            with theirs:
                process = await self._start(theirs)
            self.pid = process.pid
            try:
                await self._duty.may_begin.wait()
                self._begin(line)
                return await self._watch(process, line)
            finally:
                if process.returncode is None:
                    _kill(process)
                    await process.wait()
                self._duty.headcounts.empty(self._column)
        finally:
            if not self.pid:
                line.close()  # it could not be started
            await line.lost.wait()  # what it had still written is heard: it may be slots
            self._line = None
            self._empty()
            self._duty.lender.silent(branch)
            settling = self._duty.spawn(self._settle(branch), f"slots of worker {self.number}")
            self.settling.add(settling)
            settling.add_done_callback(self.settling.discard)

    def _begin(self, line: Line) -> None:
        """From now on it is told what changes."""
        self._line = line
        self._heard_at = time.monotonic()
        line.send(settings_message(self._duty.settings))
        for message in self._duty.briefing.all():
            line.send(message)

    async def _start(self, theirs: socket.socket) -> asyncio.subprocess.Process:
        doors = [(door.socket.fileno(), "tls" if door.tls else "plain") for door in self._duty.doors]
        control, shared = theirs.fileno(), self._duty.headcounts.descriptor
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *self._duty.command,
            str(control),
            f"{shared}:{self._column}",
            *(f"{kind}={descriptor}" for descriptor, kind in doors),
            pass_fds=[control, shared, *(descriptor for descriptor, _ in doors)],
            stdin=asyncio.subprocess.DEVNULL,
        )

    def _empty(self) -> None:
        self.there.clear()
        self.serves.clear()
        self.pid = 0
        self.routes = {}
        self._duty.stats.connections -= self.connections
        self.connections = 0

    async def _watch(self, process: asyncio.subprocess.Process, line: Line) -> int:
        """Until it has ended: by itself, or because it hangs or cannot be heard any more."""
        while True:
            try:
                async with asyncio.timeout(1.0):
                    return await process.wait()
            except TimeoutError:
                silent = time.monotonic() - self._heard_at
                if line.lost.is_set() or silent > SILENT_SECONDS:
                    log.error("worker %d of the gateway says nothing any more and is killed", self.number)
                    _kill(process)

    async def _settle(self, branch: Branch) -> None:
        """Its process is gone: takes back what it had, as containers end what it had open."""
        while True:
            held = await asyncio.to_thread(_held) if branch.loans else {}
            if not self._duty.lender.settle(branch, held):
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
        self.connections = counts.add(self._duty.stats, counted, self.connections)
        self.routes = routes


def _held() -> Mapping[Host, int]:
    """Connections to containers that are closed here and not there; where nobody can tell, none."""
    return orphans(table.read_text("ascii") for table in TABLES if table.exists())


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended just now
        process.kill()


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"


def _nothing() -> None:
    """Its end is seen by its process."""
