"""The HTTP gateway: a strict HTTP/1.1 reverse proxy in front of the pools of all components.

    gateway = Gateway(find=find, spawn=spawn, limits=Limits.of(settings), access=AccessLog.of(settings.access_log))
    gateway.set_routes(RouteTable.build(...))                                      # RouteTable[Route], any time
    public = await gateway.listen(listen, Policy.public(settings))                 # public.address: (host, port)
    internal = await gateway.listen(listen, Policy.internal())
    cut = await gateway.drain(grace)                                               # seconds; how many were cut

`find(full_name) -> Pool | None` serves callers who name a component on the internal listener; `spawn(coroutine, name)`
owns the tasks (only connects need one). All is made and used in one event loop. `gateway.stats` counts (see stats.py).

From a socket down: listener → client (one connection) → exchange (one request) → container (one connection to one
instance). `wire` is pure, and so are answers and stats. ARCHITECTURE.md walks through it with a request.
"""

from maelstrom.gateway.access import AccessLog
from maelstrom.gateway.additions import Additions
from maelstrom.gateway.arrival.front import Front
from maelstrom.gateway.arrival.listener import Listener
from maelstrom.gateway.arrival.tls import Tls
from maelstrom.gateway.gateway import Gateway
from maelstrom.gateway.inside import Inside, InsideRequest
from maelstrom.gateway.policy import Limits, Policy
from maelstrom.gateway.route import Route
from maelstrom.gateway.stats import ComponentStats, GatewayStats

__all__ = [
    "AccessLog",
    "Additions",
    "ComponentStats",
    "Front",
    "Gateway",
    "GatewayStats",
    "Inside",
    "InsideRequest",
    "Limits",
    "Listener",
    "Policy",
    "Route",
    "Tls",
]
