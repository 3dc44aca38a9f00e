"""A whole project as it is put, stored and shown: the result of reading a project file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from maelstrom.model.component import ComponentDefinition, Definition
from maelstrom.model.source import CronSource, HttpSource, SourceDefinition, SqsSource, StepFunctionsSource


class SourceEntry(Definition):
    """One source of a put: exactly one of the kinds is set. `crontab` lines have become `cron` entries here."""

    http: HttpSource | None = None
    cron: CronSource | None = None
    sqs: SqsSource | None = None
    awsstepfunc: StepFunctionsSource | None = None

    @property
    def definition(self) -> SourceDefinition:
        found = self.http or self.cron or self.sqs or self.awsstepfunc
        assert found is not None, "validated: exactly one kind"
        return found


class ComponentEntry(Definition):
    """One component of a put with its sources, all names normalised (lower case, no prefix)."""

    component: ComponentDefinition
    eventsources: dict[str, SourceEntry] = Field(default_factory=dict)


class ProjectDefinition(Definition):
    """What `maelctl put` sends: environments merged, crontab expanded, defaults filled in."""

    name: str
    components: dict[str, ComponentEntry]


@dataclass(frozen=True, slots=True)
class Changes:
    """Names (without prefix, sorted) that a put adds, updates and removes."""

    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def as_json(self) -> dict[str, list[str]]:
        return {"added": list(self.added), "updated": list(self.updated), "removed": list(self.removed)}

    def __bool__(self) -> bool:
        return bool(self.added or self.updated or self.removed)


@dataclass(frozen=True, slots=True)
class PutResult:
    """Outcome of a put. `revision` is the project's number of puts that changed something."""

    project: str
    revision: int
    components: Changes = field(default_factory=Changes)
    eventsources: Changes = field(default_factory=Changes)

    def as_json(self) -> dict[str, Any]:
        return {
            "project": self.project,
            "revision": self.revision,
            "components": self.components.as_json(),
            "eventsources": self.eventsources.as_json(),
        }
