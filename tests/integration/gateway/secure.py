"""A gateway with a TLS listener that speaks HTTP/2, and clients for it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from maelstrom.gateway import AccessLog, Limits, Listener, Policy, Tls
from maelstrom.gateway.http2.clients import Http2
from maelstrom.model.settings import Listen
from tests.integration.gateway.world import World, world
from tests.support.certificates import Authority
from tests.support.http2 import Http2Caller
from tests.support.wait import eventually

AUTHORITY = Authority()
CERTIFICATE = AUTHORITY.certificate("a.test")
POLICY = Policy(name="public", health_path=b"/_mael_health_check", show_reasons=True)


@dataclass
class Secure:
    gate: World
    listener: Listener
    callers: list[Http2Caller] = field(default_factory=list)

    async def caller(self) -> Http2Caller:
        host, port = self.listener.address
        caller = await Http2Caller.open(host, port, AUTHORITY.trust("h2"))
        self.callers.append(caller)
        return caller

    async def connection(self) -> Http2:
        """The gateway's end of the only one that is open."""
        await eventually(lambda: [type(one) for one in self.listener._clients] == [Http2])
        [connection] = self.listener._clients
        assert isinstance(connection, Http2)
        return connection


@contextlib.asynccontextmanager
async def secure_world(
    limits: Limits | None = None, policy: Policy = POLICY, access: AccessLog | None = None
) -> AsyncIterator[Secure]:
    async with world(limits=limits or Limits(linger_seconds=1.0), access=access) as gate:
        tls = Tls(["h2", "http/1.1"])
        tls.set([CERTIFICATE])
        made = Secure(gate, await gate.gateway.listen(Listen(host="127.0.0.1", port=0), policy, tls=tls))
        try:
            yield made
        finally:
            for caller in made.callers:
                caller.close()
