"""One process of a node follows another without a gap: the two ends of the line between them.

The new one is started by the old one and gets it as an inheritance: the listening sockets and the lock of the state
directory, as open descriptors. It says when it could take over; the old one then ends what there must be one of, and
says so; what it still drains is counted by `handover`. It must not know in which order a node starts or stops.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.daemon import foreground
from maelstrom.daemon.handover import Former, Heir
from maelstrom.daemon.sockets import Listening
from maelstrom.model.errors import InvalidSettings, Problem, UpgradeFailed
from maelstrom.model.settings import Settings
from maelstrom.workers.line import Line
from maelstrom.workers.messages import Message

log = logging.getLogger("maelstrom.daemon")

VARIABLE: Final = "MAELSTROM_INHERITANCE"  # the line's descriptor, in the environment of the new process
PREPARE_SECONDS: Final = 60.0  # for the new process to be able to take over; else it is ended, and all stays as it was
LOOK_SECONDS: Final = 0.01  # how late it is told that something has ended in the old process


class Successor:
    """The old process's end: the process that follows."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """What it is started with."""
        self._command = command
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None  # not the loop's, which would end it with itself
        self._line: Line | None = None
        self._prepared = False
        self._decided = asyncio.Event()  # that it could take over, or has ended
        self._former: Former | None = None
        self.ready = asyncio.Event()  # it serves, or has ended

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    async def start(self, settings: Settings, sockets: Iterable[Listening], lock: int, lifeline: int) -> None:
        """Until it says that it could take over. Raises UpgradeFailed; then it is gone."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._line = await Line.connect(ours, self._heard, self._lost)
            handed = [(one.name, one.wanted, one.socket.fileno()) for one in sockets]
            self._line.send(["begin", lock, lifeline, handed, _identity(settings)])
            try:
                self._process = self._started(theirs.fileno(), [lock, lifeline, *(fd for _, _, fd in handed)])
            except OSError as error:
                raise UpgradeFailed(f"the new process cannot be started: {error.strerror or error}") from error
        try:
            async with asyncio.timeout(PREPARE_SECONDS):
                await self._decided.wait()
                if not self._prepared:
                    code = await asyncio.to_thread(self._process.wait)
                    raise UpgradeFailed(f"the new process ended with {code}")
        except TimeoutError as error:
            raise UpgradeFailed(f"the new process was not ready within {PREPARE_SECONDS:g} s") from error
        finally:
            if not self._prepared:
                await self.end()

    def _started(self, line: int, handed: Sequence[int]) -> subprocess.Popen[bytes]:
        environ = {**self._environ, VARIABLE: str(line)}
        return subprocess.Popen(self._command, env=environ, pass_fds=[line, *handed])

    def switch(self, former: Former) -> None:
        """From now on the node is the new process's."""
        assert self._line is not None, "started"
        self._former = former
        self._line.send(["switch", former.switch()])
        former.begin()

    def send(self, message: Message) -> None:
        if self._line is not None:
            self._line.send(message)

    @property
    def gone(self) -> bool:
        return self._line is None or self._line.lost.is_set()

    def signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    async def look(self) -> None:
        """Endless: tells what has ended here."""
        while self._former is not None:
            self._former.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def leave(self) -> None:
        """Nothing is open here any more: once it serves, it needs this process no longer."""
        if self._former is not None:
            self._former.look()
        await self.ready.wait()
        if self._line is not None:
            self._line.close()

    async def end(self) -> None:
        """It is not to follow."""
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    def _heard(self, message: Message) -> None:
        match message:
            case ["prepared", *_]:
                self._prepared = True
                self._decided.set()
            case ["ready", *_]:
                self.ready.set()
            case _:
                if self._former is not None:
                    self._former.told(message)

    def _lost(self) -> None:
        self._decided.set()
        if self._former is not None:
            if not self.ready.is_set():
                log.error("the new process has ended before it served")
            self._former.abandoned()
            self.ready.set()


