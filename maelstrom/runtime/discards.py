"""Removals that nobody waits for: of what was made for somebody who is gone, and of sandboxes without a user.

It must not know why a container is not wanted.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from maelstrom.model.errors import EngineUnavailable
from maelstrom.runtime.client import EngineClient
from maelstrom.runtime.engine import Engine

log = logging.getLogger("maelstrom.runtime")

LEFT_BEHIND = "a container that nobody wants is left for the next full list: %s"


class Discards:
    """Those under way; the engine's threads do them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._under_way: set[Future[Any]] = set()

    def remove(self, *containers: str) -> None:
        """Kills and removes them, in order; an empty id is none. Any thread may call it."""

        unwanted = [container for container in containers if container]
        if not unwanted:
            return

        def work(client: EngineClient) -> None:
            for container in unwanted:
                client.remove(container)

        try:
            removal = self._engine.submit("end", work)
        except EngineUnavailable as error:
            log.warning(LEFT_BEHIND, error)
            return
        self._under_way.add(removal)
        removal.add_done_callback(self._removed)

    def remove_made(self, made: Future[str], *also: str) -> None:
        """Removes what a call under way will have made, then the others."""
        self._under_way.add(made)

        def ended(made: Future[str]) -> None:
            try:
                there = not made.cancelled() and made.exception() is None
                self.remove(made.result() if there else "", *also)
            finally:
                self._under_way.discard(made)

        made.add_done_callback(ended)

    async def settle(self, seconds: float) -> None:
        """Waits until all are done, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._under_way:
                    await asyncio.gather(*map(asyncio.wrap_future, list(self._under_way)), return_exceptions=True)
                    await asyncio.sleep(0)  # lets a removal that follows be seen

    def _removed(self, removal: Future[None]) -> None:
        self._under_way.discard(removal)
        if not removal.cancelled() and (error := removal.exception()) is not None:
            log.warning(LEFT_BEHIND, error)
