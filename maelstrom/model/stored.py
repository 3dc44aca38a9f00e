"""What the registry tells of itself: projects, their history, nodes' reports, and the whole as one snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from maelstrom.model.component import Component, ComponentKey
from maelstrom.model.project import ProjectDefinition
from maelstrom.model.project_answers import ProjectAnswers
from maelstrom.model.source import EventSource, SourceKey, SourceType


@dataclass(frozen=True, slots=True)
class StoredProject:
    """A project as last put. `revision` is its number of changes, the base of the next optimistic put."""

    name: str
    revision: int
    definition: ProjectDefinition
    modified_at: float  # seconds since 1970, for people
    author: str = ""


@dataclass(frozen=True, slots=True)
class ProjectSummary:
    """One row of `maelctl project ls`."""

    name: str
    revision: int
    components: int
    eventsources: int
    modified_at: float  # seconds since 1970


@dataclass(frozen=True, slots=True)
class Revision:
    """One entry of a project's history. `removed`: this change was the project's removal."""

    revision: int
    modified_at: float  # seconds since 1970
    author: str
    removed: bool


@dataclass(frozen=True, slots=True)
class SourceFilter:
    """Which event sources are meant; what is empty or None restricts nothing.

    `component`, `names` and `prefix` may have the project's prefix or not. `prefix` is plain text, no pattern.
    """

    project: str | None = None
    component: str | None = None
    type: SourceType | None = None
    prefix: str | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What a node last said of itself. `seq` rises with each report, so that nobody needs to compare clocks."""

    node: str
    session: str
    version: str
    seq: int
    at: float  # seconds since 1970 by the writer's clock, for people
    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All components and event sources at one revision. The component of every source is among them."""

    revision: int = 0
    components: Mapping[ComponentKey, Component] = field(default_factory=dict)
    sources: Mapping[SourceKey, EventSource] = field(default_factory=dict)
    answers: Mapping[str, ProjectAnswers] = field(default_factory=dict)  # of projects that say something of theirs
