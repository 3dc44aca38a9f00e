"""The life of a task token: scheduled, handed to a worker, kept alive by heartbeats, ended exactly once.

Executions wait here in threads of their own, API calls come from the server's loop; one lock is held for moments only.
Knows nothing of state machines: a `Scope` says whether anybody still wants the result.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from tools.aws_standin.rules import TOKEN_CHARACTERS, ApiError, check_length

_TOKEN = re.compile(r"AQ[0-9a-f]{96}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Scope(Protocol):
    @property
    def ended(self) -> bool:
        """Whether the execution, or the branch of it that waits, is over."""
        ...


class ScopeEnded(SystemExit):
    """Unwinds a thread whose execution is over; as a SystemExit it passes by the engine's `except Exception`."""


@dataclass(frozen=True)
class Succeeded:
    output: str


@dataclass(frozen=True)
class Failed:
    error: str
    cause: str


@dataclass(frozen=True)
class TimedOut:
    error: str  # States.Timeout or States.HeartbeatTimeout


@dataclass(frozen=True)
class Unwanted:
    """The execution was stopped, or a sibling branch failed."""


Outcome = Succeeded | Failed | TimedOut | Unwanted


@dataclass
class Task:
    scope: Scope
    arn: str = ""  # of the activity; empty for a callback
    input: str = ""
    timeout: float | None = None  # s, from the hand-over to a worker on
    heartbeat: float | None = None  # s
    token: str = field(default_factory=lambda: "AQ" + secrets.token_hex(48))
    on_start: Callable[[str], None] = lambda worker: None
    started: float | None = None
    beaten: float = 0.0
    outcome: Outcome | None = None

    def start(self, worker: str) -> None:
        self.started = self.beaten = time.monotonic()
        self.on_start(worker)

    def limit(self) -> tuple[float, str] | None:
        """When this task times out next, and with which error."""
        if self.started is None:
            return None
        limits = []
        if self.timeout:
            limits.append((self.started + self.timeout, "States.Timeout"))
        if self.heartbeat:
            limits.append((self.beaten + self.heartbeat, "States.HeartbeatTimeout"))
        return min(limits, default=None)


class TaskBook:
    """All tasks of the service. Ended ones are remembered: their tokens are refused otherwise than unknown ones."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._tasks: dict[str, Task] = {}
        self._queues: defaultdict[str, deque[Task]] = defaultdict(deque)
        self._pollers: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)

    # for executions, in their own threads

    def schedule(self, task: Task) -> None:
        """Queue a task for the pollers of its activity."""
        with self._changed:
            self._tasks[task.token] = task
            self._queues[task.arn].append(task)
        self.wake_pollers(task.arn)

    def expect(self, task: Task) -> None:
        """A callback: its token travels by other ways, its time runs from now on."""
        with self._changed:
            self._tasks[task.token] = task
            task.start("")

    def wait(self, task: Task) -> Outcome:
        """Block until the task ends, by whatever comes first."""
        with self._changed:
            while task.outcome is None:
                limit = task.limit()
                if task.scope.ended:
                    task.outcome = Unwanted()
                elif limit is not None and limit[0] <= time.monotonic():
                    task.outcome = TimedOut(limit[1])
                else:
                    self._changed.wait(None if limit is None else limit[0] - time.monotonic())
            return task.outcome

    def sleep(self, seconds: float, scope: Scope) -> None:
        """Block for so long, or raise `ScopeEnded` as soon as nobody wants the execution to go on."""
        until = time.monotonic() + seconds
        with self._changed:
            while not scope.ended and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
        if scope.ended:
            raise ScopeEnded

    def look_again(self) -> None:
        """A scope has ended: let everybody who waits see it."""
        with self._changed:
            self._changed.notify_all()

    # for API calls

    def wake_pollers(self, arn: str) -> None:
        """There is something to see for those who poll this activity."""
        with self._changed:
            pollers = list(self._pollers[arn])
        for wake in pollers:
            wake()

    def hand_out(self, arn: str, worker: str) -> Task | None:
        """The oldest task of the activity that somebody still wants."""
        with self._changed:
            queue = self._queues[arn]
            while queue:
                task = queue.popleft()
                if task.outcome is None and not task.scope.ended:
                    task.start(worker)
                    self._changed.notify_all()
                    return task
            return None

    def pollers(self, arn: str) -> int:
        with self._changed:
            return len(self._pollers[arn])

    @contextmanager
    def watching(self, arn: str, wake: Callable[[], None]) -> Iterator[None]:
        """`wake` is called, from any thread, whenever a task of the activity is queued."""
        with self._changed:
            self._pollers[arn].append(wake)
        try:
            yield
        finally:
            with self._changed:
                self._pollers[arn].remove(wake)

    def end(self, token: object, outcome: Outcome) -> None:
        with self._changed:
            self._open_task(token).outcome = outcome
            self._changed.notify_all()

    def beat(self, token: object) -> None:
        with self._changed:
            self._open_task(token).beaten = time.monotonic()
            self._changed.notify_all()

    def open_task(self, token: object) -> Task:
        """The task of a token, if it may still be ended; else AWS's error."""
        with self._changed:
            return self._open_task(token)

    def _open_task(self, token: object) -> Task:
        check_length("taskToken", token, TOKEN_CHARACTERS, least=1)
        assert isinstance(token, str)
        task = self._tasks.get(token)
        if task is None and _TOKEN.fullmatch(token):
            raise ApiError("TaskDoesNotExist", "Task does not exist")
        if task is None:
            raise ApiError("InvalidToken", "Invalid Token: 'Invalid token'")
        limit = task.limit()
        if task.outcome is not None or task.scope.ended or (limit is not None and limit[0] <= time.monotonic()):
            raise ApiError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
        return task
