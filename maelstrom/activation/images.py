"""When an image is pulled, and that one pull serves all who wait for it.

`pullimageonstart`: always; absent here: always; `pullimageonput`: once per version and process. A pull that fails fails
the start: an old local image is never run in its place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from maelstrom.activation.urgency import Urgency
from maelstrom.model.component import Component
from maelstrom.model.errors import ImageMissing, MaelstromError
from maelstrom.runtime.port import Runtime

log = logging.getLogger("maelstrom.activation")

PULL_SECONDS = 900.0

Spawn = Callable[[Coroutine[Any, Any, Any], str], "asyncio.Task[Any]"]


class Images:
    """Pulls for this node."""

    def __init__(self, runtime: Runtime, spawn: Spawn) -> None:
        self._runtime = runtime
        self._spawn = spawn
        self._pulling: dict[tuple[str, str], asyncio.Task[str]] = {}
        self._pulled: dict[tuple[str, str], int] = {}  # component -> version pulled on put

    async def create(
        self, component: Component, instance_id: str, mark: Callable[[str], None], urgency: Callable[[], Urgency]
    ) -> str:
        """A container made from the right image; returns its id. Asks for the image only where the engine lacks it."""

        def create() -> Awaitable[str]:
            return self._runtime.create(component, instance_id, urgent=urgency() is Urgency.PEOPLE)

        definition = component.definition
        if definition.pullimageonstart or self.wanted_on_put(component):
            await self.pull(component)
            mark("pull")
        try:
            return await create()
        except ImageMissing:
            await self.pull(component)
            mark("pull")
        return await create()

    def wanted_on_put(self, component: Component) -> bool:
        return component.definition.pullimageonput and self._pulled.get(component.key) != component.version

    async def pull(self, component: Component) -> None:
        """Pulls, or waits for a pull of the same image by the same user that is under way."""
        key = (component.definition.image, component.definition.pullusername)
        task = self._pulling.get(key)
        if task is None:
            task = self._pulling[key] = self._spawn(
                self._runtime.pull(component, PULL_SECONDS), f"pull {component.definition.image}"
            )
            task.add_done_callback(lambda _: self._pulling.pop(key, None))
        await asyncio.shield(task)
        self._pulled[component.key] = component.version

    async def current_id(self, component: Component) -> str | None:
        """What the image's name stands for now; None where nothing or where the engine cannot say."""
        try:
            return await self._runtime.image_id(component.definition.image)
        except MaelstromError as error:
            log.warning("%s: its image cannot be looked at: %s", component.key.full_name, error.message)
            return None
