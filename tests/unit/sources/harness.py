"""One node's sources over fakes, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from maelstrom.model.source import EventSource, SourceType
from maelstrom.sources.delivery import Means
from maelstrom.sources.kind import Kind
from maelstrom.sources.owner import SourceOwner
from maelstrom.sources.step_functions.kind import StepFunctionsKind
from maelstrom.sources.step_functions.later import LaterAnswers
from tests.fakes.sources import (
    SOURCE,
    FakeDesk,
    FakeLease,
    FakeStepFunctions,
    FakeView,
    FakeWorker,
    Handler,
    TaskOwner,
    answer,
    component,
)
from tests.support.virtual_time import LoopClock


class Node:
    def __init__(self, sources: tuple[EventSource, ...], handle: Handler, *, seconds: int, poll_seconds: float) -> None:
        dice = random.Random(1).random
        self.clock = LoopClock()
        self.tasks = TaskOwner()
        self.service = FakeStepFunctions(poll_seconds=poll_seconds)
        self.worker = FakeWorker(handle)
        self.desk = FakeDesk()
        self.view = FakeView(*sources, components=(component(seconds),))
        means = Means(self.worker, self.view.component, self.clock, self.tasks.spawn)
        self.later = LaterAnswers(
            self.desk, lambda: [self.service], clock=self.clock, spawn=self.tasks.spawn, random=dice
        )
        kinds: dict[SourceType, Kind[Any]] = {
            "awsstepfunc": StepFunctionsKind(self.service, self.later, node="n1", clock=self.clock, random=dice)
        }
        self.owner = SourceOwner(kinds, view=self.view, leases=self.desk, means=means, random=dice)

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    @property
    def lease(self) -> FakeLease:
        return self.desk.leases[1]

    @property
    def status(self) -> object:
        return self.owner.statuses()[SOURCE]

    async def until(self, check: Callable[[], object], *, within: float = 600.0) -> None:
        """In virtual seconds, looked at every 10 ms."""
        end = self.now + within
        while not check():
            assert self.now < end, f"not within {within} s"
            await asyncio.sleep(0.01)


@asynccontextmanager
async def node(
    *sources: EventSource,
    handle: Handler = lambda request: answer(),
    seconds: int = 300,
    poll_seconds: float = 60.0,
    start: bool = True,
) -> AsyncIterator[Node]:
    made = Node(sources, handle, seconds=seconds, poll_seconds=poll_seconds)
    if start:
        made.owner.start()
    try:
        yield made
    finally:
        await made.tasks.end()
    assert made.tasks.died == []
