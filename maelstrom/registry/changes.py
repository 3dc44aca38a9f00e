"""Change notice: the one counter that rises with every committed change, and hints that it may have risen.

A hint says "look again", never what changed; who misses one looks again a little later. On PostgreSQL hints come over a
connection of their own (LISTEN), everywhere from this process's own changes and from a period as well.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Self

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from maelstrom.registry.engine import is_postgresql
from maelstrom.registry.listen import Listener
from maelstrom.registry.tables import meta

CHANNEL = "maelstrom_changes"


async def lock(connection: AsyncConnection) -> None:
    """Makes this transaction the only one that changes definitions until its end; all take it first."""
    await connection.execute(select(meta.c.revision).with_for_update())


async def announce(connection: AsyncConnection) -> int:
    """Raises the counter; listeners are told when the transaction commits, and only then."""
    statement = update(meta).values(revision=meta.c.revision + 1).returning(meta.c.revision)
    revision = int((await connection.execute(statement)).scalar_one())
    if is_postgresql(connection):
        await connection.execute(select(func.pg_notify(CHANNEL, str(revision))))
    return revision


async def read_revision(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(meta.c.revision))).scalar_one())


class Changes:
    """`async for _ in changes`: one turn per hint, hints that come meanwhile count as one. One reader at a time.

    `period`: seconds after which a turn comes without any hint, spread by a fifth so that nodes do not beat as one.
    """

    def __init__(self, *, listen_url: str | None, period: float, random: Callable[[], float] = random.random) -> None:
        self.period = period
        self._random = random
        self._hinted = asyncio.Event()
        self._listener: Listener | None = None
        if listen_url is not None:
            self._listener = Listener(listen_url, {CHANNEL: lambda _: self.hint()}, on_gap=self.hint)

    def hint(self) -> None:
        """Something may have changed."""
        self._hinted.set()

    def next_pause(self) -> float:
        """Seconds until a turn comes without a hint."""
        return self.period * (0.8 + 0.4 * self._random())

    async def run(self) -> None:
        """Listens until cancelled; without it hints are only the period's and this process's own."""
        if self._listener is not None:
            await self._listener.run()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> None:
        try:
            async with asyncio.timeout(self.next_pause()):
                await self._hinted.wait()
        except TimeoutError:
            return
        finally:
            self._hinted.clear()
