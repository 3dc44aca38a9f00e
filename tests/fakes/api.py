"""A node as the admin API sees it, whose state a test sets by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from maelstrom.api.ports import NodeStatus, SourceAudit, SourceStatus
from maelstrom.model.certificate import CertificateStatus
from maelstrom.model.component import ComponentKey
from maelstrom.model.dead_letters import DeadLetter, DeadLetterQueue, Redrive
from maelstrom.model.errors import Draining
from maelstrom.model.instance import InstanceStatus
from maelstrom.model.source import EventSource, SourceKey
from maelstrom.runtime.port import LogLine


class FakeDeadLetters:
    """One queue with one dead letter."""

    async def queues(self, source: EventSource) -> Sequence[DeadLetterQueue]:
        return [DeadLetterQueue("jobs", "jobs-dead", 3, 1, 0)]

    async def messages(self, source: EventSource, *, id: str = "", limit: int = 10) -> Sequence[DeadLetter]:
        return [DeadLetter("jobs-dead", "m-1", "größe", receives=4, sent_at=1.0)]

    async def redrive(self, source: EventSource, *, most: int | None = None, to: str = "") -> AsyncIterator[Redrive]:
        yield Redrive("jobs-dead", to, 0, 1, "running", "task")
        yield Redrive("jobs-dead", to, 1, 1, "done", "task")


class FakeNode:
    """Implements `api.ports.NodePort`."""

    def __init__(self, name: str = "n1") -> None:
        self._name = name
        self.revision = 1_000_000  # up to date, whatever happens
        self.instance_rows: list[InstanceStatus] = []
        self.sources: dict[SourceKey, SourceStatus] = {}
        self.audits: dict[SourceKey, SourceAudit] = {}
        self.run: Callable[[EventSource], Awaitable[str]] | None = None
        self.others: list[NodeStatus] = []
        self.certificate_rows: list[CertificateStatus] = []
        self.lines: list[LogLine] = []
        self.more_lines: asyncio.Queue[LogLine | Exception] = asyncio.Queue()  # what `follow` goes on with
        self.open_logs = 0
        self.reasons: list[str] = []
        self.refreshed = 0
        self.broken: Exception | None = None  # what `instances` raises
        self.nodes_broken: Exception | None = None

    @property
    def name(self) -> str:
        return self._name

    def instances(self) -> Sequence[InstanceStatus]:
        if self.broken is not None:
            raise self.broken
        return self.instance_rows

    def source_status(self, key: SourceKey) -> SourceStatus:
        return self.sources.get(key, SourceStatus())

    async def audit(self, source: EventSource) -> SourceAudit:
        return self.audits.get(source.key) or SourceAudit(limit=source.maxconcurrency, inflight=0, max_inflight=0)

    @property
    def dead_letters(self) -> FakeDeadLetters:
        return FakeDeadLetters()

    async def run_cron(self, source: EventSource) -> str:
        if self.run is None:
            raise Draining("the node stops")
        return await self.run(source)

    def certificates(self) -> Sequence[CertificateStatus]:
        return self.certificate_rows

    async def nodes(self) -> Sequence[NodeStatus]:
        if self.nodes_broken is not None:
            raise self.nodes_broken
        return [NodeStatus(self._name, "ready", "0.1.0", started_at=1.0), *self.others]

    async def logs(self, components: Sequence[ComponentKey], *, since: float, follow: bool) -> AsyncIterator[LogLine]:
        self.open_logs += 1
        try:
            for line in self.lines:
                if line.component in components:
                    yield line
            while follow:
                more = await self.more_lines.get()
                if isinstance(more, Exception):
                    raise more
                yield more
        finally:
            self.open_logs -= 1

    def ready(self) -> list[str]:
        return self.reasons

    def health(self) -> Mapping[str, Any]:
        return {"loops": {}}

    def refresh(self) -> None:
        self.refreshed += 1

    def metrics(self) -> str:
        return "maelstrom_ready 1\n"


def line(text: str, component: str = "web", project: str = "shop", stream: str = "stdout") -> LogLine:
    assert stream in ("stdout", "stderr")
    return LogLine("c" * 64, ComponentKey(project, component), stream, "2026-01-31T12:00:00Z", text)  # type: ignore[arg-type]
