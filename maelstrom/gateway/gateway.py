"""The gateway as the daemon sees it: listeners over one routing table, one set of counters, one timer.

It must not know of the registry or of containers' lives: pools are handed in.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from socket import socket
from typing import TYPE_CHECKING, Any

from maelstrom.gateway.arrival.listener import Listener
from maelstrom.gateway.doorkeeper import Callers, Doorkeeper
from maelstrom.gateway.http1.requests import Target
from maelstrom.gateway.policy import Limits, Policy
from maelstrom.gateway.route import Route
from maelstrom.gateway.stats import GatewayStats
from maelstrom.gateway.timers import Timers
from maelstrom.gateway.wire.origin import Crowds, OtherCrowds
from maelstrom.plan.routes import RouteTable

if TYPE_CHECKING:
    from maelstrom.activation.pool import Pool
    from maelstrom.gateway.access import AccessLog
    from maelstrom.gateway.arrival.front import Front
    from maelstrom.gateway.arrival.tls import Tls
    from maelstrom.gateway.http1.container_connection import ContainerConnection
    from maelstrom.gateway.http2.trunks import Trunk
    from maelstrom.gateway.inside import Inside
    from maelstrom.model.settings import Listen

log = logging.getLogger("maelstrom.gateway")

Spawn = Callable[[Coroutine[Any, Any, Any], str], "asyncio.Task[Any]"]


class Gateway:
    """All listeners of one process. Made and used in one event loop."""

    def __init__(
        self,
        *,
        find: Callable[[str], Pool | None],
        spawn: Spawn,
        limits: Limits | None = None,
        access: AccessLog | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        inside: Inside | None = None,
        callers: Callers | None = None,
        others: OtherCrowds | None = None,
    ) -> None:
        """`find`: the pool of a component by its full name, for the internal listener; None if there is none.

        `inside` answers requests to this node itself, where a listener's policy reserves paths for them. `callers`: who
        calls on the internal listener; without it nobody is known. `others`: processes that serve the same addresses.
        """
        self.find = find
        self.spawn = spawn
        self.limits = limits or Limits()
        self.access = access
        self.monotonic = monotonic
        self.inside = inside
        self.held_inside = 0  # bytes of the bodies of its requests
        self.doorkeeper = Doorkeeper(callers, monotonic)
        self.routes: RouteTable[Route] = RouteTable.build(())
        self.epoch = 0  # rises with each change of the routes: what a connection remembers is then void
        self.stats = GatewayStats()
        self._crowds: dict[str, Crowds] = {}
        self._others = others
        loop = asyncio.get_running_loop()
        self.call_soon = loop.call_soon
        self.timers = Timers(loop, monotonic)
        self.listeners: list[Listener] = []
        self.links: set[ContainerConnection | Trunk] = set()  # all connections to containers
        self._targets: dict[Pool, Target] = {}
        self._id_prefix = secrets.token_hex(8).encode()
        self._ids = 0

    def set_routes(self, routes: RouteTable[Route]) -> None:
        """From the next request on."""
        self.routes = routes
        self.look_again()
        self._targets = {pool: target for pool, target in self._targets.items() if not pool.closed}

    def look_again(self) -> None:
        """What decides about ways has changed: no connection keeps the one that it remembers."""
        self.epoch += 1

    async def listen(
        self,
        listen: Listen | socket,
        policy: Policy,
        *,
        reuse_port: bool = False,
        tls: Tls | None = None,
        front: Front | None = None,
    ) -> Listener:
        """Opens a listener, on an address or a socket that listens already; `Listener.address` is the one really bound.

        Raises Unavailable.
        """
        listener = Listener(self, policy, reuse_port=reuse_port, tls=tls, front=front)
        await listener.start(listen)
        self.listeners.append(listener)
        return listener

    async def drain(self, grace: float, *, followed: bool = False) -> int:
        """Ends all listeners in order within `grace` seconds; returns how many connections had to be cut.

        `followed`: another process serves their addresses from now on.
        """
        cut = await asyncio.gather(*(listener.drain(grace, followed=followed) for listener in self.listeners))
        self.listeners.clear()
        for link in list(self.links):
            link.drop()
        self.timers.close()
        return sum(cut)

    # what the parts call

    def target(self, pool: Pool) -> Target:
        target = self._targets.get(pool)
        if target is None:
            target = self._targets[pool] = Target(pool, self.stats.component(pool.component.key.full_name))
        return target

    def crowds(self, policy: Policy) -> Crowds:
        """The clients of all listeners with this policy."""
        limit = min(policy.per_client, self.limits.max_connections // 2)
        return self._crowds.setdefault(policy.name, Crowds(limit, self._others))

    def next_id(self) -> bytes:
        """A request id: unique to this process and this request."""
        self._ids += 1
        return b"%b-%x" % (self._id_prefix, self._ids)
