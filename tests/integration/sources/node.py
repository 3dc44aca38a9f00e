"""One node's sources over the real client and a local AWS service; the component is a function."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from maelstrom.model.source import EventSource, SourceType
from maelstrom.sources.aws.clients import Lanes
from maelstrom.sources.aws.sqs import AwsSqs
from maelstrom.sources.aws.step_functions import AwsStepFunctions
from maelstrom.sources.delivery import Means
from maelstrom.sources.kind import Kind
from maelstrom.sources.owner import SourceOwner
from maelstrom.sources.sqs.kind import SqsKind
from maelstrom.sources.step_functions.kind import StepFunctionsKind
from maelstrom.sources.step_functions.later import LaterAnswers
from tests.fakes.sources import FakeDesk, FakeView, FakeWorker, Handler, TaskOwner, component
from tests.support.aws import Machine
from tests.support.wait import eventually


class RealClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Node:
    def __init__(self, sources: tuple[EventSource, ...], handle: Handler, seconds: int) -> None:
        self.tasks = TaskOwner()
        self.service = AwsStepFunctions(lanes=Lanes("aws", polls=64, calls=8))
        self.sqs = AwsSqs(lanes=Lanes("sqs", polls=64, calls=8))
        self.worker = FakeWorker(handle)
        self.desk = FakeDesk()
        self.view = FakeView(*sources, components=(component(seconds),))
        clock, dice = RealClock(), random.random
        self.later = LaterAnswers(self.desk, lambda: [self.service], clock=clock, spawn=self.tasks.spawn, random=dice)
        kinds: dict[SourceType, Kind[Any]] = {
            "awsstepfunc": StepFunctionsKind(self.service, self.later, node="node-1", clock=clock, random=dice),
            "sqs": SqsKind(self.sqs, clock=clock, random=dice, spawn=self.tasks.spawn),
        }
        means = Means(self.worker, self.view.component, clock, self.tasks.spawn)
        self.owner = SourceOwner(kinds, view=self.view, leases=self.desk, means=means, random=dice)

    async def polls(self, number: int) -> None:
        """Waits until so many polls are open."""
        await eventually(lambda: sum(s.counts.polls_open for s in self.owner.statuses().values()) == number)


@asynccontextmanager
async def node(*sources: EventSource, handle: Handler, seconds: int = 60) -> AsyncIterator[Node]:
    made = Node(sources, handle, seconds)
    made.owner.start()
    try:
        yield made
    finally:
        await made.tasks.end()
        made.service.close()
        made.sqs.close()
    assert made.tasks.died == []


async def output(machine: Machine, execution: str, *, within: float = 20.0) -> Any:
    """The execution's output, or its error and cause, without blocking the loop."""
    return await asyncio.to_thread(machine.output, execution, within=within)


async def run(machine: Machine, data: Any) -> Any:
    return await output(machine, await asyncio.to_thread(machine.start, data))


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()
