"""What a component is: one container image and how to run it.

A definition has the project file's own field names and is normalised: every default is filled in, so no reader applies
a default of its own. `None` remains only where "unset" itself has a meaning for the engine. What a field means stands
in its description: docs/project-file.md and docs/project.schema.json are made from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from maelstrom.model.answer_fields import Fairness
from maelstrom.model.callers import Callers
from maelstrom.model.definition import Definition
from maelstrom.model.engine_fields import Image, Network, Ports, Ulimits
from maelstrom.model.mount import Mounts
from maelstrom.model.ports import fixes_host_port
from maelstrom.model.rules import (
    MAX_COUNT,
    MAX_MIB,
    YEAR_SECONDS,
    Command,
    Count,
    Listed,
    Path,
    Seconds,
    Share,
    Text,
    TextMap,
    Words,
    ZeroIsUnset,
    fault,
)
from maelstrom.model.variables import check_entry, merged

DEFAULT_RESERVATION = 128  # MiB


def _default_reservation(data: dict[str, Any]) -> int:
    return min(DEFAULT_RESERVATION, data.get("limitmemory") or DEFAULT_RESERVATION)


def _default_restart_order(data: dict[str, Any]) -> Literal["startstop", "stopstart"]:
    return "stopstart" if fixes_host_port(data.get("ports", ())) else "startstop"


def _by_name(entries: tuple[str, ...]) -> tuple[str, ...]:
    return merged(entries)


Variable = Annotated[Text, AfterValidator(check_entry)]
Variables = Annotated[tuple[Variable, ...], Listed, AfterValidator(_by_name)]


def _check_version(version: float) -> float:
    if version not in (1.1, 2):
        raise fault(f"is {version:g}, neither 1.1 nor 2")
    return 2 if version == 2 else 1.1


Version = Annotated[float, AfterValidator(_check_version)]


class ComponentDefinition(Definition):
    """One entry below `components` of a project file, without its event sources."""

    # image and process
    image: Image = Field(description="Image reference: `[registry[:port]/]name[:tag][@digest]`.")
    command: Command = Field(None, description="The container's command. Unset: the image's.")
    entrypoint: Command = Field(None, description="The container's entry point. Unset: the image's.")
    environment: Variables = Field(
        (),
        description="Environment variables, `NAME=value` each; they win over the project's. Names that begin with"
        " `MAELSTROM_` are dropped: the product sets those.",
    )
    user: Text = Field("", description="`user` or `user:group`. Unset: the image's.")
    hostname: Text = Field(
        "", description="The container's own host name; not for discovery. Unset: the container's id."
    )
    domainname: Text = Field("", description="The container's domain name.")
    containerinit: bool = Field(False, description="Whether an init process runs as PID 1 and reaps children.")
    capadd: Words = Field((), description="Linux capabilities to add.")
    capdrop: Words = Field((), description="Linux capabilities to drop.")
    ulimits: Ulimits = Field(
        (), description="Limits, `name=soft[:hard]` each, -1 is unlimited: `nofile=1024:4096`. Soft at most hard."
    )
    volumes: Mounts = Field((), description="Mounts.")
    ports: Ports = Field(
        (),
        description="Ports published on the host, Docker's short syntax `[ip:][host:]container[/protocol]`, ranges"
        " allowed, one binding per container port. The HTTP port needs none.",
    )
    networkname: Network = Field(
        "", description="Network of the container; it must be reachable from the daemon. Unset: the default bridge."
    )
    dns: Words = Field((), description="Name servers.")
    dnsoptions: Words = Field((), description="Resolver options.")
    dnssearch: Words = Field((), description="Search domains.")

    # resources
    limitmemory: Annotated[int, Field(ge=1, le=MAX_MIB)] | None = Field(
        None, description="Memory that a container may use at most, MiB. Unset: no limit."
    )
    reservememory: Annotated[int, Field(ge=1, le=MAX_MIB)] = Field(
        default_factory=_default_reservation,
        description="Memory that is reserved per container, MiB; at most `limitmemory`. Unset: 128, or the limit where"
        " that is less.",
    )
    cpushares: Annotated[int, Field(ge=1, le=262_144)] | None = Field(
        None, description="Relative CPU weight. Unset: the engine's own, 1024."
    )

    # scaling and concurrency
    mininstances: Annotated[int, Field(ge=0, le=MAX_COUNT)] = Field(
        0, description="Instances that always run, in the whole cluster; at most `maxinstances`. 0: scale to zero."
    )
    maxinstances: Annotated[Count | None, ZeroIsUnset(None)] = Field(
        None, description="Instances at most, in the whole cluster. Unset or 0: no limit."
    )
    maxinstancespernode: Annotated[Count | None, ZeroIsUnset(None)] = Field(
        None, description="Instances at most on one node. Unset or 0: no limit."
    )
    maxconcurrency: Annotated[Count, ZeroIsUnset(1)] = Field(
        1, description="Simultaneous requests per container; further ones wait."
    )
    softconcurrencylimit: bool = Field(
        False, description="Whether `maxconcurrency` only drives scaling: then no request waits for a free slot."
    )
    scaleupconcurrencypct: Annotated[Share, ZeroIsUnset(0.75)] = Field(
        0.75, description="Share of the concurrency, 0 to 1, above which instances are added."
    )
    scaledownconcurrencypct: Annotated[Share, ZeroIsUnset(0.25)] = Field(
        0.25,
        validate_default=True,
        description="Share of the concurrency, 0 to 1, below which instances are removed; under the other.",
    )
    maxdurationseconds: Annotated[Seconds, ZeroIsUnset(300)] = Field(
        300, description="Deadline of a request in seconds, the time in the queue included."
    )
    idletimeoutseconds: Annotated[Seconds, ZeroIsUnset(300)] = Field(
        300, description="Seconds after the end of the last request until the last instance is stopped, or frozen."
    )
    idlebehavior: Literal["stop", "pause"] = Field(
        "stop",
        description="What becomes of an instance that is not needed: `stop`, or `pause`: it is frozen, keeps its memory"
        " and uses no CPU, and the next request wakes it within some ms.",
    )
    stopafterseconds: Annotated[Seconds, ZeroIsUnset(3600)] = Field(
        3600, description="Seconds after which a frozen instance is stopped; sooner where its memory is needed."
    )
    maxqueue: Count = Field(
        1000, description="Requests that may wait per component and node; more are answered 503 with Retry-After."
    )
    fairness: Fairness = Field(
        "",
        description="Whose requests take turns where several wait: `client`, by its address, or `header:` and a"
        " header's name, `header:X-Tenant`. Of one key the first comes first; a full queue is shared evenly. Unset: all"
        " in the order of their arrival.",
    )
    firstbyteseconds: Seconds | None = Field(
        None, description="Seconds until the first byte of an answer. Unset: up to the deadline."
    )
    idlebytesseconds: Seconds | None = Field(
        None,
        description="Seconds between two bytes of an exchange; where set, streams and upgrades live by it instead of"
        " the deadline. Unset: up to the deadline.",
    )

    allow: Callers = Field(
        (),
        description="Who else may call it through the internal gateway: projects, and components as `project_component`"
        " or `project/component`; `*`: whoever gets to its address. Components of its own project always may.",
    )

    # http, health, rollout, logging, pulling
    httpport: Annotated[int, Field(ge=1, le=65535)] = Field(8080, description="Port of the component in the container.")
    httpversion: Version = Field(
        1.1,
        description="HTTP that the component speaks: 1.1, or 2 without TLS and from the first byte, as gRPC wants it"
        " (docs/http2.md). Clients may speak either, whatever stands here.",
        json_schema_extra={"enum": [1.1, 2]},
    )
    httphealthcheckpath: Path = Field("/", description="Path whose GET answers 200 while the component is well.")
    httpstarthealthcheckseconds: Annotated[int, Field(ge=-YEAR_SECONDS, le=YEAR_SECONDS), ZeroIsUnset(60)] = Field(
        60, description="Seconds in which a new container must pass its first check. Negative: no check at the start."
    )
    httphealthcheckseconds: Annotated[Seconds, ZeroIsUnset(10)] = Field(
        10, description="Seconds between two checks of a running container."
    )
    httphealthcheckmaxfailures: Annotated[Count, ZeroIsUnset(3)] = Field(
        3, description="Consecutive failed checks after which a container is replaced."
    )
    healthcheckfailedcommand: Command = Field(
        None, description="Command run in the container before it is stopped for failed checks."
    )
    restartorder: Literal["startstop", "stopstart"] = Field(
        default_factory=_default_restart_order,
        description="Order per instance when it is replaced: start the new one first, or stop the old one first."
        " Unset: `startstop`, but `stopstart` where `ports` fixes a port of the host.",
    )
    startparallelism: Literal["parallel", "series", "seriesfirst"] = Field(
        "parallel",
        description="How nodes start instances of a new version: all at once, one after another, or only the first one"
        " alone.",
    )
    stopgraceseconds: Annotated[int, Field(ge=0, le=YEAR_SECONDS)] = Field(
        60, description="Seconds between the signal to stop and the kill."
    )
    logdriver: Text = Field(
        "",
        description="The engine's log driver. `maelstrom`: the default one, lines also go to the daemon's output."
        " Unset: the engine's default.",
    )
    logdriveroptions: TextMap = Field(
        default_factory=dict, description="Options of the log driver; without effect where `logdriver` is unset."
    )
    pullimageonstart: bool = Field(False, description="Whether the image is pulled before each start.")
    pullimageonput: bool = Field(False, description="Whether every node pulls the image when the component changes.")
    pullusername: Text = Field("", description="User name at the registry.")
    pullpassword: Text = Field("", description="Password at the registry; never shown.")
    pullcommand: Command = Field(
        None, description="Host command run instead of a pull; every `<image>` in it is replaced by the image."
    )

    @field_validator("reservememory")
    @classmethod
    def _reservation_is_within_the_limit(cls, reserved: int, info: ValidationInfo) -> int:
        limit = info.data.get("limitmemory")
        if limit is not None and limit < reserved:
            raise fault(
                f"the limit of {limit} MiB is under the reservation of {reserved} MiB",
                "raise limitmemory or lower reservememory",
                at="limitmemory",
            )
        return reserved

    @field_validator("maxinstances")
    @classmethod
    def _minimum_is_no_more_than_maximum(cls, maximum: int | None, info: ValidationInfo) -> int | None:
        minimum = info.data.get("mininstances", 0)
        if maximum is not None and minimum > maximum:
            raise fault(f"mininstances, {minimum}, is over maxinstances, {maximum}", at="mininstances")
        return maximum

    @field_validator("scaledownconcurrencypct")
    @classmethod
    def _up_is_over_down(cls, down: float, info: ValidationInfo) -> float:
        up = info.data.get("scaleupconcurrencypct", 1.0)
        if down >= up:
            raise fault(
                f"scaleupconcurrencypct, {up}, must be over scaledownconcurrencypct, {down}",
                "0.75 and 0.25 where they are unset",
                at="scaleupconcurrencypct",
            )
        return down


class ComponentKey(NamedTuple):
    """Identity of a component: names are lower case and without the project's prefix."""

    project: str
    name: str

    @property
    def full_name(self) -> str:
        return f"{self.project}_{self.name}"


@dataclass(frozen=True, slots=True)
class Component:
    """As stored. `version` rises with each change of the definition, `generation` with each restart asked for."""

    key: ComponentKey
    version: int
    generation: int
    definition: ComponentDefinition
    modified_at: float = 0.0  # seconds since 1970, for people

    @property
    def project(self) -> str:
        return self.key.project

    @property
    def name(self) -> str:
        return self.key.name
