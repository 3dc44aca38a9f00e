"""What a request may carry: path and query parameters, and bodies, each as one strict model.

An unknown key is an error everywhere, in queries too: a mistyped filter of `disable` must not become "all". For the
same reason a filter cannot be empty.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from maelstrom.api.wire import MAX_INTEGER
from maelstrom.model.source import SourceType

MAX_NAMES = 100  # in one request
MAX_RUNS = 1000  # in one answer

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,81}$", to_lower=True)]  # with or without a prefix
Glob = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_*?\[\]!-]{1,81}$", to_lower=True)]
Revision = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
Author = Annotated[str, StringConstraints(pattern=r"^[ -~]{0,100}$")]


class Parameters(BaseModel):
    """Of path and query; they arrive as texts."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Nothing(Parameters):
    pass


class ProjectPath(Parameters):
    project: Name


class RevisionPath(ProjectPath):
    revision: Revision


class RemoveProject(ProjectPath):
    author: Author = ""


class NamePath(Parameters):
    """Without its project's prefix, and without `project`, the name has to be the only one of its kind."""

    name: Name
    project: Name | None = None


class RunPath(Parameters):
    run: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class CronRunsQuery(Parameters):
    project: Name | None = None
    name: Name | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_RUNS)] = 20


class DeadLettersQuery(NamePath):
    id: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,100}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 10


class ProjectsQuery(Parameters):
    prefix: Name | None = None


class ComponentsQuery(Parameters):
    project: Name | None = None
    prefix: Name | None = None


class InstancesQuery(Parameters):
    project: Name | None = None
    component: Name | None = None


class SourcesQuery(Parameters):
    project: Name | None = None
    component: Name | None = None
    type: SourceType | None = None
    prefix: Name | None = None
    name: tuple[Name, ...] = Field(default=(), max_length=MAX_NAMES)


class DrainedQuery(SourcesQuery):
    revision: Annotated[int, Field(ge=0, le=MAX_INTEGER)] = 0


class LogsQuery(Parameters):
    component: tuple[Glob, ...] = Field(min_length=1, max_length=MAX_NAMES)
    project: Name | None = None
    since: float = Field(default=0, ge=0, le=MAX_INTEGER, description="Seconds since 1970.")
    follow: bool = False


class PutProject(Body):
    definition: Any  # a ProjectDefinition, checked by its own rules
    diff_only: bool = Field(default=False, description="Say what would change, store nothing.")
    expected_revision: Annotated[int, Field(ge=0, le=MAX_INTEGER)] | None = Field(
        default=None, description="Refuse (409) unless the project is at this revision; 0: unless there is none."
    )
    author: Author = Field(default="", description="Who puts, for the history.")


class RollBack(Body):
    revision: Revision
    diff_only: bool = False
    expected_revision: Annotated[int, Field(ge=0, le=MAX_INTEGER)] | None = None
    author: Author = ""


class RedriveBody(Body):
    """Of what a dead letter queue holds."""

    max: Annotated[int, Field(ge=1, le=MAX_INTEGER)] | None = Field(
        default=None, description="So many at most, sent and deleted one by one."
    )
    to: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,80}(\.fifo)?$")] | None = Field(
        default=None, description="Name of a queue; else each message goes to the one that it came from."
    )


class SourceFilters(Body):
    """All that are given have to match; none given means every source."""

    project: Name | None = None
    component: Name | None = None
    type: SourceType | None = None
    prefix: Name | None = None
    names: Annotated[list[Name], Field(min_length=1, max_length=MAX_NAMES)] | None = None
