"""A client's HTTP/2 connection: how many streams it may have, and how it ends.

Each stream is a connection of HTTP/1.1 with one request on it, and `http1/client.py` serves that: routing, header
cleaning, claims, limits, deadlines, the access log and the gateway's own answers are those of HTTP/1.1, to the byte. It
must not know of pools or of containers.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final, cast

from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame

from maelstrom.gateway.http2.connection import CLOSE_SECONDS, LOOK_SECONDS, Multiplex
from maelstrom.gateway.http2.frames import (
    CANCEL,
    FOR_REQUEST,
    LAST_STREAM,
    NO_ERROR,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    GoAway,
)
from maelstrom.gateway.http2.library import MAX_HEADER_LIST, Headed
from maelstrom.gateway.http2.requests import Before, Door, RequestStream
from maelstrom.gateway.wire.origin import Origin, Spoken

if TYPE_CHECKING:
    from maelstrom.gateway.arrival.listener import Listener
    from maelstrom.gateway.http2.streams import Stream

MAX_STREAMS: Final = 100  # at a time on one connection
REFUSED_COST: Final = 5.0


class Http2(Multiplex, Spoken):
    """One connection of a client."""

    client_side = False

    def __init__(self, listener: Listener) -> None:
        super().__init__(listener.gateway)
        self.final = False  # no streams are taken any more but those that are on their way already
        self.origin: Origin | None = None
        self._listener = listener
        self.door = cast("Listener", Door(listener))
        self.before = Before()
        self._admitted = False
        self._leaving = False  # the client opens no more streams, or we have told it to
        self._until = 0.0  # monotonic: the end of waiting for a stream
        self._block_since = inf  # monotonic: when a header block was first seen that had not ended
        self._last = 0
        # The client may have sent more requests than it may before it knows that: those are refused one by one.
        self.http2.local_settings.max_concurrent_streams = 2 * MAX_STREAMS
        self.http2.local_settings.acknowledge()

    def settings(self) -> dict[int, int]:
        return {SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS, SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_LIST}

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if not self._listener.admit(self):
            self.over = True
            return
        self._admitted = True
        self.origin = self.origin or Origin.seen(transport)
        super().connection_made(transport)
        self._until = self.gateway.monotonic() + self.gateway.limits.head_seconds
        self.watch(self._until)
        if self.final:
            self.drain(self.gateway.monotonic())

    def connection_lost(self, exc: Exception | None) -> None:
        if self._admitted:
            self._listener.forget(self)
        super().connection_lost(exc)

    def eof_received(self) -> bool:
        """A client that sends no more is gone, as it is in HTTP/1.1."""
        self.finish(CANCEL)
        return False

    # streams

    def stream_for(self, event: Headed) -> Stream | None:
        number = event.stream_id
        if len(self.streams) >= MAX_STREAMS or (self.final and self.gateway.monotonic() >= self._until):
            self._frames.spend(REFUSED_COST)
            self.http2.reset_stream(number, REFUSED_STREAM)
            return None
        self._last = number
        stream = self.streams[number] = RequestStream(self, number)
        self.watch(self.gateway.monotonic() + LOOK_SECONDS)
        return stream

    def forgive(self) -> None:
        self._frames.forgive(FOR_REQUEST)

    def going_away(self, notice: GoAway) -> None:
        """The client opens no more streams; what runs is finished."""
        self._leaving = True
        if not self.streams:
            self.close()

    def emptied(self) -> None:
        now = self.gateway.monotonic()
        if self.over:
            return
        if not self._leaving:
            self._until = now + self.gateway.limits.keepalive_seconds
        elif not self.final or now >= self._until:
            self.gateway.call_soon(self._close_if_empty)
        self.watch(self._until)

    def _close_if_empty(self) -> None:
        if not self.streams and not self.over:
            self.close()

    # ends and deadlines

    def drain(self, now: float) -> None:
        """The node stops: what runs is finished, and what is on its way to us is served."""
        self.final = self._leaving = True
        if self.over:
            return
        self.flush_now()
        self.transport.write(GoAwayFrame(0, last_stream_id=LAST_STREAM, error_code=NO_ERROR).serialize())
        self._until = now + self.gateway.limits.drain_idle_seconds
        self.watch(self._until)

    def close(self, code: int = NO_ERROR, why: str = "") -> None:
        if code:
            self._count(code)
        super().close(code, why)

    def broken(self, code: int, why: str) -> None:
        self._count(code)
        super().broken(code, why)

    def _count(self, code: int) -> None:
        failed, name = self.gateway.stats.http2_failed, ErrorCodes(code).name.lower()
        failed[name] = failed.get(name, 0) + 1

    def cut(self) -> None:
        if not self.over:
            self.close()
        self.transport.abort()

    def due(self, now: float) -> float:
        if self.over or self.stuck(now):
            self.finish(CANCEL)
            self.transport.abort()
            return inf
        if not self.streams:
            if now < self._until:
                return self._until
            self.close()
        elif not self._frames.in_block:
            self._block_since = inf
        else:
            self._block_since = min(self._block_since, now)
            if now >= self._block_since + self.gateway.limits.head_seconds:
                self.close(PROTOCOL_ERROR, "a header block that does not end")
        if self.ended:
            return now + CLOSE_SECONDS
        limit = self.gateway.limits.body_seconds
        for stream in list(self.streams.values()):
            if stream.closing and now >= stream.moved_at + limit:
                self.reset(stream, CANCEL)  # all is there for the client, and it takes nothing
        return now + LOOK_SECONDS
