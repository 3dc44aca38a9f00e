"""Threads for a library that blocks: bounded, named, and never in the way of the process's end.

They are daemon threads, which `concurrent.futures` does not offer: a call that hangs in a dead engine must not keep the
daemon from exiting. It must not know what the calls do.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
Job = tuple["Future[object]", Callable[[], object]]


class Workers:
    """Up to `limit` threads, made as they are needed, that work through one queue."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads = 0
        self._growing = threading.Lock()
        self._closed = False

    async def run(self, work: Callable[[], T]) -> T:
        """Runs `work` in a thread. Cancelled before its turn, it never runs; afterwards its result is dropped."""
        return await asyncio.wrap_future(self.submit(work))

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """For callers who need the result even if they are cancelled. RuntimeError: closed, or no thread to be had."""
        if self._closed:
            raise RuntimeError(f"{self._name} is closed")
        future: Future[T] = Future()
        self._jobs.put((future, work))  # type: ignore[arg-type]  # the pair belongs together, the queue cannot say so
        with self._growing:
            if not self._idle.acquire(blocking=False) and self._threads < self._limit:
                self._grow(future)
        return future

    def _grow(self, future: Future[T]) -> None:
        try:
            threading.Thread(target=self._work, name=f"{self._name}-{self._threads + 1}", daemon=True).start()
        except RuntimeError:  # the system has no more of them: those that there are do it, in their time
            if not self._threads:
                future.cancel()
                raise
        else:
            self._threads += 1

    def close(self, error: Exception | None = None) -> None:
        """Threads end after what they are doing; what waits for its turn fails with `error` (default: RuntimeError)."""
        error = error or RuntimeError(f"{self._name} is closed")
        self._closed = True
        waiting: list[Job] = []
        while not self._jobs.empty():
            if (job := self._jobs.get()) is not None:
                waiting.append(job)
        for future, _ in waiting:
            if future.set_running_or_notify_cancel():
                future.set_exception(error)
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, work = job
            if future.set_running_or_notify_cancel():
                _settle(future, work)
            del job, future, work  # nothing is kept alive while the thread waits
            self._idle.release()


def _settle(future: Future[object], work: Callable[[], object]) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - raised again where the result is awaited
        future.set_exception(error)
    else:
        future.set_result(result)
