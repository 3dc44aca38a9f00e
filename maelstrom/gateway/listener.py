"""One listening address: accepts connections up to a limit, and ends them in order when the node stops.

It must not know what a request is.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from maelstrom.gateway.answers import answer
from maelstrom.gateway.client import Client
from maelstrom.model.errors import NoCapacity, Unavailable

if TYPE_CHECKING:
    from maelstrom.gateway.gateway import Gateway
    from maelstrom.gateway.policy import Policy
    from maelstrom.model.settings import Listen

log = logging.getLogger("maelstrom.gateway")

BACKLOG = 4096


class Listener:
    """Open from `start` to `drain`. `address` is the one really bound."""

    def __init__(self, gateway: Gateway, policy: Policy, *, reuse_port: bool = False) -> None:
        self.gateway = gateway
        self.policy = policy
        self.address: tuple[str, int] = ("", 0)
        self.draining = False
        self._reuse_port = reuse_port
        self._clients: set[Client] = set()
        self._server: asyncio.Server | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    async def start(self, listen: Listen) -> None:
        """Raises Unavailable if the address cannot be had."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: Client(self), listen.host, listen.port, backlog=BACKLOG, reuse_port=self._reuse_port or None
            )
        except OSError as error:
            raise Unavailable(
                f"the {self.policy.name} gateway cannot listen on {listen}: {error.strerror or error}",
                hint="another program has the port, or it needs more rights; choose another address",
            ) from error
        host, port = self._server.sockets[0].getsockname()[:2]
        self.address = (host, port)
        log.info("the %s gateway listens", self.policy.name, extra={"address": f"{host}:{port}"})

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

    # what a connection calls

    def admit(self, client: Client) -> bool:
        """Whether there is room for it; if not, it has been told."""
        if len(self._clients) >= self.gateway.limits.max_connections:
            self.gateway.stats.refused_connections += 1
            error = NoCapacity("too many connections are open")
            client.transport.write(answer(error, None, reason=self.policy.show_reasons, keep=False))
            return False
        self._clients.add(client)
        self._empty.clear()
        self.gateway.stats.connections += 1
        self.gateway.stats.connections_total += 1
        if self.draining:
            client.final = True
        return True

    def forget(self, client: Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
            self.gateway.stats.connections -= 1
            if not self._clients:
                self._empty.set()
