"""An HTTP/2 connection to a container: opened once for all who wait, kept, and left when the container says so.

It must not know of pools, routes or deadlines, nor what its streams carry.
"""

from __future__ import annotations

import asyncio
import logging
from math import inf
from typing import TYPE_CHECKING, Final

from h2.settings import SettingCodes

from maelstrom.gateway.http2.connection import CLOSE_SECONDS, LOOK_SECONDS, Multiplex
from maelstrom.gateway.http2.frames import CANCEL, NO_ERROR, REFUSED_STREAM, GoAway
from maelstrom.gateway.http2.library import MAX_HEADER_LIST

if TYPE_CHECKING:
    from maelstrom.activation.instance import Instance
    from maelstrom.gateway.gateway import Gateway

log = logging.getLogger("maelstrom.gateway")

MAX_STREAMS: Final = 256  # at a time on one connection, whatever a container allows
LAST_ID: Final = (1 << 31) - 4096  # a connection that has come so far takes no more streams
END_SECONDS: Final = 5.0  # for a container to end a stream whose answer was complete


class Trunk(Multiplex):
    """One connection to one instance. In `instance.links` as long as it lives."""

    client_side = True

    def __init__(self, gateway: Gateway, instance: Instance) -> None:
        super().__init__(gateway)
        self.opened = False
        self.instance = instance
        self._broken_by = ""  # how it broke the rules
        self._leaving = False  # the container takes no more streams
        self._opening: asyncio.Task[str] | None = None
        self.http2.local_settings.enable_push = 0
        self.http2.local_settings.acknowledge()
        instance.links.add(self)
        gateway.links.add(self)

    def settings(self) -> dict[int, int]:
        return {SettingCodes.ENABLE_PUSH: 0, SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_LIST}

    @property
    def has_room(self) -> bool:
        """Whether it takes one more stream, now or when it is open."""
        if self.over or self._leaving or self.http2.highest_outbound_stream_id > LAST_ID:
            return False
        return len(self.streams) < min(MAX_STREAMS, self.http2.remote_settings.max_concurrent_streams)

    @property
    def fault(self) -> str:
        """Why it cannot be used any more; empty if it can."""
        if self._broken_by:
            return f"the component broke the rules of HTTP/2: {self._broken_by}"
        return "the component closed the connection" if self.over else ""

    async def open(self, seconds: float) -> str:
        """Empty when it is open, else why it cannot be. For any number of callers at the same time."""
        if self.opened:
            return ""
        if self._opening is None:
            self._opening = self.gateway.spawn(self._open(seconds), "gateway: connect")
        return await asyncio.shield(self._opening)

    async def _open(self, seconds: float) -> str:
        address = self.instance.address
        why = ""
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().create_connection(lambda: self, address.host, address.port)
        except TimeoutError:
            why = f"the component did not accept a connection within {seconds:g} s"
        except OSError as error:
            why = f"no connection to the component: {error.strerror or error}"
        if self.opened and not self.over:
            return ""
        why = why or self.fault
        self.drop()
        return why

    # what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.opened = True
        if self.over:  # dropped while it was being opened
            self.transport.abort()
            return
        self.watch(self.gateway.monotonic() + LOOK_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._remove()
        super().connection_lost(exc)

    def eof_received(self) -> bool:
        self._remove()
        self.finish(CANCEL)
        return False

    def going_away(self, notice: GoAway) -> None:
        """What it has not seen goes elsewhere; what it has runs on."""
        self._leaving = True
        for number in [number for number in self.streams if number > notice.last]:
            stream = self.forget(number)
            if stream is not None:
                stream.lost(REFUSED_STREAM)
        self.emptied()

    # what the instance, the gateway and the timers call

    def lost(self) -> None:
        """The container is gone or being stopped."""
        self.drop()

    def drop(self) -> None:
        self._remove()
        self.finish(CANCEL)
        if self.opened:
            self.transport.abort()

    def due(self, now: float) -> float:
        if self.over or self.stuck(now):
            self.drop()
            return inf
        if not self.streams and now >= self.quiet_since + self.gateway.limits.container_idle_seconds:
            self._remove()
            self.close()
            return now + CLOSE_SECONDS
        for stream in list(self.streams.values()):
            if stream.closing and now >= stream.moved_at + END_SECONDS:
                self.reset(stream, CANCEL)
        return now + LOOK_SECONDS

    def close(self, code: int = NO_ERROR, why: str = "") -> None:
        if code:
            self._complain(why)
        super().close(code, why)

    def broken(self, code: int, why: str) -> None:
        self._complain(why)
        super().broken(code, why)

    def _complain(self, why: str) -> None:
        self._remove()
        self._broken_by = why
        name = self.instance.component.full_name
        log.warning("%s broke the rules of HTTP/2: %s", name, why, extra={"container": self.instance.container})

    def emptied(self) -> None:
        if self._leaving and not self.streams and not self.over:
            self._remove()
            self.gateway.call_soon(self.close)

    def _remove(self) -> None:
        self.instance.links.discard(self)
        self.gateway.links.discard(self)
