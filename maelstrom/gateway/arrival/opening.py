"""The first bytes of a connection where balancers speak the PROXY protocol; then its own protocol takes over.

A connection from a listed balancer begins with a header, from anybody else it never does: neither is guessed. Nothing
beyond the header is read, so TLS can begin behind it. It must not know what is spoken afterwards.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, cast

from maelstrom.gateway.answers import answer
from maelstrom.gateway.wire.origin import Origin
from maelstrom.gateway.wire.proxy_protocol import BadProxyHeader, ProxyHeader
from maelstrom.model.errors import BadRequest

if TYPE_CHECKING:
    from maelstrom.gateway.arrival.listener import Connection, Listener

log = logging.getLogger("maelstrom.gateway")


class Opening(asyncio.BufferedProtocol):
    """Ends with the connection given to what `make` makes, or closed."""

    __slots__ = ("_buffer", "_header", "_listener", "_make", "_peer", "final", "origin", "transport", "watched_at")

    transport: asyncio.Transport

    def __init__(self, listener: Listener, make: Callable[[], Connection]) -> None:
        self._listener = listener
        self._make = make
        self._header = ProxyHeader()
        self._buffer = bytearray(0)
        self._peer = ""
        self.origin: Origin | None = None
        self.final = False
        self.watched_at = inf

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        seen = Origin.seen(transport)
        self._peer = seen.peer
        if not self._listener.policy.speaks_proxy(seen.peer):
            self._hand_over(None)
        elif self._listener.admit(self):
            gateway = self._listener.gateway
            gateway.timers.watch(self, gateway.monotonic() + gateway.limits.opening_seconds)

    def get_buffer(self, sizehint: int) -> bytearray:
        self._buffer = bytearray(self._header.wants)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        try:
            complete = self._header.feed(bytes(self._buffer[:nbytes]))
        except BadProxyHeader as error:
            self._refuse(error)
            return
        if complete:
            self._over()
            self._hand_over(self._header.origin)

    def connection_lost(self, exc: Exception | None) -> None:
        self._over()

    def _hand_over(self, origin: Origin | None) -> None:
        made = self._make()
        made.origin = origin
        made.final = self.final
        # while its protocol is another one nothing may be read: what was asked of this one would be answered by that
        self.transport.set_protocol(cast(asyncio.BaseProtocol, made))
        made.connection_made(self.transport)

    def _refuse(self, error: BadProxyHeader) -> None:
        self._listener.gateway.stats.refused_headers += 1
        log.warning("a balancer sent no PROXY header that is understood: %s", error, extra={"balancer": self._peer})
        said = BadRequest(
            f"this address expects a PROXY header from {self._peer}: {error}",
            hint="let the balancer send one, or take it off MAEL_PROXY_PROTOCOL",
        )
        self.transport.write(answer(said, None, reason=True, keep=False))
        self.transport.close()

    # ends

    def drain(self, now: float) -> None:
        """The node stops: what has come so far may still be served, its protocol is told that it is the last."""
        self.final = True

    def cut(self) -> None:
        self.transport.abort()

    def due(self, now: float) -> float:
        self._listener.gateway.stats.refused_headers += 1
        self.transport.abort()
        return inf

    def _over(self) -> None:
        self._listener.gateway.timers.forget(self)
        self._listener.forget(self)
