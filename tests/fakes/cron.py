"""Cron's ledger and the role, in memory. `FakeLedger` passes the contract of the real one (tests/contract/registry)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from maelstrom.model.cron import Anchor, Ended, Followed, Opened, OpenRun, Outcome, RunKind, Tick
from maelstrom.model.errors import Conflict, LeaseLost, MaelstromError
from maelstrom.registry.cron_spans import Spans, covers, extended

KEPT_RUNS = 100


@dataclass(slots=True)
class Row:
    """One run."""

    tick: Tick
    kind: RunKind
    home: str
    open: OpenRun
    outcome: Outcome
    cancel: bool = False
    ended_at: float | None = None

    @property
    def tries(self) -> int:
        return self.open.attempt


@dataclass(slots=True)
class Progress:
    version: int
    schedule: str
    anchor: int
    since: int
    epoch: int
    active: bool = True
    pruned: Spans = ()


class Tables:
    """What all processes share. `broken` is raised by every call; after a call whose answer is `lost`, too."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.sources: dict[int, Progress] = {}
        self.rows: dict[str, Row] = {}
        self.broken: MaelstromError | None = None
        self.lost: MaelstromError | None = None
        self.seconds: dict[str, float] = {}  # that calls take, by name
        self.calls: list[str] = []

    def running(self) -> list[Row]:
        return [row for row in self.rows.values() if row.outcome.state == "running"]

    def planned(self, source: int = 1) -> list[int]:
        """Times of its runs, in order."""
        rows = [row for row in self.rows.values() if row.kind == "planned" and row.tick.source == source]
        return sorted(row.tick.planned for row in rows)

    def states(self, source: int = 1) -> list[str]:
        """Of its runs, by planned time."""
        rows = [row for row in self.rows.values() if row.tick.source == source]
        return [row.outcome.state for row in sorted(rows, key=lambda row: row.tick.planned)]


