"""What the operations answer, field by field: handlers build these, and the OpenAPI document is generated from them.

Names of components and sources are without their project's prefix. Times are seconds since 1970 (UTC).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from maelstrom.model.cron import RunKind, RunState
from maelstrom.model.project import ProjectDefinition
from maelstrom.model.source import SourceType


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OpenAnswer(Answer):
    """Other versions may say more."""

    model_config = ConfigDict(frozen=True, extra="allow")


class ErrorAnswer(OpenAnswer):
    code: str = Field(description="Stable, for programs.")
    message: str
    hint: str


class Health(OpenAnswer):
    status: Literal["ok"] = "ok"


class Readiness(Answer):
    ready: bool
    reasons: list[str] = Field(description="Why this node does not serve.")


class Version(Answer):
    version: str
    node: str


class NamesChanged(Answer):
    added: list[str]
    updated: list[str]
    removed: list[str]


class Put(Answer):
    project: str
    revision: int
    components: NamesChanged
    eventsources: NamesChanged
    projectfields: NamesChanged = Field(description="Fields of the project itself: `responseheaders`, `errorpages`.")
    warnings: list[str] = Field(description="What was accepted and is still no good, for people.")


class Removed(Answer):
    project: str
    removed: Literal[True] = True
    components: list[str]
    eventsources: list[str]


class Project(Answer):
    """One project of the list."""

    project: str
    revision: int
    components: int
    eventsources: int
    modified_at: float


class Definition(Answer):
    """A project as stored; secrets are masked."""

    project: str
    revision: int
    modified_at: float
    author: str
    definition: ProjectDefinition


class Revision(Answer):
    revision: int
    modified_at: float
    author: str
    removed: bool = Field(description="The project was removed then.")


class Component(Answer):
    project: str
    component: str
    version: int
    generation: int
    image: str
    mininstances: int
    maxinstances: int | None
    maxconcurrency: int
    modified_at: float


class Restarted(Answer):
    project: str
    component: str
    generation: int


class EventSource(Answer):
    project: str
    component: str
    name: str
    type: SourceType
    enabled: bool
    state: Literal["ok", "degraded", "disabled"]
    reason: str
    since: float | None = Field(description="When this state or reason began; null where that is not known.")
    maxconcurrency: int | None = Field(description="The limit in force over the cluster; null where nothing is polled.")
    inflight: int = Field(description="Requests open towards components, over all nodes.")
    polls_open: int
    version: int
    description: str = Field(description="Where its work comes from.")


class SourceName(Answer):
    project: str
    name: str


class Toggled(Answer):
    changed: list[SourceName]
    revision: int = Field(description="Of the registry, after the change: for `drained`.")
    warnings: list[str] = Field(description="What was done and is still no good, for people.")


class OpenSource(SourceName):
    inflight: int
    polls_open: int


class Drained(Answer):
    drained: bool
    open: list[OpenSource] = Field(description="Disabled sources of which something is in flight or a poll is open.")
    waiting_for: list[str] = Field(description="Nodes that have not yet said that they know of the change.")


class Lease(Answer):
    node: str
    capacity: int
    inflight: int
    epoch: int
    age_seconds: float


class Audit(Answer):
    project: str
    name: str
    limit: int | None
    inflight: int
    max_inflight: int
    leases: list[Lease]


class CronRun(SourceName):
    """A planned time of a cron source, or a run by hand, and what became of it."""

    id: str
    kind: RunKind
    state: RunState = Field(description="`lost`: its node did not record how it ended.")
    node: str
    attempts: int = Field(description="Requests begun; 0 if it was skipped.")
    scheduled_at: int
    started_at: float
    ended_at: float | None
    status: int | None = Field(description="Of the last answer.")
    reason: str = Field(description="Why it did not succeed, or the beginning of what was answered.")


class DeadLetterQueue(Answer):
    queue: str
    dead_letters: str = Field(description="Its dead letter queue; empty where it has none.")
    max_receives: int = Field(description="After so many receives a message goes there.")
    messages: int = Field(description="Approximate, as SQS counts.")
    in_flight: int


class DeadLetter(Answer):
    queue: str = Field(description="The dead letter queue.")
    id: str
    body: str
    truncated: bool = Field(description="The body was cut.")
    size: int = Field(description="Characters of the whole body.")
    receives: int
    sent_at: float
    group: str
    origin: str = Field(description="The queue it came from, where SQS says so.")
    attributes: dict[str, str]


class Redrive(Answer):
    queue: str
    to: str = Field(description="Empty: each message to the queue that it came from.")
    moved: int
    total: int
    state: Literal["running", "done"]
    by: Literal["task", "copy"] = Field(description="Moved by SQS itself, or sent and deleted one by one.")


class Certificate(Answer):
    host: str = Field(description="The first of its names; empty for a file that cannot be used.")
    names: list[str]
    source: str = Field(description="`acme`: an automatic one; else the path of the node's file.")
    not_after: float | None = Field(description="When it ends, s since 1970; null: there is none yet.")
    next_renewal: float | None = Field(
        description="When it is ordered (again), s since 1970; null: at once where there is none, else by nobody here."
    )
    error: str = Field(description="Of the last try; empty: it went well.")


class BlackBox(OpenAnswer):
    reason: str
    exit_code: int | None = None
    oom_killed: bool = False
    log_tail: list[str] = []
    last_probe: str = ""
    at: float = 0.0


class Instance(OpenAnswer):
    project: str
    component: str
    version: int
    state: Literal["starting", "ready", "frozen", "draining", "stopping", "failed"]
    node: str
    container: str
    inflight: int
    started_at: float | None
    last_request_at: float | None
    receipt_ms: dict[str, float] = Field(default={}, description="Phases of its start.")
    black_box: BlackBox | None = None


class Node(OpenAnswer):
    name: str
    state: str
    version: str
    started_at: float | None
    seen_seconds_ago: float
    public: str
    admin: str
    reason: str


class ComponentReadiness(Answer):
    component: str
    version: int
    wanted: int = Field(description="Instances that must run (mininstances).")
    ready: int = Field(description="Instances of this version that are ready, over all nodes.")
    starting: int
    failed: list[Instance] = Field(description="Starts of this version that failed, with their black boxes.")


class ProjectReadiness(Answer):
    project: str
    revision: int
    ready: bool
    components: list[ComponentReadiness]


class LogLine(Answer):
    project: str
    component: str
    node: str
    container: str
    stream: Literal["stdout", "stderr"]
    at: str
    text: str


Json = dict[str, Any]
