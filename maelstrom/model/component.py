"""What a component is: one container image and how to run it.

A definition has the project file's own field names and is normalised: every default is filled in, so no reader applies a
default of its own. `None` remains only where "unset" itself has a meaning for the engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class Definition(BaseModel):
    """Base of all stored definitions: immutable, strict, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Mount(Definition):
    """One mount of a container."""

    type: Literal["bind", "volume", "tmpfs"] = "bind"
    source: str = ""
    target: str
    readonly: bool = False


class ComponentDefinition(Definition):
    """One entry below `components` of a project file, without its event sources."""

    # image and process
    image: str
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: tuple[str, ...] = ()  # merged, `NAME=value`, sorted by name
    user: str = ""
    hostname: str = ""
    domainname: str = ""
    containerinit: bool = False
    capadd: tuple[str, ...] = ()
    capdrop: tuple[str, ...] = ()
    ulimits: tuple[str, ...] = ()
    volumes: tuple[Mount, ...] = ()
    ports: tuple[str, ...] = ()
    networkname: str = ""
    dns: tuple[str, ...] = ()
    dnsoptions: tuple[str, ...] = ()
    dnssearch: tuple[str, ...] = ()

    # resources
    reservememory: int = 128  # MiB
    limitmemory: int | None = None  # MiB
    cpushares: int | None = None

    # scaling and concurrency
    mininstances: int = 0
    maxinstances: int | None = None
    maxinstancespernode: int | None = None
    maxconcurrency: int = 1
    softconcurrencylimit: bool = False
    scaleupconcurrencypct: float = 0.75
    scaledownconcurrencypct: float = 0.25
    maxdurationseconds: int = 300
    idletimeoutseconds: int = 300
    maxqueue: int = 1000
    firstbyteseconds: int | None = None
    idlebytesseconds: int | None = None

    # http, health, rollout, logging, pulling
    httpport: int = 8080
    httphealthcheckpath: str = "/"
    httpstarthealthcheckseconds: int = 60  # negative: no check at start
    httphealthcheckseconds: int = 10
    httphealthcheckmaxfailures: int = 3
    healthcheckfailedcommand: tuple[str, ...] | None = None
    restartorder: Literal["startstop", "stopstart"] = "startstop"
    startparallelism: Literal["parallel", "series", "seriesfirst"] = "parallel"
    stopgraceseconds: int = 60
    logdriver: str = ""
    logdriveroptions: dict[str, str] = Field(default_factory=dict)
    pullimageonstart: bool = False
    pullimageonput: bool = False
    pullusername: str = ""
    pullpassword: str = ""
    pullcommand: tuple[str, ...] | None = None


class ComponentKey(NamedTuple):
    """Identity of a component: names are lower case and without the project's prefix."""

    project: str
    name: str

    @property
    def full_name(self) -> str:
        return f"{self.project}_{self.name}"


@dataclass(frozen=True, slots=True)
class Component:
    """A component as stored. `version` rises with each change of the definition, `generation` with each restart asked for."""

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

