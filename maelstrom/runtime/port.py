"""The port to a container engine: what activation and the doors may ask of it, and what it promises.

Nothing here blocks the event loop. Every method raises only errors of `model/errors`: `EngineUnavailable` when the
engine cannot be reached (the caller tries again later), `RuntimeFailed` (or `ImageMissing`, `PullFailed`) when it
answered with a refusal. A container that does not exist is no error: `inspect` gives None, `stop` and `remove` are
done.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

from maelstrom.model.component import Component, ComponentKey
from maelstrom.model.instance import Address


@dataclass(frozen=True, slots=True)
class Observed:
    """A container of ours as the engine describes it."""

    container: str  # the engine's full id
    component: ComponentKey | None  # None: a helper of ours, not a component's
    version: int
    fingerprint: str  # of definition and generation it was made from (`spec.fingerprint`)
    running: bool  # not one that has lost the network that it was lent: nobody reaches it any more
    paused: bool
    started_at: str  # the engine's own text; with `container` it names one run
    address: Address | None  # None while not running, or without a network that we reach
    image_id: str
    exit_code: int | None = None  # None while running
    oom_killed: bool = False
    error: str = ""  # the engine's own words when a start failed
    instance: str = ""  # the instance id given to `create`
    pid: int = 0  # of its first process, as the engine's host counts; 0 while not running
    sandbox: str = ""  # the container that lends it its network, if it has none of its own
    sandbox_pid: int = 0


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """Something happened, or (`resync`) anything may have: the stream was opened (again), so list before going on.

    `lost`: the engine cannot be reached; a `resync` follows when it is back.
    `die`: `container` ended, or has lost its network. `unpause`: it is not frozen any more, whoever did that.
    `tag`: `image` (normalised reference) now names another image.
    """

    kind: Literal["resync", "lost", "die", "unpause", "tag"]
    container: str = ""
    image: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a container wrote, without its line end; at most 64 KiB, longer ones come in parts."""

    container: str
    component: ComponentKey
    stream: Literal["stdout", "stderr"]
    at: str  # RFC 3339, as the engine says
    text: str


class Runtime(Protocol):
    async def create(self, component: Component, instance_id: str, *, urgent: bool = True) -> str:
        """Makes a container, not started, with all that the definition says; returns its id. Raises ImageMissing.

        `urgent`: somebody waits, so what was made ready for a quick start may be used up.
        """
        ...

    async def start(self, container: str) -> Observed:
        """Starts it and says where it is. A container that ended at once is no error: `running` is False."""
        ...

    async def inspect(self, container: str) -> Observed | None: ...

    async def list(self) -> list[Observed]:
        """All containers, running or not, of this node of this cluster."""
        ...

    async def freeze(self, container: str) -> None:
        """Its processes get no CPU until it is thawed; one that is frozen already is done. Raises where it is gone."""
        ...

    async def thaw(self, container: str) -> bool:
        """Its processes go on; one that is not frozen is done. False: it does not run any more."""
        ...

    async def stop(self, container: str, grace_seconds: float) -> None:
        """Stops (SIGTERM, after the grace SIGKILL) and removes it with its anonymous volumes; a frozen one wakes."""
        ...

    async def remove(self, container: str) -> None:
        """Kills and removes it with its anonymous volumes."""
        ...

    async def exec(self, container: str, command: tuple[str, ...], timeout_seconds: float) -> int:
        """Runs a command inside; its exit code. Its output is not kept."""
        ...

    async def image_id(self, image: str) -> str | None:
        """Id of the local image that the reference names now, None if there is none."""
        ...

    async def pull(self, component: Component, timeout_seconds: float) -> str:
        """Pulls the component's image (by its `pullcommand` if it has one); returns the image's id."""
        ...

    async def log_tail(self, container: str, lines: int) -> tuple[str, ...]:
        """The last lines of both streams; empty where the log driver keeps none."""
        ...

    def logs(self, container: str, component: ComponentKey, *, since: float, follow: bool) -> AsyncIterator[LogLine]:
        """Lines since a time (seconds since 1970); with `follow` until the container ends or the caller stops."""
        ...

    def events(self) -> AsyncIterator[EngineEvent]:
        """Endless; begins with `resync` (or `lost`) and reconnects by itself with back-off."""
        ...

    async def close(self) -> None: ...
