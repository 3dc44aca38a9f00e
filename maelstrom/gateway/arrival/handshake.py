"""A connection from its arrival at a TLS listener to the end of the handshake; then its protocol takes over.

The client's first message says which host it wants, and so which certificate it is shown. What is spoken afterwards is
what both sides agreed on by ALPN. It must not know what a request is.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final, cast

from maelstrom.gateway.answers import answer
from maelstrom.gateway.http1.client import Client
from maelstrom.gateway.http2.clients import Http2
from maelstrom.gateway.wire.client_hello import (
    DECODE_ERROR,
    MAX_HELLO,
    PROTOCOL_VERSION,
    TLS_1_2,
    UNRECOGNIZED_NAME,
    BadHello,
    NotTls,
    alert,
    client_hello,
)
from maelstrom.gateway.wire.origin import Origin, Spoken
from maelstrom.model.errors import BadRequest

if TYPE_CHECKING:
    from maelstrom.gateway.arrival.listener import Listener
    from maelstrom.gateway.arrival.tls import Tls

# What is spoken on a TLS connection, by its ALPN name, best first; who does not choose gets HTTP/1.1.
SPOKEN: Final[dict[str, Callable[[Listener], Spoken]]] = {
    "h2": lambda listener: Http2(listener),
    "http/1.1": lambda listener: Client(listener),
}
SHUTDOWN_SECONDS: Final = 2.0  # for the client to say that it has seen the end; many only do when they are used again


def protocols(*, http2: bool) -> list[str]:
    """What is offered, by ALPN names, best first."""
    return [name for name in SPOKEN if http2 or name != "h2"]


class Handshake(asyncio.Protocol):
    """Ends with the connection given to one of SPOKEN, or closed."""

    __slots__ = (
        "_data",
        "_early",
        "_listener",
        "_task",
        "_tls",
        "_until",
        "final",
        "origin",
        "transport",
        "watched_at",
    )

    transport: asyncio.Transport

    def __init__(self, listener: Listener, tls: Tls) -> None:
        self._listener = listener
        self._tls = tls
        self._data = b""
        self._early = _Early()
        self._task: asyncio.Task[None] | None = None
        self._until = inf
        self.final = False
        self.origin: Origin | None = None
        self.watched_at = inf

    # what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if not self._listener.admit(self):
            return
        gateway = self._listener.gateway
        self._until = gateway.monotonic() + gateway.limits.handshake_seconds
        gateway.timers.watch(self, self._until)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self._task is not None or self.transport.is_closing():
            return
        try:
            hello = client_hello(self._data)
        except NotTls:
            self._refuse("not_tls", self._plain_answer())
            return
        except BadHello:
            self._refuse("bad_hello", alert(DECODE_ERROR))
            return
        if hello is not None:
            if hello.version < TLS_1_2:
                self._refuse("old_version", alert(PROTOCOL_VERSION))
            else:
                self._begin(hello.name)
        elif len(self._data) > MAX_HELLO:
            self._refuse("bad_hello", alert(DECODE_ERROR))

    def connection_lost(self, exc: Exception | None) -> None:
        self._over()

    # the handshake

    def _begin(self, name: str) -> None:
        context = self._tls.context(name)
        if context is None:
            self._refuse("no_certificate", alert(UNRECOGNIZED_NAME))
            return
        self._listener.gateway.timers.forget(self)
        self._task = self._listener.gateway.spawn(self._shake(context), "gateway: handshake")
        # After the task's first step, which puts the TLS in place, and after the calls that this has left behind.
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._feed)

    def _feed(self) -> None:
        """Gives what was read already to the TLS that now reads the connection."""
        data, self._data = memoryview(self._data), b""
        while data and not self.transport.is_closing():
            reader = cast(asyncio.BufferedProtocol, self.transport.get_protocol())
            room = memoryview(reader.get_buffer(len(data)))[: len(data)]
            room[:] = data[: len(room)]
            reader.buffer_updated(len(room))
            data = data[len(room) :]

    async def _shake(self, context: ssl.SSLContext) -> None:
        gateway = self._listener.gateway
        try:
            transport = await asyncio.get_running_loop().start_tls(
                self.transport,
                self._early,
                context,
                server_side=True,
                ssl_handshake_timeout=max(0.001, self._until - gateway.monotonic()),
                ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )
        except OSError as error:
            self._failed(error)
            return
        finally:
            self._over()
        if transport is None or transport.is_closing() or self._early.lost:
            return
        spoken = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        protocol = SPOKEN[spoken or "http/1.1"](self._listener)
        protocol.origin = self.origin
        self._early.hand_over(transport, protocol)

    # ends

    def drain(self, now: float) -> None:
        """The node stops: what has come so far may still be served, its protocol is told that it is the last."""

    def cut(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self.transport.abort()

    def due(self, now: float) -> float:
        self._count("timeout")
        self.transport.abort()
        return inf

    def _refuse(self, why: str, last_words: bytes) -> None:
        self._count(why)
        self.transport.write(last_words)
        self.transport.close()

    def _failed(self, error: OSError) -> None:
        if isinstance(error, ssl.SSLError):
            self._count("tls")
        elif "taking longer" in str(error):
            self._count("timeout")
        else:
            self._count("gone")

    def _count(self, why: str) -> None:
        failed = self._listener.gateway.stats.tls_failed
        failed[why] = failed.get(why, 0) + 1

    def _over(self) -> None:
        self._listener.gateway.timers.forget(self)
        self._listener.forget(self)

    def _plain_answer(self) -> bytes:
        """For those who speak HTTP without TLS; others cannot be told anything."""
        error = BadRequest("this address speaks TLS", hint="use https://")
        return answer(error, None, reason=True, keep=False) if self._data[:1].isalpha() else b""


class _Early(asyncio.Protocol):
    """What comes between the end of the handshake and the moment in which its task hears of it."""

    def __init__(self) -> None:
        self.data = b""
        self.ended = False
        self.lost = False

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> None:
        self.ended = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

    def hand_over(self, transport: asyncio.Transport, protocol: asyncio.Protocol) -> None:
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self.data:
            protocol.data_received(self.data)
        if self.ended:
            protocol.eof_received()
