"""Requests at a steady rate, of a kind that a client cannot send again: what a gap would show."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import accumulate

import aiohttp


class Load:
    """`rate` requests a second, half of them on connections that are kept open, half on new ones."""

    def __init__(self, url: str, rate: int) -> None:
        self.url = url
        self.rate = rate
        self.answers: Counter[str] = Counter()  # by status, or by what the client saw instead
        self.seconds: list[tuple[float, float]] = []  # when each was sent (monotonic), and how long it took

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        kept, fresh = aiohttp.TCPConnector(limit=0), aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=kept) as one, aiohttp.ClientSession(connector=fresh) as other:
            tasks: set[asyncio.Task[None]] = set()
            pacing = asyncio.create_task(self._pace(one, other, tasks))
            try:
                yield
            finally:
                pacing.cancel()
                await asyncio.gather(*tasks)

    async def _pace(
        self, one: aiohttp.ClientSession, other: aiohttp.ClientSession, tasks: set[asyncio.Task[None]]
    ) -> None:
        number = 0
        while True:
            number += 1
            tasks.add(asyncio.create_task(self._ask(one if number % 2 else other, number)))
            await asyncio.sleep(1 / self.rate)

    async def _ask(self, session: aiohttp.ClientSession, number: int) -> None:
        begun = time.monotonic()
        try:
            async with session.post(f"{self.url}/keep?s=0.01", data=b"x" * (number % 100)) as response:
                await response.read()
                self.answers[str(response.status)] += 1
        except aiohttp.ClientError as error:
            self.answers[type(error).__name__] += 1
        self.seconds.append((begun, time.monotonic() - begun))


async def most_at_a_time(url: str) -> int:
    """Requests to /keep that the one container worked at a time; health checks are none."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/kept") as response:
        kept = await response.json()
    moments = [(row["begun"], 1) for row in kept] + [(row["ended"], -1) for row in kept]
    return max(accumulate(step for _, step in sorted(moments)))
