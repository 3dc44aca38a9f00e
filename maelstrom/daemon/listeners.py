"""Where this node can be reached: its listeners are opened here, and their addresses told.

It must not know what the listeners do with a connection.
"""

from __future__ import annotations

import logging

from maelstrom.api.server import AdminServer
from maelstrom.daemon.sockets import Listening, Sockets
from maelstrom.daemon.state import StateDirectory
from maelstrom.daemon.status import Status
from maelstrom.gateway import Front, Gateway, Policy, Tls
from maelstrom.model.errors import MaelstromError
from maelstrom.model.settings import Listen, Settings
from maelstrom.runtime.docker import DockerRuntime
from maelstrom.runtime.reach import Reach
from maelstrom.workers.crew import Crew
from maelstrom.workers.line import Door

log = logging.getLogger("maelstrom.daemon")

INTERNAL_PORT = 8375


class Listeners:
    """Opens each listener when the node is ready for it."""

    def __init__(self, settings: Settings, sockets: Sockets, state: StateDirectory, status: Status) -> None:
        self.sockets = sockets
        self._settings = settings
        self._state = state
        self._status = status

    async def reserve(self) -> None:
        """All addresses that can be known before anything else is: one that cannot be had is then known, too."""
        settings = self._settings
        await self.sockets.reserve("public", "MAEL_PUBLIC_LISTEN", settings.public_listen)
        await self.sockets.reserve("public-tls", "MAEL_PUBLIC_TLS_LISTEN", settings.public_tls_listen)
        await self.sockets.reserve("admin", "MAEL_ADMIN_LISTEN", [settings.admin_listen])
        if settings.internal_listen is not None and settings.internal_listen.port:
            await self.sockets.reserve("internal", "MAEL_INTERNAL_LISTEN", [settings.internal_listen])

    async def admin(self, server: AdminServer) -> None:
        taken = await self.sockets.take("admin", "MAEL_ADMIN_LISTEN", [self._settings.admin_listen])
        await server.start([one.socket for one in taken])
        self._status.addresses["admin"] = url_of(taken[0])

    async def public(self, gateway: Gateway, crew: Crew | None, front: Front) -> None:
        """Raises InvalidSettings for an address that cannot be had: nothing gets better by trying again."""
        taken = await self.sockets.take("public", "MAEL_PUBLIC_LISTEN", self._settings.public_listen)
        await self._serve(taken, gateway, crew, front=front)
        self._status.addresses["public"] = url_of(taken[0])
        self._status.public_all = [url_of(one) for one in taken]

    async def public_tls(self, gateway: Gateway, crew: Crew | None, tls: Tls) -> None:
        """The same with TLS. Raises InvalidSettings."""
        taken = await self.sockets.take("public-tls", "MAEL_PUBLIC_TLS_LISTEN", self._settings.public_tls_listen)
        await self._serve(taken, gateway, crew, tls=tls)
        self._status.addresses["public_tls"] = url_of(taken[0], "https")

    async def _serve(
        self,
        taken: list[Listening],
        gateway: Gateway,
        crew: Crew | None,
        *,
        tls: Tls | None = None,
        front: Front | None = None,
    ) -> None:
        """By this process, or by the workers."""
        policy = Policy.public(self._settings)
        for one in taken:
            if crew is None:
                await gateway.listen(one.socket, policy, tls=tls, front=front)
            else:
                crew.doors.append(Door(one.socket, tls=tls is not None))

    async def internal(self, gateway: Gateway, runtime: DockerRuntime, reach: Reach) -> None:
        """Containers are told where it is."""
        listen = self._settings.internal_listen
        if listen is not None and listen.port:
            taken = await self._take_internal(listen)
        else:
            taken = await self._some_internal(listen.host if listen is not None else reach.listen)
        for one in taken:
            await gateway.listen(one.socket, Policy.internal())
        gateway.doorkeeper.by_address = not reach.publication.publish
        anywhere = listen is None or listen.host in ("0.0.0.0", "::", "")
        callback = reach.callback if anywhere or listen is None else listen.host
        port = taken[0].bound.port
        self._state.remember_port(port)
        runtime.private_url = f"http://{Listen(host=callback, port=port)}"
        self._status.addresses["internal"] = runtime.private_url

    async def _some_internal(self, host: str) -> list[Listening]:
        """The port that adopted containers know, else the usual one, else a free one: new containers are told."""
        usual = INTERNAL_PORT if self._settings.internal_listen is None else 0
        for port in (self._state.last_port(), usual):
            if port:
                try:
                    return await self._take_internal(Listen(host=host, port=port))
                except MaelstromError as error:
                    log.warning("%s; trying another port", error.message)
        return await self._take_internal(Listen(host=host, port=0))

    async def _take_internal(self, listen: Listen) -> list[Listening]:
        return await self.sockets.take("internal", "MAEL_INTERNAL_LISTEN", [listen])


def url_of(one: Listening, scheme: str = "http") -> str:
    """How a listener is reached from this host."""
    bound = one.bound
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bound.host, bound.host)
    return f"{scheme}://{Listen(host=host, port=bound.port)}"
