"""The last moments of a client's connection: its last answer is written, and it may still be sending.

To close at once could destroy the answer on its way (the system answers what nobody reads with a reset), so what comes
is read for a while and thrown away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from maelstrom.gateway.timers import Timers

MAX_SECONDS: Final = 30.0


class Lingering(asyncio.Protocol):
    """Takes over a transport. `lost` is called when the connection has ended."""

    __slots__ = ("_lost", "_moved", "_quiet_seconds", "_timers", "_transport", "_until", "watched_at")

    def __init__(
        self,
        transport: asyncio.Transport,
        timers: Timers,
        now: float,
        quiet_seconds: float,
        lost: Callable[[Exception | None], None],
    ) -> None:
        """`quiet_seconds`: so long it waits for more."""
        self._transport = transport
        self._timers = timers
        self._quiet_seconds = quiet_seconds
        self._lost = lost
        self._moved = False
        self._until = now + MAX_SECONDS
        self.watched_at = inf
        timers.watch(self, now + quiet_seconds)
        transport.set_protocol(self)
        if not transport.is_closing() and transport.can_write_eof():  # TLS knows no half-closed connections
            transport.write_eof()

    def data_received(self, data: bytes) -> None:
        self._moved = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._timers.forget(self)
        self._lost(exc)

    def hurry(self, now: float, seconds: float) -> None:
        """The node stops: no longer than so many seconds more."""
        self._until = min(self._until, now + seconds)
        self._timers.watch(self, self._until)

    def due(self, now: float) -> float:
        if not self._moved or now >= self._until:
            if self._transport.can_write_eof() or self._transport.is_closing():
                self._transport.abort()
            else:
                self._transport.close()  # says so in TLS' own words, and is aborted by it if nobody answers
            return inf
        self._moved = False
        return min(now + self._quiet_seconds, self._until)
