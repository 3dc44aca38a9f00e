"""After a 101: two connections joined, bytes passed on as they are, until both directions have ended.

The end of one direction is passed on, the other lives on, but where the client's connection is TLS: there an end is of
both. A connection that breaks takes the other one with it. It must not know what the bytes mean, nor of requests: the
exchange that opened it is told when it is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol


class Owner(Protocol):
    """The exchange that a tunnel is for."""

    def passed(self, data: bytes, *, from_client: bool) -> None: ...

    def tunnel_ended(self) -> None:
        """Both directions have ended in order."""
        ...

    def tunnel_broken(self, why: str) -> None: ...


class Tunnel:
    """Takes over both transports. It is a link of its instance: `lost` ends it with the container."""

    def __init__(
        self,
        owner: Owner,
        client: asyncio.Transport,
        container: asyncio.Transport,
        client_lost: Callable[[Exception | None], None],
    ) -> None:
        self._owner = owner
        self._over = False
        self._client = _End(self, client, from_client=True)
        self._container = _End(self, container, from_client=False)
        self._client.other, self._container.other = self._container, self._client
        self._client_lost = client_lost
        client.set_protocol(self._client)
        container.set_protocol(self._container)
        client.resume_reading()
        container.resume_reading()

    def lost(self) -> None:
        if not self._over:
            self.drop()
            self._owner.tunnel_broken("the container is gone")

    def drop(self) -> None:
        """Ends the container's side at once; the client's is its owner's business."""
        self._over = True
        self._container.transport.abort()

    # what the ends call

    def passed(self, data: bytes, *, from_client: bool) -> None:
        self._owner.passed(data, from_client=from_client)

    def half_ended(self) -> None:
        both = self._client.ended and self._container.ended
        if (both or not self._client.transport.can_write_eof()) and not self._over:
            self._over = True
            self._container.transport.close()
            self._client.transport.close()
            self._owner.tunnel_ended()

    def connection_lost(self, exc: Exception | None, *, from_client: bool) -> None:
        if from_client:
            self._client_lost(exc)
        elif not self._over:
            self._over = True
            self._owner.tunnel_broken("the component broke the connection")


class _End(asyncio.Protocol):
    """The protocol of one of the two connections."""

    __slots__ = ("_from_client", "_tunnel", "ended", "other", "transport")

    def __init__(self, tunnel: Tunnel, transport: asyncio.Transport, *, from_client: bool) -> None:
        self._tunnel = tunnel
        self._from_client = from_client
        self.transport = transport
        self.ended = False  # it sends no more
        self.other: _End

    def data_received(self, data: bytes) -> None:
        self._tunnel.passed(data, from_client=self._from_client)
        self.other.transport.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        if not self.other.transport.is_closing() and self.other.transport.can_write_eof():
            self.other.transport.write_eof()
        self._tunnel.half_ended()
        return self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self._tunnel.connection_lost(exc, from_client=self._from_client)

    def pause_writing(self) -> None:
        if not self.other.ended and not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if not self.other.ended and not self.other.transport.is_closing():
            self.other.transport.resume_reading()
