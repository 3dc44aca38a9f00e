"""The life of one process of a node: signals come in, the node serves, stops or is followed by another process.

The process that was started first keeps its place for whoever has started it (see foreground.py), so that a service
manager, a container's init or a shell sees one process that goes on. It must not know how a node serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import os
import signal
import sys
import termios
import time
from collections.abc import Mapping, MutableMapping, Sequence
from ctypes import CDLL
from typing import Literal

from maelstrom.daemon.node import Node
from maelstrom.daemon.service_manager import handed_sockets, notify
from maelstrom.daemon.sockets import Sockets
from maelstrom.daemon.upgrade import VARIABLE, Inheritance, Successor
from maelstrom.model.errors import UpgradeFailed
from maelstrom.model.settings import Settings

log = logging.getLogger("maelstrom.daemon")

PR_SET_CHILD_SUBREAPER = 36  # Linux' prctl.h


class Life:
    """`run` it once. `place`: the process that follows, whose place is to be held; 0: there is none."""

    def __init__(
        self, settings: Settings, environ: MutableMapping[str, str], command: Sequence[str], original: Mapping[str, str]
    ) -> None:
        """`command` and `original`, an environment, are what this process was started with."""
        self.place = 0
        self._settings = settings
        self._environ = environ
        self._command = command
        self._original = {name: text for name, text in original.items() if name != VARIABLE}
        self._manager = environ.get("NOTIFY_SOCKET", "")
        self._stop = asyncio.Event()
        self._upgrade = asyncio.Event()
        self._inheritance: Inheritance | None = None
        self._successor: Successor | None = None
        self._lifeline = -1
        self._held_end = -1  # of the lifeline, in the first process

    async def run(self) -> None:
        sockets = await self._what_is_handed_over()
        node = Node(self._settings, sockets, self._inheritance)
        self._on_signals()
        starting = asyncio.ensure_future(node.start())
        stopping = asyncio.ensure_future(self._stop.wait())
        followed = False
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                notify(self._manager, "READY=1")
                gc.collect()
                gc.freeze()  # what lives as long as the process is never walked again
                followed = await self._serve(node, stopping)
            else:
                starting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await starting
        finally:
            stopping.cancel()
            if not followed:
                notify(self._manager, "STOPPING=1")
                await node.stop()
        if followed:
            await self._leave(node)
        log.info("stopped")

    async def _what_is_handed_over(self) -> Sockets:
        handed = self._environ.pop(VARIABLE, "")
        if not handed:
            return Sockets(handed_sockets(self._environ))
        one = self._inheritance = await Inheritance.receive(handed)
        self._lifeline = one.lifeline
        asyncio.get_running_loop().add_reader(one.lifeline, self._place_is_lost)
        return Sockets(one.sockets)

    async def _serve(self, node: Node, stopping: asyncio.Task[Literal[True]]) -> bool:
        """Until the node is to stop, or is followed: True."""
        while not self._stop.is_set():
            asked = asyncio.ensure_future(self._upgrade.wait())
            await asyncio.wait({stopping, asked}, return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            if self._upgrade.is_set() and not self._stop.is_set():
                if await self._be_followed(node, stopping):
                    return True
                self._upgrade.clear()
        return False

    async def _be_followed(self, node: Node, stopping: asyncio.Task[Literal[True]]) -> bool:
        if self._inheritance is not None and not self._inheritance.over.is_set():
            node.tell_upgrade("the process before this one still ends what it has open")
            return False
        if self._inheritance is not None and sys.platform != "linux":
            node.tell_upgrade("on this system only the process that was started first can be followed")
            return False
        self._prepare_lifeline()
        log.info("a new process is started, to follow this one")
        notify(self._manager, "RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        successor = Successor(self._command, self._original)
        following = asyncio.ensure_future(node.be_followed(successor, self._lifeline))
        await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not following.done():
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError, UpgradeFailed):
                await following
            await successor.end()
            return False
        try:
            following.result()
        except UpgradeFailed as error:
            notify(self._manager, "READY=1")
            node.tell_upgrade(error.message)
            return False
        self._successor = successor
        return True

    async def _leave(self, node: Node) -> None:
        assert self._successor is not None, "followed"
        await node.leave(self._successor)
        if self._inheritance is None:
            self.place = self._successor.pid
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2})
            os.set_inheritable(self._held_end, True)

    def _prepare_lifeline(self) -> None:
        """Whoever follows sees the end of the first process by the end of this pipe."""
        if self._lifeline < 0:
            self._lifeline, self._held_end = os.pipe()
            with contextlib.suppress(OSError, AttributeError):  # another system: the second upgrade's end is not seen
                CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    # signals

    def _on_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop, number)
        loop.add_signal_handler(signal.SIGUSR2, self._upgrade.set)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup wants it
            loop.add_signal_handler(signal.SIGHUP, self._hung_up)

    def _asked_to_stop(self, number: int) -> None:
        if self._successor is not None:
            self._successor.signal(number)
        if self._stop.is_set():
            log.warning("asked again to stop: ending at once")
            logging.shutdown()
            os._exit(0)
        log.info("stopping; a second signal ends at once")
        self._stop.set()

    def _hung_up(self) -> None:
        if _terminal_is_gone():
            self._asked_to_stop(signal.SIGHUP)
        else:
            self._upgrade.set()

    def _place_is_lost(self) -> None:
        asyncio.get_running_loop().remove_reader(self._lifeline)
        log.error("the process that held this node's place is gone")
        self._stop.set()


def _terminal_is_gone() -> bool:
    try:
        termios.tcgetattr(sys.stderr.fileno())
    except termios.error as error:
        return bool(error.args and error.args[0] == errno.EIO)
    return False
