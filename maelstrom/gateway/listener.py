"""One listening address: accepts connections up to a limit, and ends them in order when the node stops.

It must not know what a request is.
"""

from __future__ import annotations

import asyncio
import logging
from socket import socket
from typing import TYPE_CHECKING, Protocol

from maelstrom.gateway.answers import answer
from maelstrom.gateway.client import Client
from maelstrom.gateway.handshake import Handshake
from maelstrom.model.errors import NoCapacity, Unavailable

if TYPE_CHECKING:
    from maelstrom.gateway.gateway import Gateway
    from maelstrom.gateway.policy import Policy
    from maelstrom.gateway.tls import Tls
    from maelstrom.model.settings import Listen

log = logging.getLogger("maelstrom.gateway")

BACKLOG = 4096


class Connection(Protocol):
    """One connection, whatever is spoken on it: the protocol of its transport."""

    transport: asyncio.Transport
    final: bool  # no request is begun after the current one

    def drain(self, now: float) -> None:
        """The node stops: what runs is its last."""
        ...

    def cut(self) -> None: ...


class Listener:
    """Open from `start` to `drain`. `address` is the one really bound. With `tls` nothing goes without it."""

    def __init__(self, gateway: Gateway, policy: Policy, *, reuse_port: bool = False, tls: Tls | None = None) -> None:
        self.gateway = gateway
        self.policy = policy
        self.tls = tls
        self.scheme = b"http" if tls is None else b"https"
        self.address: tuple[str, int] = ("", 0)
        self.draining = False
        self._reuse_port = reuse_port
        self._clients: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    async def start(self, listen: Listen | socket) -> None:
        """Raises Unavailable if the address cannot be had."""
        loop = asyncio.get_running_loop()
        try:
            if isinstance(listen, socket):
                self._server = await loop.create_server(self._protocol, sock=listen, backlog=BACKLOG)
            else:
                self._server = await loop.create_server(
                    self._protocol, listen.host, listen.port, backlog=BACKLOG, reuse_port=self._reuse_port or None
                )
        except OSError as error:
            raise Unavailable(
                f"the {self.policy.name} gateway cannot listen on {listen}: {error.strerror or error}",
                hint="another program has the port, or it needs more rights; choose another address",
            ) from error
        host, port = self._server.sockets[0].getsockname()[:2]
        self.address = (host, port)
        log.info(
            "the %s gateway listens",
            self.policy.name,
            extra={"address": f"[{host}]:{port}" if ":" in host else f"{host}:{port}"},
        )

    async def drain(self, grace: float) -> int:
        """Stops in order: no new connections, what runs is finished, the rest is cut. Returns how many were."""
        self.draining = True
        if self._server is not None:
            # What the system has accepted already is served: two turns of the loop take it in.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self._server.close()
            self._server = None
        now = self.gateway.monotonic()
        for client in list(self._clients):
            client.drain(now)
        try:
            async with asyncio.timeout(grace):
                await self._empty.wait()
        except TimeoutError:
            log.warning("connections are cut, the grace has run out", extra={"connections": len(self._clients)})
        left = list(self._clients)
        for client in left:
            client.cut()
        if left:
            async with asyncio.timeout(1.0):
                await self._empty.wait()
        return len(left)

    @property
    def connections(self) -> int:
        return len(self._clients)

    def _protocol(self) -> asyncio.BaseProtocol:
        return Client(self) if self.tls is None else Handshake(self, self.tls)

    # what a connection calls

    def admit(self, client: Connection) -> bool:
        """Whether there is room for it; if not, it has been told where it can understand that."""
        shaking = isinstance(client, Handshake)
        if len(self._clients) >= self.gateway.limits.max_connections:
            self.gateway.stats.refused_connections += 1
            error = NoCapacity("too many connections are open")
            if not shaking:
                client.transport.write(answer(error, None, reason=self.policy.show_reasons, keep=False))
            return False
        self._clients.add(client)
        self._empty.clear()
        self.gateway.stats.connections += 1
        self.gateway.stats.connections_total += not shaking  # it is counted when it speaks
        if self.draining:
            client.final = True
        return True

    def forget(self, client: Connection) -> None:
        if client in self._clients:
            self._clients.remove(client)
            self.gateway.stats.connections -= 1
            if not self._clients:
                self._empty.set()
