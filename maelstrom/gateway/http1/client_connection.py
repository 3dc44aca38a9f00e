"""A client's connection as such: admitted, read or held back, watched, drained, closed.

While an exchange runs, the end of the client's input means that the client is gone: a closed and a half-closed socket
look alike. Other protocols take over where the connection becomes a tunnel, or only lingers. What is asked on it is
client.py's business. It must not know of heads, of pools or of containers.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Final, cast

from maelstrom.gateway.compiled import mypyc_attr
from maelstrom.gateway.http1.lingering import Lingering
from maelstrom.gateway.sockets import HIGH_WATER, has_left, reset
from maelstrom.gateway.wire.bodies import ChunkedBody, CountedBody
from maelstrom.gateway.wire.origin import Origin, Spoken
from maelstrom.model.errors import MaelstromError, RequestTimeout

if TYPE_CHECKING:
    from maelstrom.gateway.arrival.listener import Listener
    from maelstrom.gateway.doorkeeper import Host
    from maelstrom.gateway.http1.exchange import Exchange
    from maelstrom.gateway.inside import InsideExchange
    from maelstrom.gateway.wire.heads import RequestHead
    from maelstrom.model.component import ComponentKey

# Why the client is not read: its body waits for a container, the container reads slowly, requests came too far ahead,
# or it is not known yet who it is.
NO_CONTAINER, SLOW_CONTAINER, AHEAD, UNKNOWN = 1, 2, 4, 8
GONE_SECONDS: Final = 0.25  # how often a client that is not being read is asked whether it is still there
LOOK_SECONDS: Final = 5.0  # a connection with a request is looked at at least so often
CLOSE_SECONDS: Final = 30.0  # for what is still to be written when a connection is closed


@mypyc_attr(allow_interpreted_subclasses=True)
class ClientConnection(Spoken):
    """One connection. `keep`: it serves another request after this one."""

    __slots__ = (
        "_body_at",
        "_in_head",
        "_input",
        "_lingering",
        "_processing",
        "_slow",
        "_until",
        "body",
        "caller",
        "exchange",
        "gateway",
        "holds",
        "keep",
        "listener",
        "local",
        "peer",
        "policy",
        "transport",
        "trusted",
        "watched_at",
    )

    transport: asyncio.Transport

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.gateway = listener.gateway
        self.policy = listener.policy
        self.exchange: Exchange | InsideExchange | None = None
        self.keep = True
        self.body: CountedBody | ChunkedBody | None = None  # the request's, while something of it is to come
        self.final = False  # no request is begun after the current one
        self.origin: Origin | None = None
        self.peer = b""
        self.local = b""
        self.trusted = False
        self.caller: ComponentKey | Host | None = None  # on the internal listener
        self.watched_at = inf
        self._input = b""  # read, not yet used
        self.holds = 0
        self._slow = False  # it reads too slowly
        self._in_head = False  # a part of a head has come
        self._processing = False  # requests are being begun: who ends one meanwhile begins no other
        self._body_at = 0.0  # monotonic; when something of the body last came
        self._until = 0.0  # monotonic: end of waiting for a head, of idling or of closing
        self._lingering: Lingering | None = None

    # what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        if not self.listener.admit(self):
            return
        transport.set_write_buffer_limits(HIGH_WATER)
        address, self.local = self.origin or Origin.seen(transport)
        self.peer = address.encode()
        self.trusted = self.policy.trusts(address)
        now = self.gateway.monotonic()
        self._until = now + self.gateway.limits.head_seconds
        # Looked at in time for both: nobody sets a time for each answer.
        self.gateway.timers.watch(self, min(self._until, now + self.gateway.limits.keepalive_seconds))
        if self.policy.by_name:
            self.gateway.doorkeeper.introduce(self, address)

    def connection_lost(self, exc: Exception | None) -> None:
        self.listener.forget(self)
        self.gateway.timers.forget(self)
        if self.exchange is not None:
            self.exchange.abandon()

    def eof_received(self) -> bool:
        exchange = self.exchange
        if exchange is not None:
            exchange.abandon()
            self.transport.abort()
        return False

    def pause_writing(self) -> None:
        self._slow = True
        if self.exchange is not None:
            self.exchange.client_slow()

    def resume_writing(self) -> None:
        self._slow = False
        if self.exchange is not None:
            self.exchange.client_ready()
        elif self.keep:
            self.unhold(AHEAD)
            if self._input:
                self._process(b"")

    # what the exchange calls

    def answered(self, now: float) -> None:
        """The request is done with: on to the next one, or the end."""
        if self.holds:
            self.unhold(self.holds)
        if self.body is not None:
            self._linger(now)
            return
        if not self.keep:
            self._close(now)
            return
        if self.final:
            self._until = now + self.gateway.limits.drain_idle_seconds
            self.watch(self._until)
        else:
            self._until = now + self.gateway.limits.keepalive_seconds
        if self._input and not self._processing and not self._slow:
            self._process(b"")

    def cut(self) -> None:
        """Ends the connection so that the answer is seen to be incomplete."""
        self.keep = False
        reset(self.transport)

    def take_input(self) -> bytes:
        """What was sent ahead; the connection now belongs to somebody else."""
        self.keep = False
        self.holds = 0
        data, self._input = self._input, b""
        return data

    def hold(self, why: int) -> None:
        """Reads no more until `unhold`; that it leaves is then noticed by looking."""
        if not self.holds:
            self.transport.pause_reading()
            self.watch(self.gateway.monotonic() + GONE_SECONDS)
        self.holds |= why

    def unhold(self, why: int) -> None:
        if self.holds & why:
            self.holds &= ~why
            if not self.holds and not self.transport.is_closing():
                self.transport.resume_reading()

    # ends and deadlines

    def drain(self, now: float) -> None:
        """The node stops: this connection's current request is its last, an idle one may bring one more."""
        self.final = True
        exchange = self.exchange
        if self._lingering is not None:
            self._lingering.hurry(now, self.gateway.limits.drain_idle_seconds)
        elif exchange is None:
            if not self._in_head:
                self._until = min(self._until, now + self.gateway.limits.drain_idle_seconds)
                self.watch(self._until)
        elif not exchange.answering:
            self.keep = exchange.plain = False

    def watch(self, at: float) -> None:
        if at < self.watched_at:
            self.gateway.timers.watch(self, at)

    def due(self, now: float) -> float:
        exchange = self.exchange
        if exchange is None:
            if now >= self._until:
                self._out_of_time(now)
            return self._until
        look = exchange.due(now)
        if self.exchange is exchange and self.body is not None and not self.holds:
            end = self._body_at + self.gateway.limits.body_seconds
            if now >= end:
                exchange.fail(RequestTimeout("the request's body stands still"))
            look = min(look, end)
        if self.exchange is not exchange:
            return self._until if self.exchange is None else now
        if self.holds:
            self._body_at = now
            look = min(look, now + GONE_SECONDS)
            if has_left(self.transport):
                exchange.abandon()
                self.transport.abort()
                return inf
        return min(look, now + LOOK_SECONDS)

    def _out_of_time(self, now: float) -> None:
        if not self.keep or self._slow:
            self.keep = False
            self._until = inf
            self.transport.abort()
        elif self._in_head:
            self.keep = False
            self.answer_now(RequestTimeout("the request's head did not come in time"), None)
        else:
            self._close(now)

    def _close(self, now: float) -> None:
        """Ends the connection when all has been written, or has not for too long."""
        self.keep = False
        self._until = now + CLOSE_SECONDS
        self.watch(self._until)
        self.transport.close()

    def _linger(self, now: float) -> None:
        """The answer was the last, and the client may still be sending."""
        self.keep = False
        self._until = inf
        quiet = self.gateway.limits.linger_seconds
        self._lingering = Lingering(self.transport, self.gateway.timers, now, quiet, self.connection_lost)

    # what a client does

    def _process(self, data: bytes) -> None:
        """Something has come, or what had come before may be begun."""
        raise NotImplementedError

    def answer_now(self, error: MaelstromError, head: RequestHead | None) -> None:
        """Answers a request that no exchange was begun for; `head`: None if it could not be read."""
        raise NotImplementedError