class Inheritance:
    """The new process's end: what the old one gives up. Implements `activation.watch.FormerProcess`."""

    def __init__(self) -> None:
        self.lock = -1
        self.lifeline = -1  # readable at the end of the process that holds the node's place for its starter
        self.sockets: list[Listening] = []
        self.over = asyncio.Event()  # the old process has nothing open any more
        self._line: Line | None = None
        self._begun = asyncio.Event()
        self._switched = asyncio.Event()
        self._heir: Heir | None = None
        self._identity: dict[str, str] = {}
        self._held: list[Message] = []  # until there is an heir

    @classmethod
    async def receive(cls, descriptor: str) -> Inheritance:
        """From the process that has started this one."""
        one = cls()
        try:
            end = socket.socket(fileno=int(descriptor))
        except (OSError, ValueError) as error:
            hint = "only a node that is upgraded sets it, for the process that follows"
            raise UpgradeFailed(f"{VARIABLE} is {descriptor!r}, which is no inheritance", hint=hint) from error
        end.set_inheritable(False)
        one._line = await Line.connect(end, one._heard, one._lost)
        await one._begun.wait()
        return one

    def check(self, settings: Settings) -> None:
        """Raises InvalidSettings for settings that make this another node."""
        identity = _identity(settings)
        changed = [name for name, text in identity.items() if self._identity.get(name, text) != text]
        if changed:
            hint = "it would be another node: stop this one and start it anew"
            problems = (Problem(name, f"is another one than {self._identity[name]}", hint) for name in changed)
            raise InvalidSettings(tuple(problems))

    async def switched(self) -> None:
        """Says that everything is prepared, and waits for the old process to give up what there must be one of."""
        self._send(["prepared"])
        await self._switched.wait()
        if self.over.is_set() and not self._held:
            raise UpgradeFailed("the old process has changed its mind")

    def inherit(self, find: Callable[[str], Pool | None]) -> None:
        """`find`: the pool of a component. What the old process has open counts from now on."""
        heir = self._heir = Heir(find, self._send, time.monotonic)
        for message in self._held:
            self._tell(heir, message)
        self._held.clear()
        if self.over.is_set():
            heir.over()

    def serves(self) -> None:
        self._send(["ready"])

    # for the engine's watch

    def adopted(self, pool: Pool, instance: Instance) -> None:
        if self._heir is not None:
            self._heir.adopted(pool, instance)

    async def unused(self, instance: str) -> None:
        if self._heir is not None and self._heir.uses(instance):
            await self.over.wait()

    def _send(self, message: Message) -> None:
        if self._line is not None:
            self._line.send(message)

    def _heard(self, message: Message) -> None:
        match message:
            case ["begin", int(lock), int(lifeline), list(handed), dict(identity), *_]:
                self._identity = identity
                for fd in (lock, lifeline):
                    os.set_inheritable(fd, False)
                self.lock, self.lifeline = lock, lifeline
                self.sockets = [_listening(*one) for one in handed]
                self._begun.set()
            case ["switch", *_]:
                self._held.append(message)
                self._switched.set()
            case _ if self._heir is None:
                self._held.append(message)
            case _:
                self._tell(self._heir, message)

    @staticmethod
    def _tell(heir: Heir, message: Message) -> None:
        match message:
            case ["switch", list(slots), *_]:
                heir.holds(slots)
            case _:
                heir.told(message)

    def _lost(self) -> None:
        self.over.set()
        self._begun.set()
        self._switched.set()
        if self._heir is not None:
            self._heir.over()


def _identity(settings: Settings) -> dict[str, str]:
    """What makes a node another one."""
    return {
        "MAEL_STATE_DIR": str(settings.state_dir),
        "MAEL_CLUSTER_NAME": settings.cluster_name,
        "MAEL_NODE_NAME": settings.node_name,
    }


def _listening(name: str, wanted: str, fd: int) -> Listening:
    os.set_inheritable(fd, False)
    found = socket.socket(fileno=fd)
    found.setblocking(False)
    return Listening(name, wanted, found)


def hold_place(node: int, state_dir: Path) -> NoReturn:
    """This process becomes the one that its starter waits for, while `node`, its child, is the node."""
    arguments = [sys.executable, "-I", "-S", foreground.__file__, str(node), str(state_dir / "lock")]
    os.execv(sys.executable, arguments)
