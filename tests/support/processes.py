"""Several processes in one event loop of virtual time, for simulations: each can be frozen or killed as a whole.

Whatever a process has scheduled runs only while it is neither frozen nor dead: SIGSTOP and kill -9, at any await. Which
process runs next is drawn from a seed; each keeps its own order, as asyncio promises. Time passes when nothing is left
to do. Much quicker than asyncio's own loop, which waits for files and other threads.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import inspect
import random
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

T = TypeVar("T")

PROCESS: contextvars.ContextVar[Process] = contextvars.ContextVar("process")


class Handle:
    """Something scheduled; cancelled when it has no callback."""

    __slots__ = ("args", "at", "callback", "context")

    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...], context: Any, at: float) -> None:
        self.callback: Callable[..., Any] | None = callback
        self.args = args
        self.context = context
        self.at = at

    def cancel(self) -> None:
        self.callback = None

    def cancelled(self) -> bool:
        return self.callback is None

    def when(self) -> float:
        return self.at


class Process:
    """`loop.process()` makes one; what is called with `run`, and all that comes of it, belongs to it."""

    def __init__(self, loop: ProcessLoop) -> None:
        self.ready: deque[Handle] = deque()
        self.works: deque[Coroutine[Any, Any, Any]] = deque(maxlen=200)  # the last ones: some may not have begun
        self.frozen = self.dead = False
        self.context = contextvars.Context()
        self.context.run(PROCESS.set, self)
        self._loop = loop

    def freeze(self) -> None:
        self.frozen = True
        self._loop.resting(self)

    def thaw(self) -> None:
        if self.frozen:
            self.frozen = False
            if self.ready:
                self._loop.active.append(self)

    def kill(self) -> None:
        self.dead = True
        self._loop.resting(self)
        self.ready.clear()
        for work in self.works:
            if inspect.getcoroutinestate(work) == inspect.CORO_CREATED:
                work.close()

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task: asyncio.Task[T] = self._loop.create_task(work, context=self.context)
        return task

    def call(self, callback: Callable[..., Any], *args: Any) -> None:
        """Soon, as a turn of its own."""
        self._loop.call_soon(callback, *args, context=self.context)

    def call_after(self, seconds: float, callback: Callable[..., Any], *args: Any) -> Handle:
        return self._loop.call_at(self._loop.now + seconds, callback, *args, context=self.context)


class ProcessLoop:
    """As much of a loop as code without files, sockets and threads uses. `outside`: the process of the simulation."""

    def __init__(self, dice: random.Random) -> None:
        self.active: list[Process] = []  # with something to do
        self.troubles: list[Exception] = []
        self._draw = dice.random
        self.now = 0.0  # s
        self._timers: list[tuple[float, int, Handle]] = []
        self._number = 0
        self.outside = Process(self)
        self._current: contextvars.Context = self.outside.context

    def process(self) -> Process:
        return Process(self)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Until it is done; what else there is stays where it is."""
        events._set_running_loop(cast(asyncio.AbstractEventLoop, self))
        try:
            task = self.outside.spawn(main)
            self._turns(task)
            return task.result()
        finally:
            events._set_running_loop(None)

    def resting(self, process: Process) -> None:
        if process in self.active:
            self.active.remove(process)

    # what asyncio asks of a loop

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> Handle:
        handle = Handle(callback, args, self._current if context is None else context, self.now)
        process = handle.context[PROCESS]
        if not process.dead:
            ready = process.ready
            if not ready and not process.frozen:
                self.active.append(process)
            ready.append(handle)
        return handle

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> Handle:
        handle = Handle(callback, args, self._current if context is None else context, when)
        self._number += 1
        heapq.heappush(self._timers, (when, self._number, handle))
        return handle

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> Handle:
        when = self.now + delay
        handle = Handle(callback, args, self._current if context is None else context, when)
        self._number += 1
        heapq.heappush(self._timers, (when, self._number, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=cast(asyncio.AbstractEventLoop, self))

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None) -> Any:
        where = self._current if context is None else context
        where[PROCESS].works.append(coro)
        return asyncio.Task(coro, loop=cast(asyncio.AbstractEventLoop, self), name=name, context=where)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What the dead leave behind is no trouble; whoever must not fail says so."""
        if "defect" in context:
            self.troubles.append(context["defect"])

    def _turns(self, main: asyncio.Task[Any]) -> None:
        """One handle after the other. All in one place: there are a thousand turns to a second of a simulation."""
        active, timers, draw, done, pop = self.active, self._timers, self._draw, main.done, heapq.heappop
        while not done():
            while not active:
                when, _, handle = pop(timers)
                if handle.callback is not None:
                    self.now = max(self.now, when)
                    self._queue(handle)
            which = int(draw() * len(active)) if len(active) > 1 else 0
            process = active[which]
            ready = process.ready
            handle = ready.popleft()
            if not ready:
                active[which] = active[-1]
                active.pop()
            if handle.callback is not None:
                self._current = context = handle.context
                context.run(handle.callback, *handle.args)

    def _queue(self, handle: Handle) -> None:
        process = handle.context[PROCESS]
        if process.dead:
            return
        if not process.ready and not process.frozen:
            self.active.append(process)
        process.ready.append(handle)