class FakeLedger:
    """One process's access to the tables."""

    def __init__(self, tables: Tables, process: str = "p1", home: str = "h1") -> None:
        self.tables = tables
        self.process = process
        self.home = home
        self.cut: MaelstromError | None = None  # only this process cannot reach it

    async def _call(self, name: str) -> None:
        await asyncio.sleep(self.tables.seconds.get(name, 0))
        self.tables.calls.append(name)
        error = self.cut or self.tables.broken
        if error is not None:
            raise error

    def _answer_lost(self) -> None:
        lost, self.tables.lost = self.tables.lost, None
        if lost is not None:
            raise lost

    async def clock(self) -> float:
        await self._call("clock")
        return self.tables.clock()

    async def lead(self, epoch: int) -> None:
        await self._call("lead")
        for row in self.tables.sources.values():
            row.epoch = max(row.epoch, epoch)

    async def follow(self, wanted: Sequence[Followed], now: int, epoch: int) -> dict[int, Anchor]:
        await self._call("follow")
        found = {}
        for one in wanted:
            row = self.tables.sources.get(one.source)
            if row is None:
                row = self.tables.sources[one.source] = Progress(one.version, one.schedule, now, now, epoch)
            if row.epoch > epoch:
                raise LeaseLost("another node plans by now")
            if row.since > now:
                row.anchor, row.since = min(row.anchor, now), now
            if one.schedule != row.schedule and one.version >= row.version:
                row.schedule, row.anchor, row.since = one.schedule, now, now
            elif not row.active:
                row.since = now
            row.version, row.active, row.epoch = max(one.version, row.version), True, epoch
            found[one.source] = Anchor(row.anchor, row.since)
        return found

    async def rest(self, sources: Collection[int], epoch: int) -> None:
        await self._call("rest")
        for source in sources:
            row = self.tables.sources.get(source)
            if row is not None and row.epoch <= epoch:
                row.active = False

    async def open(self, ticks: Sequence[Tick], epoch: int, now: float) -> list[Opened]:
        await self._call("open")
        opened = []
        for tick in ticks:
            source = self.tables.sources.get(tick.source)
            if source is None or source.epoch > epoch or tick.planned <= source.since:
                continue
            if covers(source.pruned, tick.planned):
                continue
            known = next((row for row in self.tables.rows.values() if _same(row, tick)), None)
            if known is None:
                opened.append(self._insert(tick, "planned", now))
            elif known.tick.id == tick.id:
                skipped = known.outcome.state == "skipped"
                opened.append(Opened(tick, None if skipped else self._replaced(tick)))
        self._answer_lost()
        return opened

    async def open_manual(self, tick: Tick, now: float) -> Opened:
        await self._call("open_manual")
        if tick.overlap == "forbid" and self._open_of(tick):
            raise Conflict("a run of it is open")
        return self._insert(tick, "manual", now)

    async def attempt(self, run: str, number: int, promise_ms: int) -> bool:
        await self._call("attempt")
        row = self.tables.rows.get(run)
        if row is None or row.outcome.state != "running" or row.cancel:
            return False
        row.open = replace(row.open, attempt=number, promise_ms=promise_ms)
        return True

    async def close(self, ended: Sequence[Ended]) -> None:
        await self._call("close")
        for one in ended:
            row = self.tables.rows.get(one.run)
            if row is not None and row.outcome.state in ("running", "lost"):
                row.outcome, row.ended_at = one.outcome, one.at

    async def to_cancel(self) -> set[str]:
        await self._call("to_cancel")
        return {row.tick.id for row in self.tables.running() if row.cancel and row.open.owner == self.process}

    async def open_runs(self) -> list[OpenRun]:
        await self._call("open_runs")
        return [row.open for row in self.tables.running()]

    async def give_up(self, runs: Iterable[OpenRun], now: float) -> None:
        await self._call("give_up")
        for run in runs:
            row = self.tables.rows.get(run.id)
            if row is not None and row.outcome.state == "running" and row.open.attempt == run.attempt:
                row.outcome, row.ended_at = Outcome("lost"), now

    async def bury_former(self, now: float) -> int:
        await self._call("bury_former")
        former = [row for row in self.tables.running() if row.home == self.home and row.open.owner != self.process]
        for row in former:
            row.outcome, row.ended_at = Outcome("lost"), now
        return len(former)

    async def failing(self) -> dict[int, str]:
        await self._call("failing")
        last: dict[int, Outcome] = {}
        for row in self.tables.rows.values():
            if row.outcome.state in ("succeeded", "failed"):
                last[row.tick.source] = row.outcome
        return {source: outcome.reason for source, outcome in last.items() if outcome.state == "failed"}

    async def prune(self, now: float, sources: Collection[int] = ()) -> None:
        await self._call("prune")
        for source in sources or self.tables.sources:
            rows = [row for row in self.tables.rows.values() if row.tick.source == source and row.tick.planned <= now]
            rows.sort(key=lambda row: row.tick.planned, reverse=True)
            for row in rows[KEPT_RUNS:]:
                if row.outcome.state != "running":
                    del self.tables.rows[row.tick.id]
                    progress = self.tables.sources[source]
                    progress.pruned = extended(progress.pruned, [row.tick.planned])

    def _open_of(self, tick: Tick) -> list[Row]:
        return [row for row in self.tables.running() if row.tick.source == tick.source]

    def _replaced(self, tick: Tick) -> tuple[OpenRun, ...]:
        if tick.overlap != "replace":
            return ()
        return tuple(row.open for row in self._open_of(tick) if row.tick.id != tick.id)

    def _insert(self, tick: Tick, kind: RunKind, now: float) -> Opened:
        before = self._open_of(tick)
        if tick.overlap == "forbid" and before:
            run = OpenRun(tick.id, tick.source, self.process, 0, 0)
            self.tables.rows[tick.id] = Row(tick, kind, self.home, run, Outcome("skipped"), ended_at=now)
            return Opened(tick, None)
        older = self._replaced(tick)
        for row in before:
            row.cancel = tick.overlap == "replace"
        run = OpenRun(tick.id, tick.source, self.process, 0 if tick.overlap == "replace" else 1, tick.promise_ms)
        self.tables.rows[tick.id] = Row(tick, kind, self.home, run, Outcome("running"))
        return Opened(tick, older)


class FakeRole:
    """`give` and `take` by hand."""

    def __init__(self, epochs: list[int] | None = None) -> None:
        self.held = False
        self.resting = True
        self.epoch = 0
        self._epochs = epochs if epochs is not None else [0]  # shared by all nodes of a cluster
        self._news = asyncio.Event()

    def rest(self) -> None:
        self.resting = True
        self.take()

    def seek(self) -> None:
        self.resting = False

    def give(self) -> None:
        self._epochs[0] += 1
        self.held, self.epoch = True, self._epochs[0]
        self._tell()

    def take(self) -> None:
        self.held = False
        self._tell()

    async def changed(self) -> None:
        await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _same(row: Row, tick: Tick) -> bool:
    return row.kind == "planned" and (row.tick.source, row.tick.planned) == (tick.source, tick.planned)
