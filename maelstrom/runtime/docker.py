"""The runtime over a Docker engine. See `port.py` for what each method promises.

It must not know of pools, plans or the registry, nor keep any state of containers: the engine's own word is the truth.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import docker.errors

from maelstrom.model.component import Component, ComponentKey
from maelstrom.model.errors import EngineUnavailable, RuntimeFailed
from maelstrom.runtime import images
from maelstrom.runtime.client import EngineClient
from maelstrom.runtime.engine import Engine
from maelstrom.runtime.events import engine_events
from maelstrom.runtime.logs import follow_logs, tail_logs
from maelstrom.runtime.observed import observe
from maelstrom.runtime.port import EngineEvent, LogLine, Observed
from maelstrom.runtime.reach import Reach, find_reach
from maelstrom.runtime.spec import Identity, create_body

log = logging.getLogger("maelstrom.runtime")

UNWANTED_SECONDS = 10.0  # that `close` waits for containers whose maker was cancelled
LEFT_BEHIND = "a container that nobody wants is left for the next full list: %s"
EXEC_POLL_FIRST = 0.01  # seconds; doubles
EXEC_POLL_MOST = 0.5


class DockerRuntime:
    """Everything it makes carries the labels of `cluster` and `node`; nothing without them is ever touched.

    `private_url` goes into new containers as MAELSTROM_PRIVATE_URL and may be set later, before the first `create`:
    where the listener behind it belongs is known only after `reach`. `environ`: DOCKER_* choose the engine as for the
    Docker CLI, all of it but MAEL_* is handed to pull commands.
    """

    def __init__(self, *, cluster: str, node: str, private_url: str = "", environ: Mapping[str, str]) -> None:
        self.private_url = private_url
        self._environ = dict(environ)
        self._identity = Identity(cluster, node)
        self._engine = Engine(self._environ)
        self._reach: Reach | None = None
        self._finding = asyncio.Lock()
        self._unwanted: set[Future[Any]] = set()

    async def reach(self) -> Reach:
        """How containers are reached, and where the listener that they call belongs. Found out once."""
        if self._reach is None:
            async with self._finding:
                if self._reach is None:
                    self._reach = await find_reach(self._engine, self._identity)
                    log.info("containers are reached %s", _way(self._reach), extra={"reason": self._reach.reason})
        return self._reach

    async def create(self, component: Component, instance_id: str) -> str:
        reach = await self.reach()
        try:
            body = create_body(
                component,
                instance_id,
                self._identity,
                private_url=self.private_url,
                publication=reach.publication,
            )
        except ValueError as error:
            raise RuntimeFailed(str(error), hint="correct the component's definition") from error
        future = self._engine.submit("make", lambda client: client.make(body))
        try:
            return await self._engine.result("make", future)
        except (asyncio.CancelledError, EngineUnavailable):
            # nobody will ever know the id of what may be made now
            self._unwanted.add(future)
            future.add_done_callback(self._discard)
            raise

    async def start(self, container: str) -> Observed:
        reach = await self.reach()

        def work(client: EngineClient) -> dict[str, Any]:
            client.start(container)
            return client.container(container)

        return observe(await self._engine.call("make", work), reach.publication, reach.host)

    async def inspect(self, container: str) -> Observed | None:
        reach = await self.reach()

        def work(client: EngineClient) -> dict[str, Any] | None:
            try:
                return client.container(container)
            except docker.errors.NotFound:
                return None

        body = await self._engine.call("look", work)
        return None if body is None else observe(body, reach.publication, reach.host)

    async def list(self) -> list[Observed]:
        def work(client: EngineClient) -> list[str]:
            filters = {"label": self._identity.label_filter}
            return [str(item["Id"]) for item in client.containers(all=True, filters=filters)]

        ids = await self._engine.call("look", work)
        # the engine's list has no start times, and an address without one names no run
        found = await asyncio.gather(*(self.inspect(container) for container in ids))
        return [observed for observed in found if observed is not None]

    async def stop(self, container: str, grace_seconds: float) -> None:
        grace = max(0, math.ceil(grace_seconds))

        def work(client: EngineClient) -> None:
            with suppress(docker.errors.NotFound):
                client.stop(container, timeout=grace)
                _remove(client, container)

        await self._engine.call("end", work)

    async def remove(self, container: str) -> None:
        await self._engine.call("end", lambda client: _remove(client, container))

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
        return engine_events(self._engine, self._identity)

    async def close(self) -> None:
        """Calls under way are given up, streams are cut, threads end; containers stay."""
        with suppress(TimeoutError):
            async with asyncio.timeout(UNWANTED_SECONDS):
                while self._unwanted:
                    await asyncio.gather(*map(asyncio.wrap_future, list(self._unwanted)), return_exceptions=True)
                    await asyncio.sleep(0)  # lets a removal that follows be seen
        self._engine.close()

    def _discard(self, made: Future[str]) -> None:
        """Called by the thread that has made a container which nobody waits for any more."""
        try:
            if not made.cancelled() and made.exception() is None:
                container = made.result()
                removal = self._engine.submit("end", lambda client: _remove(client, container))
                self._unwanted.add(removal)
                removal.add_done_callback(self._discarded)
        except EngineUnavailable as error:
            log.warning(LEFT_BEHIND, error)
        finally:
            self._unwanted.discard(made)

    def _discarded(self, removal: Future[None]) -> None:
        self._unwanted.discard(removal)
        if not removal.cancelled() and (error := removal.exception()) is not None:
            log.warning(LEFT_BEHIND, error)


def _remove(client: EngineClient, container: str) -> None:
    try:
        client.remove_container(container, v=True, force=True)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if "already in progress" not in str(error.explanation):
            raise
        # somebody else removes it just now
        with suppress(docker.errors.NotFound):
            client.wait(container, condition="removed")


def _way(reach: Reach) -> str:
    if reach.publication.publish:
        return f"by ports published on {reach.host}"
    return "at their own addresses"
