"""What sources need of the rest of the node, in memory: leases, a view, a worker, Step Functions, and a task owner.

`FakeStepFunctions` passes the contract of the real one (tests/contract/sources).
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from maelstrom.activation.work import WorkAnswer, WorkRequest
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.errors import (
    ActivityMissing,
    InvalidTaskToken,
    LeaseLost,
    MaelstromError,
    OutputRefused,
    TaskGone,
    Unavailable,
)
from maelstrom.model.source import EventSource, SourceKey, StepFunctionsSource
from maelstrom.model.stored import Snapshot
from maelstrom.sources.outcome import OUTPUT_BYTES
from maelstrom.sources.ports import ActivityTask, Place, TaskFailure

COMPONENT = ComponentKey("shop", "web")
SOURCE = SourceKey("shop", "split")
ACTIVITY = "split"


def component(seconds: int = 300) -> Component:
    return Component(COMPONENT, 1, 1, ComponentDefinition(image="web", maxdurationseconds=seconds))


def source(*, enabled: bool = True, key: SourceKey = SOURCE, id: int = 1, **definition: Any) -> EventSource:
    fields = {"activityname": ACTIVITY, "path": "/step/split", **definition}
    return EventSource(key, COMPONENT, 1, enabled, StepFunctionsSource(**fields), id)


class TaskOwner:
    """`spawn` as the daemon's supervisor offers it; `end` cancels what is left and raises what died."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self.died: list[BaseException] = []

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.died.append(error)

    def names(self) -> list[str]:
        return sorted(task.get_name() for task in self._tasks)

    async def end(self) -> None:
        while self._tasks:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)


