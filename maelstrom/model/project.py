"""A whole project as it is put, stored and shown: the result of reading a project file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from maelstrom.model.component import ComponentDefinition
from maelstrom.model.definition import Definition
from maelstrom.model.names import name_fault, project_fault
from maelstrom.model.project_answers import ErrorPages, ProjectAnswers, ResponseHeaders
from maelstrom.model.rules import Text, fault, faults
from maelstrom.model.source import (
    SOURCE_TYPES,
    CronSource,
    HttpSource,
    SourceDefinition,
    SqsSource,
    StepFunctionsSource,
)


def kinds_fault(kinds: Iterable[str]) -> str:
    """Why a source cannot have these kinds; empty if there is one."""
    found = list(kinds)
    if len(found) == 1:
        return ""
    return f"has {' and '.join(found) or 'no kind'}; exactly one of {', '.join(SOURCE_TYPES)} is required"


def _check_name(name: str) -> str:
    if reason := project_fault(name):
        raise fault(reason)
    return name


class SourceEntry(Definition):
    """One source of a put: exactly one of the kinds is set. `crontab` lines have become `cron` entries here."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    http: HttpSource | None = Field(None, description="Requests from outside.")
    cron: CronSource | None = Field(None, description="Requests by schedule.")
    sqs: SqsSource | None = Field(None, description="Messages of an AWS SQS queue.")
    awsstepfunc: StepFunctionsSource | None = Field(None, description="Tasks of an AWS Step Functions activity.")

    @property
    def definition(self) -> SourceDefinition:
        found = self.http or self.cron or self.sqs or self.awsstepfunc
        assert found is not None, "validated: exactly one kind"
        return found

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> SourceEntry:
        if reason := kinds_fault(kind for kind in SOURCE_TYPES if getattr(self, kind) is not None):
            raise fault(reason)
        return self

    @model_serializer(mode="wrap")
    def _shows_its_kind_alone(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {kind: value for kind, value in handler(self).items() if value is not None}


class ComponentEntry(Definition):
    """One component of a put with its sources, all names normalised (lower case, no prefix)."""

    component: ComponentDefinition
    eventsources: dict[Text, SourceEntry] = Field(default_factory=dict)


class ProjectDefinition(Definition):
    """What `maelctl put` sends: environments merged, crontab expanded, defaults filled in."""

    name: Annotated[Text, AfterValidator(_check_name)]
    responseheaders: ResponseHeaders = ()
    errorpages: ErrorPages = Field(default_factory=dict)
    components: dict[Text, ComponentEntry] = Field(min_length=1)

    @property
    def answers(self) -> ProjectAnswers:
        return ProjectAnswers(responseheaders=self.responseheaders, errorpages=self.errorpages)

    @model_validator(mode="after")
    def _names_are_normal_and_unique(self) -> ProjectDefinition:
        found: list[tuple[tuple[int | str, ...], str, str]] = []
        owners: dict[str, str] = {}
        for component, entry in self.components.items():
            if reason := name_fault(component, self.name):
                found.append((("components", component), reason, ""))
            for source in entry.eventsources:
                where = ("components", component, "eventsources", source)
                if reason := name_fault(source, self.name):
                    found.append((where, reason, ""))
                elif owners.setdefault(source, component) != component:
                    found.append((where, f"the component {owners[source]} has a source of this name", ""))
        if found:
            raise faults(found)
        return self


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
    projectfields: Changes = field(default_factory=Changes)  # of the project itself: `responseheaders`, `errorpages`

    def as_json(self) -> dict[str, Any]:
        return {
            "project": self.project,
            "revision": self.revision,
            "components": self.components.as_json(),
            "eventsources": self.eventsources.as_json(),
            "projectfields": self.projectfields.as_json(),
        }
