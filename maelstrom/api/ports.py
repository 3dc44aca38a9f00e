"""What the admin API needs of the rest of the node, as two ports and the plain values that cross them.

`RegistryPort` is `registry.Registry`; `NodePort` is built by the daemon. Both raise only errors of `model/errors`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from maelstrom.model.certificate import CertificateStatus
from maelstrom.model.component import Component, ComponentKey
from maelstrom.model.cron import CronRun
from maelstrom.model.dead_letters import DeadLetter, DeadLetterQueue, Redrive
from maelstrom.model.instance import InstanceStatus
from maelstrom.model.project import ProjectDefinition, PutResult
from maelstrom.model.source import EventSource, SourceKey
from maelstrom.model.stored import NodeReport, ProjectSummary, Revision, SourceFilter, StoredProject
from maelstrom.runtime.port import LogLine

SourceState = Literal["ok", "degraded", "disabled"]


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A source as one node sees it now."""

    state: SourceState = "ok"
    reason: str = ""
    inflight: int = 0  # requests open towards components
    polls_open: int = 0
    counters: Mapping[str, int] = field(default_factory=dict)  # received, succeeded, failed, … since the node's start
    since: float | None = None  # seconds since 1970: when `state` or `reason` became this


@dataclass(frozen=True, slots=True)
class LeaseStatus:
    """One lease of a polled source."""

    node: str
    capacity: int
    inflight: int
    epoch: int
    age_seconds: float


@dataclass(frozen=True, slots=True)
class SourceAudit:
    """Who works a polled source, and the most that was ever in flight at once over all nodes."""

    limit: int | None
    inflight: int
    max_inflight: int
    leases: tuple[LeaseStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One live node of the cluster."""

    name: str
    state: str  # starting, ready, draining, …
    version: str
    started_at: float | None = None  # seconds since 1970
    seen_seconds_ago: float = 0.0
    public: str = ""
    admin: str = ""
    reason: str = ""  # why it is not ready, or why nothing more is known of it
    more: Mapping[str, Any] = field(default_factory=dict)  # memory, containers, …: whatever the node tells of itself


class RegistryPort(Protocol):
    """What the cluster remembers."""

    async def put_project(
        self, project: ProjectDefinition, *, expected_revision: int | None, diff_only: bool, author: str
    ) -> PutResult:
        """One transaction. Raises Conflict (changed meanwhile, or a full name that another project has)."""
        ...

    async def get_project(self, name: str) -> StoredProject: ...

    async def list_projects(self, prefix: str = "") -> Sequence[ProjectSummary]: ...

    async def remove_project(self, name: str, *, author: str) -> PutResult: ...

    async def history(self, name: str) -> Sequence[Revision]: ...

    async def definition_at(self, name: str, revision: int) -> StoredProject: ...

    async def list_components(self, project: str | None = None, prefix: str = "") -> Sequence[Component]: ...

    async def restart_component(self, key: ComponentKey) -> Component: ...

    async def list_sources(self, wanted: SourceFilter, /) -> Sequence[EventSource]: ...

    async def set_enabled(self, wanted: SourceFilter, enabled: bool, /) -> Sequence[EventSource]: ...

    async def find_component(self, name: str, project: str | None = None) -> Component: ...

    async def find_source(self, name: str, project: str | None = None) -> EventSource: ...

    async def cron_runs(self, wanted: SourceFilter, limit: int, /) -> Sequence[CronRun]: ...

    async def cron_run(self, id: str, /) -> CronRun: ...

    async def reports(self) -> Sequence[NodeReport]: ...

    async def revision(self) -> int:
        """Rises with each change of anything."""
        ...


class DeadLettersPort(Protocol):
    """`sources.dead_letters.DeadLetters`. Raises NotFound, BadRequest, Conflict and the AWS errors."""

    async def queues(self, source: EventSource) -> Sequence[DeadLetterQueue]: ...

    async def messages(self, source: EventSource, *, id: str = "", limit: int = 10) -> Sequence[DeadLetter]: ...

    def redrive(self, source: EventSource, *, most: int | None = None, to: str = "") -> AsyncIterator[Redrive]:
        """Closing the iterator stops the move."""
        ...


class NodePort(Protocol):
    """What this node knows of itself, and what it has heard of the others."""

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> int:
        """Of the registry, as this node acts by it now."""
        ...

    def instances(self) -> Sequence[InstanceStatus]:
        """Own containers, as they are now."""
        ...

    def source_status(self, key: SourceKey) -> SourceStatus: ...

    async def audit(self, source: EventSource) -> SourceAudit: ...

    @property
    def dead_letters(self) -> DeadLettersPort: ...

    async def run_cron(self, source: EventSource) -> str:
        """Begins a run of a cron source here and now; its id. Raises Conflict, Draining."""
        ...

    async def nodes(self) -> Sequence[NodeStatus]: ...

    def certificates(self) -> Sequence[CertificateStatus]:
        """Of this node's files, and automatic ones."""
        ...

    def logs(self, components: Sequence[ComponentKey], *, since: float, follow: bool) -> AsyncIterator[LogLine]:
        """`since`: seconds since 1970. Closing the iterator frees all that it holds."""
        ...

    def ready(self) -> list[str]:
        """Why this node does not serve; empty when it does."""
        ...

    def health(self) -> Mapping[str, Any]: ...

    def refresh(self) -> None:
        """A hint: the registry has changed."""
        ...

    def metrics(self) -> str:
        """See `api/metrics`."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """What every operation is handed."""

    registry: RegistryPort
    node: NodePort
