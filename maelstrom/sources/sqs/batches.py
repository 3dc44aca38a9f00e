"""What is said of single messages, sent up to ten at a time: those of the same few milliseconds share a call.

It must not know what is said. Nobody waits for a batch to fill: an entry waits `WINDOW_SECONDS` at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from maelstrom.model.errors import AwsUnavailable, MaelstromError
from maelstrom.sources.ports import Spawn, Told

MOST_ENTRIES = 10
WINDOW_SECONDS = 0.004

Key = TypeVar("Key", bound=Hashable)
Entry = TypeVar("Entry")


class Batches(Generic[Key, Entry]):
    """Entries with the same key share calls of `send`."""

    def __init__(self, send: Callable[[Key, Sequence[Entry]], Awaitable[Told]], spawn: Spawn, name: str) -> None:
        self._send = send
        self._spawn = spawn
        self._name = name
        self._waiting: dict[Key, list[tuple[Entry, asyncio.Future[MaelstromError | None]]]] = {}

    async def add(self, key: Key, entry: Entry) -> MaelstromError | None:
        """What became of the entry. Who is cancelled meanwhile has said it all the same."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[MaelstromError | None] = loop.create_future()
        waiting = self._waiting.setdefault(key, [])
        waiting.append((entry, answer))
        if len(waiting) >= MOST_ENTRIES:
            self._flush(key)
        elif len(waiting) == 1:
            loop.call_later(WINDOW_SECONDS, self._flush, key)
        return await answer

    def _flush(self, key: Key) -> None:
        if waiting := self._waiting.pop(key, None):
            self._spawn(self._call(key, waiting), self._name)

    async def _call(self, key: Key, entries: list[tuple[Entry, asyncio.Future[MaelstromError | None]]]) -> None:
        told: Told = [AwsUnavailable("the node is stopping")] * len(entries)
        try:
            told = await self._send(key, [entry for entry, _ in entries])
        except MaelstromError as error:
            told = [error] * len(entries)
        finally:
            for (_, answer), error_or_none in zip(entries, told, strict=True):
                if not answer.done():
                    answer.set_result(error_or_none)
