"""What components really do: a server of the test's own that each piece of work tells of its begin and its end.

Outside the product's reach: components come to it over a Unix socket in a mounted folder. It also decides what becomes
of each attempt at an item (see tests/component/counted.py for the words exchanged).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

FAILING = 422  # the component's own refusal: final
FRAGILE = 500  # one that the next attempt mends


@dataclass(frozen=True, slots=True)
class Event:
    """One step of one attempt. `open`: how many of the source are open right after it."""

    at: float
    source: str
    item: str
    attempt: int
    kind: Literal["begin", "end"]
    open: int
    status: int | None = None  # at the end; None where nobody heard of it
    epoch: int = 0
    instance: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    """What an attempt is to do."""

    seconds: float
    status: int


def scripted(item: str, attempt: int) -> Script:
    """Mostly short and well; a few are long, fail at first, or last longer than any deadline at first.

    A message that fails comes back, so in the end it is done; a task that fails may be failed for good.
    """
    dice = random.Random(f"{item}/{attempt}")
    fate = random.Random(item).random()
    if fate < 0.05 and (attempt == 1 or "-queue-" not in item):
        return Script(0.2, FAILING)
    if fate < 0.10 and attempt == 1:
        return Script(0.2, FRAGILE)
    if fate < 0.13 and attempt == 1:
        return Script(3600.0, 200)
    return Script(dice.uniform(1.5, 2.5) if fate < 0.2 else dice.uniform(0.5, 1.0), 200)


class Ledger:
    """`start` within a loop; what it has seen can be read from any thread."""

    def __init__(self, path: Path, script: Callable[[str, int], Script] = scripted) -> None:
        self.path = path
        self.events: list[Event] = []
        self.script = script
        self._open: defaultdict[str, list[Event]] = defaultdict(list)  # how what is open began
        self.killed: set[str] = set()  # instances whose node was killed: they work on
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._accept, str(self.path))
        self.path.chmod(0o777)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def open(self, source: str, since: float = 0.0) -> list[Event]:
        """How what is open now began, if that was after `since`."""
        return [begin for begin in list(self._open[source]) if begin.at >= since]

    def peak(self, source: str, since: float = 0.0) -> int:
        """The most that was open at once."""
        return max((e.open for e in list(self.events) if e.source == source and e.at >= since), default=0)

    def ends(self, source: str) -> dict[str, list[int]]:
        """The statuses that the component has ended each item's attempts with."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for event in list(self.events):
            if event.source == source and event.kind == "end" and event.status is not None:
                found[event.item].append(event.status)
        return found

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            told = json.loads(await reader.readuntil())
            source, item = told["source"], told["item"]
            self._attempts[source, item] += 1
            attempt = self._attempts[source, item]
            open, at = self._open[source], time.monotonic()
            begin = Event(
                at, source, item, attempt, "begin", len(open) + 1, None, int(told["epoch"] or 0), told["instance"]
            )
            open.append(begin)
            self.events.append(begin)
            status = None
            try:
                script = self.script(item, attempt)
                answer = {"seconds": script.seconds, "status": script.status, "attempt": attempt}
                writer.write(json.dumps(answer).encode() + b"\n")
                gone = False
                while "status" not in (told := json.loads(await reader.readuntil())):
                    gone = True
                    writer.write(json.dumps({"go_on": begin.instance in self.killed}).encode() + b"\n")
                status = None if gone else told["status"]
            finally:
                open.remove(begin)
                end = replace(begin, at=time.monotonic(), kind="end", open=len(open), status=status)
                self.events.append(end)
            writer.write(b"{}\n")
            await writer.drain()
        writer.close()
