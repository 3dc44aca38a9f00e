"""A connection to a container as such: opened, paused, idle between requests, closed or lost.

What is said on it is container.py's business. It must not know of pools, routes or deadlines.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Final, cast

from maelstrom.gateway.compiled import mypyc_attr
from maelstrom.gateway.sockets import HIGH_WATER

if TYPE_CHECKING:
    from maelstrom.activation.instance import Instance
    from maelstrom.gateway.gateway import Gateway
    from maelstrom.gateway.http1.exchange import Exchange

_IDLE_MAX: Final = 512  # idle connections kept per instance


@mypyc_attr(allow_interpreted_subclasses=True)
class ContainerConnection(asyncio.Protocol):
    """One connection to one instance. In `instance.links` as long as it lives, in `instance.idle` between requests."""

    __slots__ = (
        "_gateway",
        "_paused",
        "connected",
        "exchange",
        "idle_since",
        "instance",
        "keep",
        "reused",
        "transport",
        "watched_at",
    )

    transport: asyncio.Transport

    def __init__(self, gateway: Gateway, instance: Instance) -> None:
        self._gateway = gateway
        self.instance = instance
        self.exchange: Exchange | None = None
        self.connected = False
        self.keep = False  # the container keeps the connection after this answer
        self.reused = False
        self.idle_since = 0.0  # monotonic
        self.watched_at = inf
        self._paused = False
        instance.links.add(self)
        gateway.links.add(self)

    # what the exchange calls

    async def connect(self, seconds: float) -> str:
        """Empty if it is connected now, else why not."""
        address = self.instance.address
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().create_connection(lambda: self, address.host, address.port)
        except TimeoutError:
            return f"the component did not accept a connection within {seconds:g} s"
        except OSError as error:
            return f"no connection to the component: {error.strerror or error}"
        return ""

    def pause(self) -> None:
        """The client reads too slowly."""
        self._paused = True
        self.transport.pause_reading()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    def drop(self) -> None:
        """Closes at once: the container sees that nobody waits for the answer any more."""
        self.exchange = None
        self._forget()
        if self.connected:
            self.transport.abort()

    # what the instance and the timers call

    def lost(self) -> None:
        """The container is gone or being stopped."""
        exchange = self.exchange
        self.drop()
        if exchange is not None:
            self._broken(exchange, "the container is gone")

    def due(self, now: float) -> float:
        if not self.connected:
            return inf
        end = self.idle_since + self._gateway.limits.container_idle_seconds
        if self.exchange is not None or now < end:
            return max(end, now + 1.0)
        self.drop()
        return inf

    # what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self.connected = True
        transport.set_write_buffer_limits(HIGH_WATER)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connected = False
        exchange, self.exchange = self.exchange, None
        self._forget()
        if exchange is not None:
            self._ended(exchange, clean=exc is None)

    def eof_received(self) -> bool:
        exchange = self.exchange
        self.drop()
        if exchange is not None:
            self._ended(exchange, clean=True)
        return False

    def pause_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.container_slow()

    def resume_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.container_ready()

    # what the reader of answers calls

    def _complete(self, exchange: Exchange) -> None:
        """The answer has come to its end: the connection waits for another request, or is of no more use."""
        self.exchange = None
        instance = self.instance
        now = self._gateway.monotonic()
        if (
            self.keep
            and instance.state == "ready"
            and exchange.client.body is None  # else the container would take the rest for another request
            and len(instance.idle) < _IDLE_MAX
        ):
            if self._paused:
                self.resume()
            self.idle_since = now
            if self.watched_at == inf:
                self._gateway.timers.watch(self, now + self._gateway.limits.container_idle_seconds)
            instance.idle.append(self)
        else:
            self.drop()
        exchange.complete(now)

    def _forget(self) -> None:
        self.instance.links.discard(self)
        self._gateway.links.discard(self)
        if self in self.instance.idle:
            self.instance.idle.remove(self)
        self._gateway.timers.forget(self)

    # what it does

    def _ended(self, exchange: Exchange, *, clean: bool) -> None:
        """The container has closed the connection while an answer was to come."""
        raise NotImplementedError

    def _broken(self, exchange: Exchange, why: str) -> None:
        """The connection is no more, and the answer not complete."""
        raise NotImplementedError
