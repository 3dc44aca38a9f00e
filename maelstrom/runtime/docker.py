"""The runtime over a Docker engine. See `port.py` for what each method promises.

It must not know of pools, plans or the registry, nor keep any state of containers: the engine's own word is the truth.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from typing import Any

import docker.errors

from maelstrom.model.component import Component, ComponentKey
from maelstrom.model.errors import EngineUnavailable, MaelstromError, RuntimeFailed
from maelstrom.runtime import images
from maelstrom.runtime.client import EngineClient
from maelstrom.runtime.discards import Discards
from maelstrom.runtime.engine import Engine
from maelstrom.runtime.events import engine_events
from maelstrom.runtime.logs import follow_logs, tail_logs
from maelstrom.runtime.observed import observe
from maelstrom.runtime.port import EngineEvent, LogLine, Observed
from maelstrom.runtime.reach import Reach, find_reach
from maelstrom.runtime.sandboxes import Sandboxes
from maelstrom.runtime.spec import Identity, create_body, lender, may_join

log = logging.getLogger("maelstrom.runtime")

UNWANTED_SECONDS = 10.0
EXEC_POLL_FIRST = 0.01  # seconds; doubles
EXEC_POLL_MOST = 0.5


class DockerRuntime:
    """Everything it makes carries the labels of `cluster` and `node`; nothing without them is ever touched.

    `private_url` goes into new containers as MAELSTROM_PRIVATE_URL and may be set later, before the first `create`:
    where the listener behind it belongs is known only after `reach`. `environ`: DOCKER_* choose the engine as for the
    Docker CLI, all of it but MAEL_* is handed to pull commands. `sandboxes`: how many are kept ready, where containers
    are reached at their own addresses.
    """

    def __init__(
        self, *, cluster: str, node: str, private_url: str = "", environ: Mapping[str, str], sandboxes: int = 0
    ) -> None:
        self.private_url = private_url
        self._environ = dict(environ)
        self._identity = Identity(cluster, node)
        self._engine = Engine(self._environ)
        self._reach: Reach | None = None
        self._finding = asyncio.Lock()
        self._discards = Discards(self._engine)
        self._sandboxes = Sandboxes(self._engine, self._identity, self._discards, most=sandboxes)

    async def reach(self) -> Reach:
        """How containers are reached, and where the listener that they call belongs. Found out once."""
        if self._reach is None:
            async with self._finding:
                if self._reach is None:
                    reach = self._reach = await find_reach(self._engine, self._identity)
                    self._sandboxes.settle(reach.publication)
                    log.info("containers are reached %s", _way(reach), extra={"reason": reach.reason})
        return self._reach

    async def create(self, component: Component, instance_id: str, *, urgent: bool = True) -> str:
        reach = await self.reach()
        while True:
            sandbox = self._sandboxes.take() if urgent and may_join(component.definition) else ""
            try:
                body = create_body(
                    component,
                    instance_id,
                    self._identity,
                    private_url=self.private_url,
                    publication=reach.publication,
                    sandbox=sandbox,
                )
            except ValueError as error:
                self._sandboxes.give_back(sandbox)
                raise RuntimeFailed(str(error), hint="correct the component's definition") from error
            container = await self._make(body, sandbox)
            if container:
                return container

    async def _make(self, body: dict[str, Any], sandbox: str) -> str:
        """The container's id; empty if its sandbox has ended, which the engine would say only at the start."""
        made = self._engine.submit("make", lambda client: client.make(body))
        try:
            container, runs = await asyncio.gather(self._engine.result("make", made), self._sandboxes.runs(sandbox))
        except (asyncio.CancelledError, EngineUnavailable):
            # nobody will ever know the id of what may be made now
            self._sandboxes.ended(sandbox)
            self._discards.remove_made(made, sandbox)
            raise
        except MaelstromError:
            self._sandboxes.give_back(sandbox)
            raise
        if not runs:
            self._sandboxes.ended(sandbox)
            self._discards.remove(container, sandbox)
            return ""
        self._sandboxes.lend(sandbox, container)
        return container

    async def start(self, container: str) -> Observed:
        reach = await self.reach()

        def work(client: EngineClient) -> dict[str, Any]:
            client.start(container)
            return client.container(container)

        # the sandbox is looked at meanwhile: whether it is still the one that was joined, its start time tells
        body, sandbox = await asyncio.gather(self._engine.call("make", work), self._lender_of(container))
        self._sandboxes.note_start()
        return await self._observed(body, sandbox, reach)

    async def inspect(self, container: str) -> Observed | None:
        reach = await self.reach()
        body, sandbox = await asyncio.gather(self._look(container), self._lender_of(container))
        return None if body is None else await self._observed(body, sandbox, reach)

    async def _lender_of(self, container: str) -> dict[str, Any] | None:
        """What the engine says of a sandbox that is known to be lent to it."""
        lent = self._sandboxes.lent_to(container)
        return await self._look(lent) if lent else None

    async def _look(self, container: str) -> dict[str, Any] | None:
        return await self._engine.call("look", lambda client: client.container_if_any(container))

    async def _observed(self, body: dict[str, Any], sandbox: dict[str, Any] | None, reach: Reach) -> Observed:
        if sandbox is None and (unknown := lender(body)):
            sandbox = await self._look(unknown)
        return observe(body, reach.publication, reach.host, sandbox)

    async def list(self) -> list[Observed]:
        def work(client: EngineClient) -> list[dict[str, Any]]:
            filters = {"label": self._identity.label_filter}
            return list(client.containers(all=True, filters=filters))

        await self.reach()
        ids = self._sandboxes.sort(await self._engine.call("look", work))
        # the engine's list has no start times, and an address without one names no run
        found = await asyncio.gather(*(self.inspect(container) for container in ids))
        return [observed for observed in found if observed is not None]

    async def freeze(self, container: str) -> None:
        await self._engine.call("make", lambda client: client.freeze(container))

    async def thaw(self, container: str) -> bool:
        return await self._engine.call("make", lambda client: client.thaw(container))

    async def stop(self, container: str, grace_seconds: float) -> None:
        grace = max(0, math.ceil(grace_seconds))

        def end(client: EngineClient) -> None:
            with suppress(docker.errors.NotFound):
                client.stop(container, timeout=grace)
            client.remove(container)

        await self._end(container, end)

    async def remove(self, container: str) -> None:
        await self._end(container, lambda client: client.remove(container))

    async def _end(self, container: str, end: Callable[[EngineClient], None]) -> None:
        """The container first: its sandbox keeps the address from being given to another until it is gone.

        Nobody waits for the end of the sandbox: to its owner the container is gone now.
        """
        lent = self._sandboxes.lent_to(container)

        def work(client: EngineClient) -> None:
            sandbox = lent or lender(client.container_if_any(container) or {})
            end(client)
            self._discards.remove(sandbox)

        try:
            await self._engine.call("end", work)
        finally:
            self._sandboxes.ended(lent)

    async def exec(self, container: str, command: tuple[str, ...], timeout_seconds: float) -> int:
        def begin(client: EngineClient) -> str:
            made = client.exec_create(container, list(command), stdout=False, stderr=False)
            client.exec_start(made["Id"], detach=True)
            return str(made["Id"])

        pause = EXEC_POLL_FIRST
        try:
            async with asyncio.timeout(timeout_seconds):
                running = await self._engine.call("make", begin)
                while True:
                    said = await self._engine.call("look", lambda client: client.exec_inspect(running))
                    if not said["Running"]:
                        return int(said["ExitCode"] or 0)
                    await asyncio.sleep(pause)
                    pause = min(EXEC_POLL_MOST, pause * 2)
        except TimeoutError:
            # the engine cannot end it; it goes with its container
            raise RuntimeFailed(f"{command[0]} did not end within {timeout_seconds:g} s") from None

    async def image_id(self, image: str) -> str | None:
        return await images.image_id(self._engine, image)

    async def pull(self, component: Component, timeout_seconds: float) -> str:
        return await images.pull(self._engine, component.definition, timeout_seconds, self._environ)

    async def log_tail(self, container: str, lines: int) -> tuple[str, ...]:
        return await tail_logs(self._engine, container, lines)

    def logs(
        self, container: str, component: ComponentKey, *, since: float, follow: bool
    ) -> AsyncGenerator[LogLine, None]:
        return follow_logs(self._engine, container, component, since=since, follow=follow)

    def events(self) -> AsyncGenerator[EngineEvent, None]:
        return engine_events(self._engine, self._identity, self._sandboxes.died)

    @property
    def sandboxes(self) -> Sandboxes:
        """To look at."""
        return self._sandboxes

    async def keep_sandboxes(self) -> None:
        """Endless: keeps the pool of network sandboxes full. Without it there are none."""
        await self._sandboxes.keep()

    async def fill_sandboxes(self) -> None:
        """Makes those that are missing now. Raises what the engine says."""
        await self.reach()
        await self._sandboxes.fill()

    async def close(self, seconds: float = UNWANTED_SECONDS, *, followed: bool = False) -> None:
        """Calls under way are given up, streams are cut, threads end; containers stay, unused sandboxes go.

        `seconds`: how long at most is waited for the removal of those, and of containers whose maker was cancelled.
        `followed`: another process has taken the sandboxes over.
        """
        self._sandboxes.close(followed=followed)
        await self._discards.settle(seconds)
        self._engine.close()


def _way(reach: Reach) -> str:
    if reach.publication.publish:
        return f"by ports published on {reach.host}"
    return "at their own addresses"
