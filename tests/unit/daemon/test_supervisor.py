"""The owner of tasks: what must run is started again, what ends badly is seen, and the end leaves nothing."""

from __future__ import annotations

import asyncio
import logging

import pytest

from maelstrom.daemon.supervisor import Supervisor
from maelstrom.model.errors import NotFound


async def test_a_loop_that_dies_is_started_again_and_its_error_is_visible() -> None:
    supervisor = Supervisor()
    runs = 0
    again = asyncio.Event()

    async def loop() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ValueError("broken")
        again.set()
        await asyncio.Event().wait()

    supervisor.keep("loop", loop)
    await asyncio.wait_for(again.wait(), 10)
    state = supervisor.loops["loop"]
    assert (state.restarts, state.running, state.last_error) == (1, True, "ValueError: broken")
    await supervisor.end()


async def test_a_loop_that_ends_by_itself_is_an_error_too(caplog: pytest.LogCaptureFixture) -> None:
    supervisor = Supervisor()
    runs = asyncio.Queue[None]()

    async def loop() -> None:
        runs.put_nowait(None)

    supervisor.keep("loop", loop)
    await asyncio.wait_for(runs.get(), 10)
    await asyncio.wait_for(runs.get(), 10)
    assert "ended by itself" in caplog.text
    await supervisor.end()


async def test_an_unexpected_error_of_a_task_is_logged_and_an_expected_one_is_the_callers() -> None:
    supervisor = Supervisor()
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logger = logging.getLogger("maelstrom.daemon")
    logger.addHandler(handler)
    try:

        async def fails(error: Exception) -> None:
            raise error

        with pytest.raises(NotFound):
            await supervisor.spawn(fails(NotFound("no")), "expected")
        with pytest.raises(KeyError):
            await supervisor.spawn(fails(KeyError("x")), "unexpected")
    finally:
        logger.removeHandler(handler)
    assert [r.getMessage() for r in records] == ["unexpected: internal error"]


async def test_the_end_cancels_and_awaits_everything_also_what_is_spawned_meanwhile() -> None:
    supervisor = Supervisor()
    ended: list[str] = []

    async def last() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("last")

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            supervisor.spawn(last(), "last")
            await asyncio.sleep(0)
            ended.append("work")

    supervisor.spawn(work(), "work")
    await asyncio.sleep(0)
    await supervisor.end()
    assert sorted(ended) in (["last", "work"], ["work"])
    assert [t for t in asyncio.all_tasks() if t.get_name() in ("work", "last")] == []


async def test_settle_names_what_does_not_end() -> None:
    supervisor = Supervisor()
    forever = supervisor.spawn(asyncio.Event().wait(), "forever")
    quick = supervisor.spawn(asyncio.sleep(0), "quick")
    assert await supervisor.settle(0.05) == ["forever"]
    assert quick.done()
    await supervisor.end()
    assert forever.cancelled()
