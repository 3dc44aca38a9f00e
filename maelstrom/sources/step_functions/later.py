"""Tasks that components answer later: the slots that go on counting, and the answers that come through this node.

A component that answered 202 has until `answerseconds` are over. Its slot is deferred: it waits in the database, where
every node finds it, and is free when an answer has come through any node, or is waited out. Only the node that deferred
it tells Step Functions that no answer came in time; if that node is gone, the state's own time-outs do.

An answer may come before the 202 that announces it; so what is in work here is known, too. Tokens are secrets: what
leaves this file is their hash. It must not know of HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field

from maelstrom.activation.work import WorkAnswer
from maelstrom.model.clock import Clock
from maelstrom.model.errors import BodyTooLarge, InvalidTaskToken, MaelstromError, OutputRefused, TaskGone
from maelstrom.model.source import EventSource, SourceKey, SqsSource, StepFunctionsSource
from maelstrom.plan.backoff import Backoff
from maelstrom.sources.kind import Settled
from maelstrom.sources.outcome import OUTPUT_BYTES, TaskSuccess, failure, output_fault
from maelstrom.sources.ports import HERE, AnswerDesk, Deferrable, Place, Random, Spawn, TaskFailure, TaskReports
from maelstrom.sources.record import SourceRecord
from maelstrom.sources.step_functions.reports import Report, Reporter, send, settled_as

log = logging.getLogger("maelstrom.sources")

TOKEN_CHARACTERS = 2_048
ANSWER_TIMEOUT = "Maelstrom.AnswerTimeout"
FREE_AGAIN = Backoff(first=0.2, cap=20.0)
MOST_TRIES = 20  # to free a slot, some five minutes; what is not freed then is waited out


@dataclass(eq=False, slots=True)
class Open:
    """One task that is in work here, or whose answer this node waits for. `told`: what was answered through it."""

    key: SourceKey
    token: str = field(repr=False)
    service: TaskReports = field(repr=False)
    record: SourceRecord = field(repr=False)
    told: Settled | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event, repr=False)


class LaterAnswers:
    """Of all Step Functions tasks of this node. `services`: one for every place that an answer may be meant for."""

    def __init__(
        self,
        desk: AnswerDesk,
        services: Callable[[], Iterable[TaskReports]],
        *,
        clock: Clock,
        spawn: Spawn,
        random: Random,
    ) -> None:
        self._desk = desk
        self._services = services
        self._clock = clock
        self._spawn = spawn
        self._random = random
        self._reporter = Reporter(clock, random)
        self._open: dict[str, Open] = {}  # by the token's hash

    # for the source whose task it is

    @contextlib.contextmanager
    def in_work(self, key: SourceKey, token: str, service: TaskReports, record: SourceRecord) -> Iterator[Open]:
        """From its arrival to its report: an answer that comes meanwhile is remembered."""
        task = Open(key, token, service, record)
        self._open[hashed(token)] = task
        try:
            yield task
        finally:
            self._forget(task)

    def told(self, token: str) -> Settled | None:
        """What a task that is open here was answered; None while it was not."""
        task = self._open.get(hashed(token))
        return None if task is None else task.told

    async def defer(
        self,
        slot: Deferrable,
        seconds: float,
        *,
        key: SourceKey,
        token: str,
        service: TaskReports,
        record: SourceRecord,
    ) -> Settled | None:
        """Lets the slot wait for the answer so long. None if that cannot be made sure of."""
        name = hashed(token)
        begun = self._clock.monotonic()
        if (told := self.told(token)) is not None:
            return told
        if not await slot.defer(name, seconds):
            return None
        before = self._open.get(name)
        task = self._open[name] = Open(key, token, service, record)
        if before is not None and before.told is not None:  # answered just now, when there was no slot to free
            _end(task, before.told)
        self._spawn(self._await_answer(name, task, begun + seconds, seconds), f"await an answer for {key.full_name}")
        return Settled.DEFERRED

    # for whoever brings an answer

    async def succeed(self, token: str, body: bytes) -> None:
        """Raises BodyTooLarge, OutputRefused, TaskGone, InvalidTaskToken, and the other AWS errors."""
        if len(body) > OUTPUT_BYTES:
            raise BodyTooLarge(f"the output is {len(body)} bytes, Step Functions takes at most {OUTPUT_BYTES}")
        if (fault := output_fault(WorkAnswer(200, {}, body))) is not None:
            raise OutputRefused(fault)
        await self._answer(token, TaskSuccess(body.decode()))

    async def fail(self, token: str, report: TaskFailure) -> None:
        """Raises TaskGone, InvalidTaskToken, and the other AWS errors."""
        await self._answer(token, report)

    async def heartbeat(self, token: str) -> None:
        """The same. A task that is over frees its slot."""
        await self._first_that_knows(token, lambda service: service.heartbeat(token))

    async def _answer(self, token: str, report: Report) -> None:
        await self._first_that_knows(token, lambda service: send(service, token, report))
        self._over(token, settled_as(report))

    async def _first_that_knows(self, token: str, call: Callable[[TaskReports], Awaitable[None]]) -> None:
        """A token does not say whose it is: a place that does not know it may not be its own."""
        if not 0 < len(token) <= TOKEN_CHARACTERS:
            raise InvalidTaskToken("this is no task token")
        task = self._open.get(hashed(token))
        gone: TaskGone | None = None
        unknown = InvalidTaskToken("no AWS account of the sources here knows this task token")
        for service in self._services() if task is None else (task.service,):
            try:
                return await call(service)
            except TaskGone as error:
                gone = error
            except InvalidTaskToken as error:
                unknown = error
        if gone is not None:
            self._over(token, Settled.GONE)
        raise gone or unknown

    # what becomes of slots

    def _over(self, token: str, told: Settled) -> None:
        name = hashed(token)
        task = self._open.get(name)
        if task is not None:
            _end(task, told)
        self._spawn(self._free(name), "free the slot of an answered task")

    async def _await_answer(self, name: str, task: Open, deadline: float, seconds: float) -> None:
        """A first heartbeat gives the component the whole of its time, and finds a task that is over already."""
        task.record.counts.awaited += 1
        try:
            if isinstance(await self._reporter.beat(task.service, task.token), TaskGone | InvalidTaskToken):
                _end(task, Settled.GONE)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, deadline - self._clock.monotonic())):
                    await task.over.wait()
            if task.told is None:
                _end(task, await self._give_up(task, seconds))
        finally:
            self._forget(task)
            task.record.counts.awaited -= 1
        task.record.counts.succeeded += task.told is Settled.SUCCEEDED
        task.record.counts.failed += task.told is Settled.FAILED
        await self._free(name)

    async def _give_up(self, task: Open, seconds: float) -> Settled:
        report = failure(ANSWER_TIMEOUT, f"the component answered 202 and then nothing within {seconds:g} s")
        try:
            return await self._reporter.tell(task.service, task.token, report, task.key, task.record, self._clock.sleep)
        except InvalidTaskToken:
            return Settled.GONE

    async def _free(self, name: str) -> None:
        for tries in range(1, MOST_TRIES + 1):
            try:
                await self._desk.answered(name)
                return
            except MaelstromError as error:
                reason = error.message
            await self._clock.sleep(FREE_AGAIN.delay(tries, self._random()))
        log.warning("the slot of an answered task is left to be waited out", extra={"reason": reason})

    def _forget(self, task: Open) -> None:
        name = hashed(task.token)
        if self._open.get(name) is task:
            del self._open[name]


def places(sources: Iterable[EventSource]) -> list[Place]:
    """Where tasks of these sources come from: the daemon's own place first."""
    found = [HERE]
    for source in sources:
        if isinstance(source.definition, StepFunctionsSource):
            found.append(Place.of(source.definition))
        elif isinstance(source.definition, SqsSource) and source.definition.tasktoken is not False:
            found.append(Place.of(source.definition).elsewhere)
    return list(dict.fromkeys(found))


def hashed(token: str) -> str:
    """What a task is called outside."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def _end(task: Open, told: Settled) -> None:
    if task.told is None:
        task.told = told
        task.over.set()
