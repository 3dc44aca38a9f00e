"""The threads in which a blocking library is called."""

from __future__ import annotations

import asyncio
import threading

import pytest

from maelstrom.runtime.threads import Workers
from tests.support.wait import eventually


class Closed(Exception):
    """What those who wait are told."""


async def test_results_and_errors_come_back_to_who_waits() -> None:
    workers = Workers("w", 2)
    assert await workers.run(lambda: 1 + 1) == 2
    with pytest.raises(ZeroDivisionError):
        await workers.run(lambda: 1 / 0)
    workers.close(Closed())


async def test_never_more_threads_than_the_limit_and_none_before_it_is_needed() -> None:
    workers = Workers("w", 3)
    busy = 0
    most = 0
    lock = threading.Lock()
    gate = threading.Event()

    def work() -> None:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        gate.wait(5)
        with lock:
            busy -= 1

    running = [asyncio.ensure_future(workers.run(work)) for _ in range(10)]
    await eventually(lambda: busy == 3)
    gate.set()
    await asyncio.gather(*running)
    assert most == 3
    workers.close(Closed())


async def test_idle_threads_are_used_again() -> None:
    workers = Workers("w", 10)
    names = {await workers.run(lambda: threading.current_thread().name) for _ in range(20)}
    assert len(names) <= 2  # the first may not be waiting yet when the second job comes
    workers.close(Closed())


async def test_cancelled_before_its_turn_it_never_runs() -> None:
    workers = Workers("w", 1)
    gate = threading.Event()
    ran: list[str] = []
    first = asyncio.ensure_future(workers.run(lambda: gate.wait(5)))
    second = asyncio.ensure_future(workers.run(lambda: ran.append("second")))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.set()
    await first
    await workers.run(lambda: ran.append("third"))
    assert ran == ["third"]
    workers.close(Closed())


async def test_closing_fails_what_waits_and_ends_the_threads() -> None:
    workers = Workers("closing", 1)
    gate = threading.Event()
    running = asyncio.ensure_future(workers.run(lambda: gate.wait(5)))
    waiting = asyncio.ensure_future(workers.run(lambda: None))
    await asyncio.sleep(0)
    workers.close(Closed())
    with pytest.raises(Closed):
        await waiting
    gate.set()
    await running
    await eventually(lambda: not [t for t in threading.enumerate() if t.name.startswith("closing")])
    with pytest.raises(RuntimeError):
        workers.submit(lambda: None)


async def test_a_system_without_more_threads_refuses_the_first_job_and_lets_the_others_wait_for_a_thread() -> None:
    workers = Workers("w", 5)
    usual = threading.stack_size(1 << 46)  # more than there is address space for
    try:
        with pytest.raises(RuntimeError, match="thread"):
            workers.submit(lambda: "lost")
        threading.stack_size(usual)
        assert await workers.run(lambda: "worked") == "worked"
        gate = threading.Event()
        busy = workers.submit(lambda: gate.wait(5))
        threading.stack_size(1 << 46)
        waiting = workers.submit(lambda: "in its turn")
        gate.set()
        assert await asyncio.wrap_future(waiting) == "in its turn"
        assert busy.result()
    finally:
        threading.stack_size(usual)
        workers.close(Closed())
