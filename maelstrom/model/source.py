"""Event sources: where a component's work comes from. One definition class per kind, told apart by `type`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from maelstrom.model.component import ComponentKey, Definition

SourceType = Literal["http", "cron", "sqs", "awsstepfunc"]


class HttpSource(Definition):
    """Requests from outside, by host and path prefix."""

    hostname: str = ""  # lower case, without port
    pathprefix: str = ""
    stripprefix: bool = False


class Header(Definition):
    name: str
    value: str


class CronRequest(Definition):
    method: str
    path: str
    data: str = ""
    headers: tuple[Header, ...] = ()


class CronSource(Definition):
    """A request by schedule (see `plan/schedule`)."""

    schedule: str
    http: CronRequest


class SqsSource(Definition):
    """Messages of an AWS SQS queue, or of all queues whose names begin so."""

    queuename: str
    path: str
    nameasprefix: bool = False
    maxconcurrency: int = 10
    messagesperpoll: int = 1
    concurrencyperpoller: int = 1
    visibilitytimeout: int = 300  # s


class StepFunctionsSource(Definition):
    """Tasks of an AWS Step Functions activity."""

    activityname: str
    path: str
    maxconcurrency: int = 1
    concurrencyperpoller: int = 1
    heartbeatseconds: int = 4


SourceDefinition = HttpSource | CronSource | SqsSource | StepFunctionsSource

SOURCE_TYPES: dict[SourceType, type[HttpSource] | type[CronSource] | type[SqsSource] | type[StepFunctionsSource]] = {
    "http": HttpSource,
    "cron": CronSource,
    "sqs": SqsSource,
    "awsstepfunc": StepFunctionsSource,
}


class SourceKey(NamedTuple):
    """Identity of a source: names are lower case and without the project's prefix."""

    project: str
    name: str

    @property
    def full_name(self) -> str:
        return f"{self.project}_{self.name}"


@dataclass(frozen=True, slots=True)
class EventSource:
    """A source as stored. `enabled` is apart from the definition: no put changes it."""

    key: SourceKey
    component: ComponentKey
    version: int
    enabled: bool
    definition: SourceDefinition
    id: int = 0  # row id, the key of its leases

    @property
    def type(self) -> SourceType:
        for name, cls in SOURCE_TYPES.items():
            if isinstance(self.definition, cls):
                return name
        raise TypeError(type(self.definition))

    @property
    def maxconcurrency(self) -> int | None:
        """The limit over the whole cluster; None for kinds that are not polled."""
        return getattr(self.definition, "maxconcurrency", None)
