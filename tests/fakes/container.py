"""One container of the fake engine: the tests' component, served by this very process."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from maelstrom.model.errors import EngineUnavailable, RuntimeFailed
from maelstrom.model.instance import Address
from maelstrom.runtime.frames import LINE_LIMIT
from maelstrom.runtime.port import Observed
from maelstrom.runtime.spec import (
    LABEL_FINGERPRINT,
    LABEL_HTTP_PORT,
    LABEL_INSTANCE,
    LABEL_VERSION,
    labelled_component,
)
from tests.component.app import App
from tests.component.http1 import HEAD_LIMIT


class Owner(Protocol):
    """The engine, as far as a container needs it."""

    reachable: bool

    def take_address(self) -> str: ...

    def give_address(self, address: str) -> None: ...

    def died(self, container: FakeContainer) -> None: ...


class Exited(ConnectionError):
    """Unwinds a request of a component that has exited."""


@dataclass(frozen=True, slots=True)
class Written:
    stream: Literal["stdout", "stderr"]
    at: str
    seconds: float
    text: str


class FakeContainer:
    def __init__(self, id: str, image: str, body: dict[str, Any], owner: Owner) -> None:
        self.id = id
        self.image = image
        self.labels: dict[str, str] = body["Labels"]
        self.body = body
        self.environ = dict(item.split("=", 1) for item in body["Env"])
        self.state: Literal["created", "running", "exited"] = "created"
        self.paused = False
        self._flows = asyncio.Event()  # not while it is paused: its component gets no turn
        self._flows.set()
        self.started_at = ""
        self.exit_code: int | None = 0
        self.oom_killed = False
        self.app: App | None = None
        self._log: list[Written] = []
        self._owner = owner
        self._host = ""
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._changed = asyncio.Condition()

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def readable_log(self) -> list[Written]:
        driver = self.body["HostConfig"].get("LogConfig") or {}
        return [] if driver.get("Type") == "none" else self._log

    def observed(self) -> Observed:
        return Observed(
            container=self.id,
            component=labelled_component(self.labels),
            version=int(self.labels.get(LABEL_VERSION, 0)),
            fingerprint=self.labels.get(LABEL_FINGERPRINT, ""),
            running=self.running,
            paused=self.paused,
            started_at=self.started_at,
            address=Address(self._host, self._port) if self.running else None,
            image_id=self.image,
            exit_code=None if self.running else self.exit_code,
            oom_killed=self.oom_killed,
            instance=self.labels.get(LABEL_INSTANCE, ""),
        )

    async def start(self) -> None:
        if self.running:
            return
        self._host = self._owner.take_address()
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((self._host, self._port))  # connections are refused until it listens
        except OSError as error:
            self._owner.give_address(self._host)
            raise RuntimeFailed(f"cannot take {self._host}:{self._port}: {error}") from error
        self.state = "running"
        self.started_at = _stamp()
        self.app = App(self.environ, self._exit, self.say)
        self._spawn(self._boot(self.app))

    def pause(self) -> None:
        self.paused = True
        self._flows.clear()

    def unpause(self) -> bool:
        """Whether it was paused."""
        was, self.paused = self.paused, False
        self._flows.set()
        return was

    async def terminate(self, grace_seconds: float) -> None:
        """SIGTERM, and after the grace SIGKILL."""
        if self.running and self.app is not None and "IGNORE_TERM" not in self.environ and grace_seconds > 0:
            if self._server is not None:
                self._server.close()
            try:
                async with asyncio.timeout(grace_seconds):
                    await self.app.idle.wait()
                self.say("bye", "stdout")
                await self.end(0)
            except TimeoutError:
                await self.end(137)
        elif self.running:
            await asyncio.sleep(grace_seconds)
            await self.end(137)

    async def end(self, code: int, *, oom: bool = False) -> None:
        """Its process has ended: every connection is cut, the address is free for the next one."""
        if not self.running:
            return
        self.state, self.exit_code, self.oom_killed = "exited", code, oom
        self.unpause()
        if self._server is not None:
            self._server.close()
        if self._socket is not None:
            self._socket.close()
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
        self._owner.give_address(self._host)
        self._owner.died(self)
        async with self._changed:
            self._changed.notify_all()

    def say(self, text: str, stream: str) -> None:
        """One line of its log; long ones come in parts, as the engine's do."""
        name: Literal["stdout", "stderr"] = "stderr" if stream == "stderr" else "stdout"
        for line in text.split("\n"):
            for start in range(0, max(1, len(line)), LINE_LIMIT):
                self._log.append(Written(name, _stamp(), time.time(), line[start : start + LINE_LIMIT]))
        self._spawn(self._notify())

    async def lines(self, since: float, follow: bool) -> AsyncGenerator[Written, None]:
        seen = 0
        while True:
            log = self.readable_log
            for line in log[seen:]:
                if line.seconds >= since:
                    yield line
            seen = len(log)
            if not follow or not self.running:
                return
            await self._news(seen)
            if not self._owner.reachable:
                raise EngineUnavailable("the stream of logs broke off: lost by the test")

    async def _news(self, seen: int) -> None:
        def come() -> bool:
            return len(self.readable_log) > seen or not self.running or not self._owner.reachable

        async with self._changed:
            await self._changed.wait_for(come)

    def engine_lost(self) -> None:
        """Who follows its log is cut."""
        self._spawn(self._notify())

    @property
    def _port(self) -> int:
        return int(self.labels.get(LABEL_HTTP_PORT, "8080"))

    async def _boot(self, app: App) -> None:
        if "EXIT_AT_START" in self.environ:
            self.say("cannot start: EXIT_AT_START is set", "stderr")
            await self.end(int(self.environ["EXIT_AT_START"]))
            return
        await asyncio.sleep(float(self.environ.get("START_DELAY", 0)))
        self._server = await asyncio.start_server(self._connected, sock=self._socket, limit=HEAD_LIMIT)
        self.say(f"listening on {self._port}", "stdout")

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        assert self.app is not None
        self._tasks.add(task)
        try:
            await self._flows.wait()
            await self.app.serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()  # killed: the peer sees a reset, as from a dead process
        finally:
            self._tasks.discard(task)

    def _exit(self, code: int) -> None:
        self._spawn(self.end(code))
        raise Exited(f"exited with {code}")

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "000Z")
