"""Cron on real nodes over a real database: every planned time once, whatever becomes of the node that plans."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from maelstrom.model.errors import Conflict
from maelstrom.model.stored import SourceFilter
from maelstrom.registry.registry import Registry
from tests.contract.registry.definitions import cron, project
from tests.fakes.sources import after
from tests.integration.cron.node import TTL, Node, node
from tests.support.wait import eventually

ROOT = Path(__file__).resolve().parents[3]
TAKEN_OVER = 10 * TTL  # s; on a busy machine


async def put(registry: Registry, schedule: str = "@every 1s", **fields: Any) -> None:
    source = cron(schedule, **{"catchup": "all", **fields})
    await registry.put_project(project("shop", web={"eventsources": {"tick": source}}))


def assert_each_once(times: list[str]) -> None:
    """Every second from the first to the last, none twice."""
    assert len(times) == len(set(times)), sorted(times)
    first, last = (datetime.fromisoformat(edge) for edge in (min(times), max(times)))
    assert len(times) == (last - first) / timedelta(seconds=1) + 1, sorted(times)


async def leading(*nodes: Node) -> Node:
    return await eventually(lambda: next((one for one in nodes if one.role.held), None), within=TAKEN_OVER)


async def test_each_time_fires_once_when_the_node_that_plans_is_killed(url: str, registry: Registry) -> None:
    await put(registry)
    async with node(url, "one") as one, node(url, "two") as two:
        first = await leading(one, two)
        second = two if first is one else one
        await eventually(lambda: len(first.times) >= 2)
        await first.kill()
        assert second.times == []
        await eventually(lambda: len(second.times) >= 4, within=TAKEN_OVER)
        assert_each_once(first.times + second.times)


async def test_a_clean_stop_hands_planning_over_at_once(url: str, registry: Registry) -> None:
    await put(registry)
    async with node(url, "one") as one, node(url, "two") as two:
        first = await leading(one, two)
        second = two if first is one else one
        await eventually(lambda: len(first.times) >= 1)
        await first.end()
        await eventually(lambda: second.role.held, within=TTL)
        await eventually(lambda: len(second.times) >= 2)
        assert_each_once(first.times + second.times)


async def test_edits_and_toggles_take_effect_within_two_seconds_and_shift_nothing(url: str, registry: Registry) -> None:
    await put(registry, "@every 2s")
    async with node(url, "one") as one:
        await eventually(lambda: len(one.times) >= 1)
        even = datetime.fromisoformat(one.times[0]).timestamp() % 2
        await put(registry, "@every 2s", retries=3)
        await eventually(lambda: len(one.times) >= 3)
        assert {datetime.fromisoformat(time).timestamp() % 2 for time in one.times} == {even}
        await registry.set_enabled(SourceFilter(), False)
        await eventually(lambda: [s.state for s in one.cron.statuses().values()] == ["disabled"], within=2)
        seen = len(one.times)
        await registry.set_enabled(SourceFilter(), True)
        await eventually(lambda: len(one.times) > seen, within=5)


async def test_a_run_by_hand_works_on_any_node_and_overlap_holds_over_all(url: str, registry: Registry) -> None:
    await put(registry, "@hourly", overlap="forbid")
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(node(url, name, after(1))) for name in ("one", "two")]
        (source,) = await registry.list_sources()
        id = await two.cron.run_now(source)
        with pytest.raises(Conflict, match="open"):
            await one.cron.run_now(source)
        await eventually(lambda: registry_state(registry, id, "succeeded"))
        run = await registry.cron_run(id)
        assert (run.kind, run.node, run.status, run.attempts) == ("manual", "two", 200, 1)
        assert len(two.times) == 1


async def registry_state(registry: Registry, id: str, state: str) -> bool:
    return (await registry.cron_run(id)).state == state


@contextmanager
def process(url: str, name: str, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    with output.open("wb") as file:
        command = [sys.executable, "-m", "tests.integration.cron.node", url, name]
        running = subprocess.Popen(command, cwd=ROOT, stdout=file, stdin=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.kill()
        running.wait(10)


# On SQLite a process that is stopped inside a transaction stops the others, too.
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_each_time_fires_once_when_the_process_that_plans_is_stopped_for_a_while(
    url: str, registry: Registry, tmp_path: Path
) -> None:
    await put(registry)
    output = tmp_path / "paused"
    with process(url, "paused", output) as paused:
        await eventually(lambda: len(output.read_text().split()) >= 2, within=20)
        async with node(url, "other") as other:
            paused.send_signal(signal.SIGSTOP)
            await eventually(lambda: len(other.times) >= 3, within=TAKEN_OVER)
            paused.send_signal(signal.SIGCONT)
            seen = len(other.times)
            await eventually(lambda: len(other.times) >= seen + 3, within=TAKEN_OVER)
            await asyncio.to_thread(stop, paused)
            assert_each_once(output.read_text().split() + other.times)


def stop(running: subprocess.Popen[bytes]) -> None:
    running.kill()
    running.wait(10)