class FakeLease:
    """Slots without a database. `lost` makes admissions fail, `shut` makes it give none out."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.busy = self.peak = 0
        self.in_flight = self.peak_in_flight = 0
        self.epoch = 7
        self.lost = self.shut = self.dropped = False
        self.admitted: list[float] = []
        self.deferred: dict[str, float] = {}  # task → seconds; each keeps a slot busy
        self.before_defer: Callable[[], Awaitable[None]] | None = None
        self.allowed_seconds = 86_400.0
        self.paused_until = 0.0
        self.ills: list[str] = []  # since the last `fit`
        self._news = asyncio.Event()

    def take(self) -> FakeSlot | None:
        if self.shut or self.busy >= self.capacity or self.paused_seconds():
            return None
        self.busy += 1
        self.peak = max(self.peak, self.busy)
        return FakeSlot(self)

    async def changed(self) -> None:
        news = self._news
        await news.wait()

    def tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self.paused_until = loop.time() + seconds
        loop.call_later(seconds, self.tell)

    def paused_seconds(self) -> float:
        return max(0.0, self.paused_until - asyncio.get_running_loop().time())

    def unfit(self, reason: str) -> None:
        self.ills.append(reason)

    def fit(self) -> None:
        self.ills.clear()

    async def lose(self) -> None:
        self.lost = True

    def answered(self, task: str) -> bool:
        if self.deferred.pop(task, None) is None:
            return False
        self.busy -= 1
        self.tell()
        return True

    def resize(self, capacity: int) -> None:
        self.capacity = capacity
        self.tell()


class FakeSlot:
    def __init__(self, lease: FakeLease) -> None:
        self._lease = lease
        self._state = "poll"

    async def admit(self, seconds: float) -> int:
        assert self._state != "free", "a slot that was given back"
        self._leave_flight()
        self._state = "wait"
        if self._lease.lost:
            raise LeaseLost("lost")
        self._lease.admitted.append(seconds)
        self._state = "flight"
        self._lease.in_flight += 1
        self._lease.peak_in_flight = max(self._lease.peak_in_flight, self._lease.in_flight)
        return self._lease.epoch

    async def defer(self, task: str, seconds: float) -> bool:
        if self._lease.before_defer is not None:
            await self._lease.before_defer()
        if self._lease.lost:
            return False
        self._lease.deferred[task] = seconds
        self._leave_flight()
        self._state = "deferred"
        return True

    def give_back(self) -> None:
        if self._state == "deferred":
            self._state = "free"
        if self._state != "free":
            self._leave_flight()
            self._state = "free"
            self._lease.busy -= 1
            self._lease.tell()

    def _leave_flight(self) -> None:
        if self._state == "flight":
            self._lease.in_flight -= 1


class FakeDesk:
    """Gives every source a lease with as many slots as its limit says."""

    def __init__(self) -> None:
        self.leases: dict[int, FakeLease] = {}
        self.away = False

    def hold(self, source: EventSource) -> FakeLease:
        lease = self.leases.setdefault(source.id, FakeLease(0))
        lease.shut, lease.dropped = not source.enabled, False
        lease.resize(source.maxconcurrency or 0)
        return lease

    def drop(self, lease: FakeLease) -> None:
        lease.dropped = lease.shut = True

    async def answered(self, task: str) -> bool:
        if self.away:
            raise Unavailable("the database is away")
        return any(lease.answered(task) for lease in self.leases.values())


class FakeView:
    """Snapshots by hand."""

    def __init__(self, *sources: EventSource, components: tuple[Component, ...] = ()) -> None:
        self._subscribers: list[Callable[[Snapshot], None]] = []
        self.snapshot = _snapshot(1, sources, components or (component(),))

    def subscribe(self, callback: Callable[[Snapshot], None]) -> Callable[[], None]:
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def put(self, *sources: EventSource) -> None:
        components = tuple(self.snapshot.components.values())
        self.snapshot = _snapshot(self.snapshot.revision + 1, sources, components)
        for callback in list(self._subscribers):
            callback(self.snapshot)

    def component(self, key: ComponentKey) -> Component | None:
        return self.snapshot.components.get(key)


def _snapshot(revision: int, sources: tuple[EventSource, ...], components: tuple[Component, ...]) -> Snapshot:
    return Snapshot(revision, {c.key: c for c in components}, {s.key: s for s in sources})


def answer(body: bytes = b"{}", status: int = 200, **headers: str) -> WorkAnswer:
    return WorkAnswer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@dataclass(slots=True)
class Exchange:
    """One request that a fake component got."""

    component: ComponentKey
    request: WorkRequest
    seconds: float
    cancelled: bool = False

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.request.headers)


Handler = Callable[[WorkRequest], "WorkAnswer | Awaitable[WorkAnswer]"]


class FakeWorker:
    """A component: `handle` answers; times out as the real transport does; counts what is open at once."""

    def __init__(self, handle: Handler = lambda request: answer()) -> None:
        self.handle = handle
        self.exchanges: list[Exchange] = []
        self.open = self.peak = 0

    async def work(self, component: ComponentKey, request: WorkRequest, *, seconds: float) -> WorkAnswer:
        exchange = Exchange(component, request, seconds)
        self.exchanges.append(exchange)
        self.open += 1
        self.peak = max(self.peak, self.open)
        try:
            async with asyncio.timeout(seconds):
                result = self.handle(request)
                return result if isinstance(result, WorkAnswer) else await result
        except TimeoutError:
            return WorkAnswer(504, {}, b"", code="deadline", message=f"no answer within {seconds:g} s")
        except asyncio.CancelledError:
            exchange.cancelled = True
            raise
        finally:
            self.open -= 1


def after(seconds: float, result: WorkAnswer | None = None) -> Handler:
    """A handler that takes its time."""

    async def handle(request: WorkRequest) -> WorkAnswer:
        await asyncio.sleep(seconds)
        return answer() if result is None else result

    return handle


@dataclass(slots=True)
class FakeTask:
    """A task and what became of it. `reports` holds what was accepted: at most one."""

    token: str
    input: str
    reports: list[str | TaskFailure] = field(default_factory=list)
    beats: list[float] = field(default_factory=list)
    gone: bool = False

    @property
    def over(self) -> bool:
        return self.gone or bool(self.reports)


class FakeStepFunctions:
    """Activities in memory. `troubles[method]`: errors of the next calls; `calls`: how often each was called."""

    def __init__(self, *, poll_seconds: float = 60.0) -> None:
        self.poll_seconds = poll_seconds
        self.tasks: dict[str, FakeTask] = {}
        self.workers: list[str] = []
        self.calls: Counter[str] = Counter()
        self.troubles: dict[str, deque[MaelstromError]] = {}
        self.activities: set[str] = set()
        self._known: set[str] = set()
        self._queues: dict[str, deque[FakeTask]] = {}
        self._news = asyncio.Event()

    # by tests

    def schedule(self, name: str = ACTIVITY, data: str = "{}") -> FakeTask:
        self.activities.add(name)
        task = FakeTask(f"token-{len(self.tasks)}", data)
        self.tasks[task.token] = task
        self._queues.setdefault(arn(name), deque()).append(task)
        self._tell()
        return task

    def fail_next(self, method: str, *errors: MaelstromError) -> None:
        self.troubles.setdefault(method, deque()).extend(errors)

    def delete(self, name: str) -> None:
        self.activities.discard(name)
        self._tell()

    # by the source

    def at(self, place: Place) -> FakeStepFunctions:
        return self

    async def activity(self, name: str) -> str:
        self._count("activity")
        if name not in self._known:
            self._known.add(name)
            self.activities.add(name)
        return arn(name)

    def forget(self, name: str) -> None:
        self._known.discard(name)

    async def poll(self, arn: str, worker: str, *, unclaimed: TaskFailure) -> ActivityTask | None:
        self._count("poll")
        self.workers.append(worker)
        try:
            task = await self._next(arn)
        except asyncio.CancelledError:
            self._watch_abandoned(arn, unclaimed)
            raise
        return None if task is None else ActivityTask(task.token, task.input, arn)

    async def succeed(self, token: str, output: str) -> None:
        self._count("succeed")
        if len(output.encode()) > OUTPUT_BYTES:
            raise OutputRefused("too long")
        self._open(token).reports.append(output)

    async def fail(self, token: str, failure: TaskFailure) -> None:
        self._count("fail")
        self._open(token).reports.append(failure)

    async def heartbeat(self, token: str) -> None:
        self._count("heartbeat")
        self._open(token).beats.append(asyncio.get_running_loop().time())

    def _count(self, method: str) -> None:
        self.calls[method] += 1
        if troubles := self.troubles.get(method):
            raise troubles.popleft()

    def _open(self, token: str) -> FakeTask:
        if token not in self.tasks:
            raise InvalidTaskToken("Invalid token")
        task = self.tasks[token]
        if task.over:
            raise TaskGone("Provided task does not exist anymore")
        return task

    async def _next(self, arn: str) -> FakeTask | None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self.poll_seconds
        while loop.time() < until:
            if arn.rpartition(":")[2] not in self.activities:
                raise ActivityMissing(f"Activity Does Not Exist: '{arn}'")
            if queue := self._queues.get(arn):
                return queue.popleft()
            news = self._news
            try:
                async with asyncio.timeout_at(until):
                    await news.wait()
            except TimeoutError:
                break
        return None

    def _watch_abandoned(self, arn: str, unclaimed: TaskFailure) -> None:
        """The service does not know that nobody listens any more."""

        async def go_on() -> None:
            if (task := await self._next(arn)) is not None and not task.over:
                task.reports.append(unclaimed)

        self.abandoned = asyncio.get_running_loop().create_task(go_on())

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def arn(name: str) -> str:
    return f"arn:aws:states:eu-west-1:000000000000:activity:{name}"
