"""Event sources: where a component's work comes from. One definition class per kind, told apart by `type`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from maelstrom.model.component import ComponentKey, Definition
from maelstrom.model.rules import (
    MAX_COUNT,
    Count,
    ListedMaps,
    Path,
    Seconds,
    Text,
    Token,
    ZeroIsUnset,
    check_path,
    fault,
    shown,
)
from maelstrom.model.schedule import parse_schedule

MAX_HOST = 253  # characters of a name in DNS
MAX_AWS_NAME = 80  # characters of a queue's or an activity's name
MAX_VISIBILITY_SECONDS = 43_200  # SQS keeps a message invisible for 12 hours at most

SourceType = Literal["http", "cron", "sqs", "awsstepfunc"]


# Fields that frame a message or belong to one connection: configured ones would contradict what is really sent.
_FRAMING = frozenset(
    [
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
_METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_QUEUE = re.compile(r"[A-Za-z0-9_-]+(\.fifo)?")
_ACTIVITY_REFUSED = re.compile(r"""[\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]""")


def _check_host(text: str) -> str:
    host = text.lower().removesuffix(".")
    address = host.removeprefix("[").removesuffix("]")
    if ":" in address:
        try:
            return IPv6Address(address).compressed
        except ValueError:
            raise fault(f"{shown(text)} is no host name", "leave the port out") from None
    if text and (len(host) > MAX_HOST or not _HOST.fullmatch(host)):
        raise fault(
            f"{shown(text)} is no host name", "a whole name without scheme, port and wildcards; other letters as xn--…"
        )
    return host


def _check_prefix(text: str) -> str:
    if "?" in text:
        raise fault("has a `?`: the query is no part of the path that is compared", "leave the query out")
    return check_path(text) if text else text


def _check_header_name(name: str) -> str:
    if name.lower() in _FRAMING:
        raise fault(f"the header {shown(name)} is set by what sends the request", "leave it out")
    return name


def _check_header_value(value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value):
        raise fault("a header's value is one line without control characters")
    return value


def _check_method(method: str) -> str:
    return method.upper() if method.upper() in _METHODS else method


def _check_schedule(text: str) -> str:
    try:
        parse_schedule(text)
    except ValueError as error:
        raise fault(
            f"{shown(text)} is no schedule: {error}", "such as `15 3 * * *`, `@daily` or `@every 90s`"
        ) from error
    return text


def _check_queue(name: str) -> str:
    if not name:
        raise fault("is empty")
    if len(name) > MAX_AWS_NAME or not _QUEUE.fullmatch(name):
        raise fault(
            f"{shown(name)} is no name of a queue",
            f"its name, not its URL: at most {MAX_AWS_NAME} letters, digits, `-` and `_`, then `.fifo` if it is one",
        )
    return name


def _check_activity(name: str) -> str:
    if not name:
        raise fault("is empty")
    if len(name) > MAX_AWS_NAME or _ACTIVITY_REFUSED.search(name):
        raise fault(
            f"{shown(name)} is no name of an activity",
            f"its name, not its ARN: at most {MAX_AWS_NAME} characters, no blanks, brackets or wildcards",
        )
    return name


_FROM_ZERO = {"type": "integer", "minimum": 0, "maximum": MAX_COUNT}


def _messages_per_poll(data: dict[str, Any]) -> int:
    return int(data.get("messagesperpoll", 1))


Hostname = Annotated[Text, AfterValidator(_check_host)]


class HttpSource(Definition):
    """Requests from outside, by host and path prefix; at least one of the two is given."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["hostname"]}, {"required": ["pathprefix"]}]},
    )

    hostname: Hostname = Field(
        "", description="Host of the request, in any case, without port. Unset: any host, after all rules with a host."
    )
    pathprefix: Annotated[Text, AfterValidator(_check_prefix)] = Field(
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

    name: Annotated[Token, AfterValidator(_check_header_name)] = Field(description="Name of the header.")
    value: Annotated[Text, AfterValidator(_check_header_value)] = Field(description="Its value, on one line.")


class CronRequest(Definition):
    """What is sent when a schedule fires."""

    method: Annotated[Token, AfterValidator(_check_method)] = Field(description="HTTP method.")
    path: Path = Field(description="Path, with a query if need be; used as it is.")
    data: Text = Field("", description="Body of the request; never sent with GET.")
    headers: Annotated[tuple[Header, ...], ListedMaps] = Field((), description="Headers added to the request.")


class CronSource(Definition):
    """A request by schedule (see `schedule`)."""

    schedule: Annotated[Text, AfterValidator(_check_schedule)] = Field(
        description="Five fields (minute, hour, day of month, month, day of week), `@daily` and its like, or"
        " `@every 1h30m`; `CRON_TZ=Zone ` in front names a zone, else it is the daemon's."
    )
    http: CronRequest = Field(description="The request.")


class SqsSource(Definition):
    """Messages of an AWS SQS queue, or of all queues whose names begin so."""

    queuename: Annotated[Text, AfterValidator(_check_queue)] = Field(description="Name of the queue.")
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

    @field_validator("concurrencyperpoller", mode="before")
    @classmethod
    def _zero_is_unset(cls, value: Any, info: ValidationInfo) -> Any:
        return _messages_per_poll(info.data) if type(value) is int and value == 0 else value


class StepFunctionsSource(Definition):
    """Tasks of an AWS Step Functions activity."""

    activityname: Annotated[Text, AfterValidator(_check_activity)] = Field(
        description="Name of the activity; it is created if missing."
    )
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
