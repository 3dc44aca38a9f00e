"""One listening address: accepts connections up to a limit, and ends them in order when the node stops.

It must not know what a request is.
"""

from __future__ import annotations

import asyncio
import logging
from socket import socket
from typing import TYPE_CHECKING, Protocol

from maelstrom.gateway.answers import answer
from maelstrom.gateway.arrival.handshake import Handshake
from maelstrom.gateway.arrival.opening import Opening
from maelstrom.gateway.http1.client import Client
from maelstrom.gateway.http1.lingering import Lingering
from maelstrom.gateway.wire.origin import Origin
from maelstrom.model.errors import NoCapacity, Unavailable

if TYPE_CHECKING:
    from maelstrom.gateway.arrival.front import Front
    from maelstrom.gateway.arrival.tls import Tls
    from maelstrom.gateway.gateway import Gateway
    from maelstrom.gateway.policy import Policy
    from maelstrom.model.settings import Listen

log = logging.getLogger("maelstrom.gateway")

BACKLOG = 4096
TURNED_AWAY_SECONDS = 1.0  # for a refused client to read why, as long as few of them are there
TURNED_AWAY_MAX = 256


class Connection(Protocol):
    """One connection, whatever is spoken on it: the protocol of its transport."""

    transport: asyncio.Transport
    final: bool  # no request is begun after the current one
    origin: Origin | None  # as a balancer says; None: as the system does

    def connection_made(self, transport: asyncio.BaseTransport, /) -> None: ...

    def drain(self, now: float) -> None:
        """The node stops: what runs is its last."""
        ...

    def cut(self) -> None: ...


class Listener:
    """Open from `start` to `drain`. `address` is the one really bound. With `tls` nothing goes without it."""

    def __init__(
        self,
        gateway: Gateway,
        policy: Policy,
        *,
        reuse_port: bool = False,
        tls: Tls | None = None,
        front: Front | None = None,
    ) -> None:
        self.gateway = gateway
        self.policy = policy
        self.tls = tls
        self.front = front
        self.crowds = gateway.crowds(policy) if policy.per_client else None
        self.scheme = b"http" if tls is None else b"https"
        self.address: tuple[str, int] = ("", 0)
        self.closing = False  # no connection lives on after its request
        self.draining = False  # nobody will serve here: who asks for the node's health is told
        self._reuse_port = reuse_port
        self._clients: dict[Connection, str] = {}  # with what they are counted by; empty: they are not
        self.turned_away = 0
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

    async def drain(self, grace: float, *, followed: bool = False) -> int:
        """Stops in order: no new connections, what runs is finished, the rest is cut. Returns how many were.

        `followed`: another process serves the address from now on.
        """
        self.closing = True
        self.draining = not followed
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

    def shed(self, connections: int) -> None:
        """So many end with their next answer: their clients come back, perhaps to another process."""
        now = self.gateway.monotonic()
        for client in [client for client in self._clients if not client.final][:connections]:
            client.drain(now)

    @property
    def connections(self) -> int:
        return len(self._clients)

    def _protocol(self) -> asyncio.BaseProtocol:
        return Opening(self, self._spoken) if self.policy.balancers else self._spoken()

    def _spoken(self) -> Client | Handshake:
        return Client(self) if self.tls is None else Handshake(self, self.tls)

    # what a connection calls

    def admit(self, client: Connection) -> bool:
        """Whether there is room for it; if not, it has been told where it can understand that, and is ended."""
        stats = self.gateway.stats
        counted = ""
        if len(self._clients) >= self.gateway.limits.max_connections:
            stats.refused_connections += 1
            self._turn_away(client, NoCapacity("too many connections are open"))
            return False
        if self.crowds is not None:
            peer = (client.origin or Origin.seen(client.transport)).peer
            entered = self.crowds.enter(peer) if self._is_one_client(client, peer) else ""
            if entered is None:
                stats.refused_clients += 1
                self._turn_away(client, NoCapacity(f"too many connections are open from {peer}"))
                return False
            counted = entered
        self._clients[client] = counted
        self._empty.clear()
        stats.connections += 1
        stats.connections_total += not isinstance(client, Handshake | Opening)  # it is counted when it speaks
        if self.closing:
            client.final = True
        return True

    def forget(self, client: Connection) -> None:
        if client in self._clients:
            counted = self._clients.pop(client)
            if counted and self.crowds is not None:
                self.crowds.leave(counted)
            self.gateway.stats.connections -= 1
            if not self._clients:
                self._empty.set()

    def _is_one_client(self, client: Connection, peer: str) -> bool:
        """Behind proxies and balancers there are many."""
        if isinstance(client, Opening):
            return False
        return not self.policy.trusts(peer) and (client.origin is not None or not self.policy.speaks_proxy(peer))

    def _turn_away(self, client: Connection, error: NoCapacity) -> None:
        transport = client.transport
        if isinstance(client, Handshake) or transport.get_extra_info("ssl_object") is not None:
            transport.close()
            return
        transport.write(answer(error, None, reason=self.policy.show_reasons, keep=False))
        if self.turned_away >= TURNED_AWAY_MAX:
            transport.close()
            return
        self.turned_away += 1
        now = self.gateway.monotonic()
        Lingering(transport, self.gateway.timers, now, TURNED_AWAY_SECONDS, self._is_away)

    def _is_away(self, _: Exception | None) -> None:
        self.turned_away -= 1
