"""Event sources: where a component's work comes from. One definition class per kind, told apart by `type`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import ConfigDict, Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from maelstrom.model.component import ComponentKey
from maelstrom.model.definition import Definition
from maelstrom.model.rules import (
    MAX_COUNT,
    Count,
    ListedMaps,
    Path,
    Seconds,
    Text,
    ZeroIsUnset,
    fault,
)
from maelstrom.model.schedule import parse_schedule
from maelstrom.model.source_fields import (
    Activity,
    Endpoint,
    HeaderName,
    HeaderValue,
    Hostname,
    Method,
    Prefix,
    Queue,
    Region,
    Role,
    ScheduleLine,
    TokenPlace,
    Zone,
)

MAX_RETRIES = 100
MAX_VISIBILITY_SECONDS = 43_200  # SQS keeps a message invisible for 12 hours at most

SourceType = Literal["http", "cron", "sqs", "awsstepfunc"]


_FROM_ZERO = {"type": "integer", "minimum": 0, "maximum": MAX_COUNT}


def _messages_per_poll(data: dict[str, Any]) -> int:
    return int(data.get("messagesperpoll", 1))


class HttpSource(Definition):
    """Requests from outside, by host and path prefix; at least one of the two is given."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["hostname"]}, {"required": ["pathprefix"]}]},
    )

    hostname: Hostname = Field(
        "", description="Host of the request, in any case, without port. Unset: any host, after all rules with a host."
    )
    pathprefix: Prefix = Field(
        "", description="Beginning of the path as sent, in whole segments: `/foo` covers `/foo/x`, not `/foobar`."
    )
    stripprefix: bool = Field(False, description="Whether the prefix is cut off before the request is passed on.")

    @model_validator(mode="after")
    def _says_which_requests(self) -> HttpSource:
        if not self.hostname and not self.pathprefix:
            raise fault("needs a hostname or a pathprefix", "`pathprefix: /` takes every request")
        return self


class Header(Definition):
    """One header field of a cron request."""

    name: HeaderName = Field(description="Name of the header.")
    value: HeaderValue = Field(description="Its value, on one line.")


class CronRequest(Definition):
    """What is sent when a schedule fires."""

    method: Method = Field(description="HTTP method.")
    path: Path = Field(description="Path, with a query if need be; used as it is.")
    data: Text = Field("", description="Body of the request; never sent with GET.")
    headers: Annotated[tuple[Header, ...], ListedMaps] = Field((), description="Headers added to the request.")


class CronSource(Definition):
    """A request by schedule (see `schedule`). Each planned time fires once over the whole cluster."""

    schedule: ScheduleLine = Field(
        description="Five fields (minute, hour, day of month, month, day of week), `@daily` and its like, or"
        " `@every 1h30m`; `CRON_TZ=Zone ` in front names a zone, else it is the daemon's."
    )
    http: CronRequest = Field(description="The request.")
    timezone: Zone = Field(
        "", description="Zone of the schedule, such as `Europe/Berlin`. Unset: `CRON_TZ=` in front, else the daemon's."
    )
    overlap: Literal["allow", "forbid", "replace"] = Field(
        "allow",
        description="What happens at a planned time while an earlier run is open: both run, the new one is skipped, or"
        " the old one is cancelled.",
    )
    catchup: Literal["none", "last", "all"] = Field(
        "last",
        description="Which of the times that were missed while no node could fire are made up for: none, the last, or"
        " all of them (100 at most).",
    )
    catchupseconds: Seconds = Field(600, description="How long ago a missed time may be to be made up for.")
    maxdurationseconds: Annotated[Seconds | None, ZeroIsUnset(None)] = Field(
        None, description="Deadline of each try of a run. Unset: the component's `maxdurationseconds`."
    )
    retries: Annotated[int, Field(ge=0, le=MAX_RETRIES)] = Field(
        0, description="How often a run that did not answer 2xx is tried again, later and later."
    )

    @model_validator(mode="after")
    def _has_one_zone(self) -> CronSource:
        if self.timezone and parse_schedule(self.schedule).zone is not None:
            raise fault("has a zone here and in the schedule", "leave one of them out")
        return self


class AwsSource(Definition):
    """Where an AWS source finds its service, if not where the daemon's AWS environment and files say."""

    region: Region = Field("", description="AWS region. Unset: the daemon's.")
    endpoint: Endpoint = Field(
        "", description="Address of the service. Unset: the daemon's, or AWS's own of the region."
    )
    rolearn: Role = Field(
        "", description="Role that is assumed for all calls. Unset: the daemon's credentials as they are."
    )
    maxdurationseconds: Annotated[Seconds | None, ZeroIsUnset(None)] = Field(
        None, description="Deadline of each request. Unset: the component's `maxdurationseconds`."
    )


class SqsSource(AwsSource):
    """Messages of an AWS SQS queue, or of all queues whose names begin so."""

    queuename: Queue = Field(description="Name of the queue.")
    path: Path = Field(description="Path that messages are POSTed to.")
    nameasprefix: bool = Field(
        False,
        description="Whether all queues whose names begin with `queuename` are polled, in the order of their names.",
    )
    maxconcurrency: Annotated[Count, ZeroIsUnset(10)] = Field(
        10, description="Messages in process at a time, over the whole cluster."
    )
    messagesperpoll: Annotated[int, Field(ge=1, le=10), ZeroIsUnset(1)] = Field(
        1, description="Messages fetched at once, 1 to 10."
    )
    concurrencyperpoller: Annotated[Count, WithJsonSchema(_FROM_ZERO)] = Field(
        default_factory=_messages_per_poll,
        description="Messages that one poller works on at a time. Unset or 0: `messagesperpoll`.",
    )
    visibilitytimeout: Annotated[int, Field(ge=1, le=MAX_VISIBILITY_SECONDS), ZeroIsUnset(300)] = Field(
        300, description="Seconds until an unanswered message comes back, at most."
    )
    tasktoken: TokenPlace = Field(
        False,
        description="Whether messages carry a Step Functions task token (`.waitForTaskToken`) that is answered with"
        " what the component answers: `true` if it is the body's `TaskToken`, else a JSON pointer to it.",
    )

    @field_validator("concurrencyperpoller", mode="before")
    @classmethod
    def _zero_is_unset(cls, value: Any, info: ValidationInfo) -> Any:
        return _messages_per_poll(info.data) if type(value) is int and value == 0 else value


class StepFunctionsSource(AwsSource):
    """Tasks of an AWS Step Functions activity."""

    model_config = ConfigDict(serialize_by_alias=True)

    activityname: Activity = Field(description="Name of the activity; it is created if missing.")
    path: Path = Field(description="Path that tasks are POSTed to.")
    maxconcurrency: Annotated[Count, ZeroIsUnset(1)] = Field(
        1, description="Tasks in process at a time, over the whole cluster."
    )
    concurrencyperpoller: Annotated[Count, ZeroIsUnset(1)] = Field(
        1, description="Tasks that one poller works on at a time."
    )
    heartbeatseconds: Seconds = Field(
        4, description="Seconds between two heartbeats while a task is worked; under the state's HeartbeatSeconds."
    )
    answers_later: bool = Field(
        False,
        alias="async",
        description="Whether 202 means that the component answers the task later itself: by its token, or through"
        " `$MAELSTROM_PRIVATE_URL/_maelstrom/tasks/<token>/success`, `/failure` and `/heartbeat`.",
    )
    answerseconds: Seconds = Field(
        3600, description="Seconds from such a 202 in which the answer must come; so long it counts as in process."
    )


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
