"""A connection of its own on which PostgreSQL's notices arrive. It must not know what they mean.

Notices are hints: those sent while the connection was away are lost, so whoever listens is told of every gap.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from maelstrom.model.errors import InvalidSettings, Problem
from maelstrom.registry.address import PostgresAddress, parse_address
from maelstrom.registry.faults import translate

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger("maelstrom.registry")

CHECK_SECONDS = 20.0  # a quiet connection is asked for a sign of life after this long
CONNECT_SECONDS = 30.0  # for all hosts together
ANSWER_SECONDS = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0


class Listener:
    """Calls back with each notice's payload. `on_gap`: notices may have been missed (also once at the beginning)."""

    def __init__(
        self,
        url: str,
        channels: Mapping[str, Callable[[str], None]],
        *,
        on_gap: Callable[[], None],
        random: Callable[[], float] = random.random,
    ) -> None:
        address = parse_address(url, setting="MAEL_DATABASE_LISTEN_URL")
        if not isinstance(address, PostgresAddress):
            fault = Problem(path="MAEL_DATABASE_LISTEN_URL", message="must be a PostgreSQL URL")
            raise InvalidSettings((fault,))
        self._address = address
        self._channels = channels
        self._on_gap = on_gap
        self._random = random
        self.connected = False

    async def run(self) -> None:
        """Until cancelled: a lost connection is made again, with pauses that grow and are spread."""
        import psycopg

        failures = 0
        while True:
            try:
                await self._listen()
            except (psycopg.Error, TimeoutError, OSError) as error:
                failures = 1 if self.connected else failures + 1
                self.connected = False
                if failures == 1:
                    reason = str(translate(error)) if isinstance(error, psycopg.Error) else "no answer in time"
                    log.warning("change notices are lost, changes are seen a little later", extra={"reason": reason})
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 10))
            await asyncio.sleep(pause * (0.5 + self._random()))

    async def _listen(self) -> None:
        """Returns never; raises what ends the connection."""
        import psycopg
        from psycopg import sql

        async with asyncio.timeout(CONNECT_SECONDS):
            connection = await psycopg.AsyncConnection.connect(
                self._address.conninfo, autocommit=True, prepare_threshold=None
            )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                for channel in self._channels:
                    await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
            self.connected = True
            log.info("change notices arrive", extra={"server": f"{connection.info.host}:{connection.info.port}"})
            while True:
                self._on_gap()
                await self._receive(connection)
                async with asyncio.timeout(ANSWER_SECONDS):
                    await connection.execute("select 1")
        finally:
            await connection.close()

    async def _receive(self, connection: psycopg.AsyncConnection[Any]) -> None:
        async for notice in connection.notifies(timeout=CHECK_SECONDS):
            self._channels[notice.channel](notice.payload)
