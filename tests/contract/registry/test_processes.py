"""Several processes on one database: their changes come one after the other, nobody is told "locked"."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from maelstrom.registry.registry import Registry
from tests.contract.registry.definitions import project

ROOT = Path(__file__).parents[3]

# Imports once, then each child is a process of its own, all starting at the same moment.
FORK = """
import asyncio, json, os, sys
from maelstrom.model.stored import SourceFilter
from maelstrom.registry.registry import Registry
from tests.contract.registry.definitions import http, project, sqs
{main}
children = []
for me in range(int(sys.argv[2])):
    child = os.fork()
    if not child:
        line = json.dumps(asyncio.run(main(sys.argv[1], me))) + "\\n"
        os.write(1, line.encode())  # in one piece: others write as well
        os._exit(0)
    children.append(child)
sys.exit(max(os.waitpid(child, 0)[1] for child in children) != 0)
"""

PUT = """
TURNS = 10

async def main(url, me):
    registry = await Registry.open(url)
    revisions = []
    for turn in range(TURNS):
        # Sources move to and fro between the components, and both processes touch the same rows.
        first, second = ("a", "b") if (turn + me) % 2 else ("b", "a")
        put = project("shop", **{
            first: {"image": f"app:{me}-{turn}", "eventsources": {"s1": sqs(), "s2": http(f"h{me}.{turn}")}},
            second: {"image": "app:1", "eventsources": {"s3": sqs(maxconcurrency=turn + 1)}},
        })
        revisions.append((await registry.put_project(put, author=str(me))).revision)
        await registry.set_enabled(SourceFilter(), turn % 2 == 0)
    await registry.close()
    return revisions
"""

START = """
async def main(url, me):
    registry = await Registry.open(url)
    revision = await registry.revision()
    await registry.close()
    return revision
"""


async def test_puts_of_one_project_by_several_processes_come_one_after_the_other(registry: Registry, url: str) -> None:
    outputs = await _forked(PUT, url, 3)
    assert sorted(number for output in outputs for number in output) == list(range(1, 31)), "none failed or was lost"
    assert [entry.revision for entry in await registry.history("shop")] == list(range(30, 0, -1))
    stored = await registry.get_project("shop")
    snapshot = await registry.snapshot()
    assert {key.name: component.definition for key, component in snapshot.components.items()} == {
        name: entry.component for name, entry in stored.definition.components.items()
    }
    assert len(snapshot.sources) == 3


async def test_first_starts_at_once_make_the_schema_once(empty_url: str) -> None:
    assert await _forked(START, empty_url, 6) == [0] * 6


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


async def _forked(main: str, url: str, processes: int) -> list[Any]:
    """What `main(url, number)` returned in each."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        FORK.format(main=main),
        url,
        str(processes),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return [json.loads(line) for line in output.splitlines()]
