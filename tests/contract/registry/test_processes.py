"""Several processes on one database: their changes come one after the other, nobody is told "locked"."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from maelstrom.registry.registry import Registry
from tests.contract.registry.definitions import project

ROOT = Path(__file__).parents[3]
PUT = """
import asyncio, json, sys
from maelstrom.model.stored import SourceFilter
from maelstrom.registry.registry import Registry
from tests.contract.registry.definitions import http, project, sqs

async def main(url, me, turns):
    registry = await Registry.open(url)
    print("ready", flush=True)
    sys.stdin.readline()
    revisions = []
    for turn in range(turns):
        # Sources move to and fro between the components, and both processes touch the same rows.
        first, second = ("a", "b") if (turn + me) % 2 else ("b", "a")
        put = project("shop", **{
            first: {"image": f"app:{me}-{turn}", "eventsources": {"s1": sqs(), "s2": http(f"h{me}.{turn}")}},
            second: {"image": "app:1", "eventsources": {"s3": sqs(maxconcurrency=turn + 1)}},
        })
        revisions.append((await registry.put_project(put, author=str(me))).revision)
        await registry.set_enabled(SourceFilter(), turn % 2 == 0)
    await registry.close()
    print(json.dumps(revisions), flush=True)

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""


async def test_puts_of_one_project_by_several_processes_come_one_after_the_other(registry: Registry, url: str) -> None:
    turns = 10
    processes = [await _process(PUT, url, str(me), str(turns)) for me in range(2)]
    outputs = await _together(processes)
    revisions = sorted(number for output in outputs for number in json.loads(output))
    assert revisions == list(range(1, 2 * turns + 1)), "each put has a number of its own, none failed"
    history = await registry.history("shop")
    assert [entry.revision for entry in history] == list(range(2 * turns, 0, -1))
    stored = await registry.get_project("shop")
    snapshot = await registry.snapshot()
    assert {key.name: component.definition for key, component in snapshot.components.items()} == {
        name: entry.component for name, entry in stored.definition.components.items()
    }
    assert len(snapshot.sources) == 3


async def test_first_starts_at_once_make_the_schema_once(empty_url: str) -> None:
    start = """
import asyncio, sys
from maelstrom.registry.registry import Registry

async def main(url):
    print("ready", flush=True)
    sys.stdin.readline()
    registry = await Registry.open(url)
    print(await registry.revision(), flush=True)
    await registry.close()

asyncio.run(main(sys.argv[1]))
"""
    processes = [await _process(start, empty_url) for _ in range(4)]
    assert await _together(processes) == ["0"] * 4


async def test_of_two_puts_based_on_one_revision_one_wins(registry: Registry, url: str) -> None:
    other = await Registry.open(url, migrate=False)
    await registry.put_project(project("shop", web={}))
    both = await asyncio.gather(
        registry.put_project(project("shop", web={"image": "app:2"}), expected_revision=1),
        other.put_project(project("shop", web={"image": "app:3"}), expected_revision=1),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in both) == ["Conflict", "PutResult"]
    await other.close()


async def _process(code: str, *arguments: str) -> asyncio.subprocess.Process:
    """Started, and waiting for the word to go."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        *arguments,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    line = await process.stdout.readline()
    assert line == b"ready\n", (await process.stderr.read()).decode()
    return process


async def _together(processes: list[asyncio.subprocess.Process]) -> list[str]:
    ends = await asyncio.gather(*(process.communicate(b"\n") for process in processes))
    for process, (_, errors) in zip(processes, ends, strict=True):
        assert process.returncode == 0, errors.decode()
    return [output.decode().strip() for output, _ in ends]
