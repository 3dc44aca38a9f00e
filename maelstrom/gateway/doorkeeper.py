"""Who calls on the internal listener, and whom he may call.

A caller is known by the address of its container, looked up when it connects. The host's own programs may call all:
they get to every container without us. What cannot be looked up is a stranger: containers of others, and everybody
where containers are behind the addresses of something else. It must not know how it is found out whose an address is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

from maelstrom.gateway.http1.client_connection import UNKNOWN
from maelstrom.model.callers import ANYONE
from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import Forbidden

if TYPE_CHECKING:
    from maelstrom.activation.pool import Pool
    from maelstrom.gateway.http1.client_connection import ClientConnection

log = logging.getLogger("maelstrom.gateway")

WAIT_SECONDS: Final = 5.0  # for the engine to say what address it has given to a container that calls already
LOOK_SECONDS: Final = 0.005
MAX_WAITING: Final = 256  # more are strangers at once: each that waits is looked up again and again
LOG_SECONDS: Final = 60.0  # between two lines about the same caller and component
MAX_TOLD: Final = 1000


class Host(Enum):
    """Who calls from the address that it calls."""

    HOST = "the host"


class Callers(Protocol):
    """`activation.callers.ContainerAddresses`."""

    def find(self, address: str) -> ComponentKey | None:
        """Whose container has this address now."""
        ...

    @property
    def settled(self) -> bool:
        """False while there are containers of ours that run and whose addresses are not known yet."""
        ...


class Doorkeeper:
    """One per gateway. `by_address`: callers come with the addresses of their containers."""

    def __init__(self, callers: Callers | None, monotonic: Callable[[], float]) -> None:
        self.by_address = False
        self._callers = callers
        self._monotonic = monotonic
        self._told: dict[tuple[str, str], float] = {}
        self._waiting = 0

    def introduce(self, client: ClientConnection, address: str) -> None:
        """A new connection; it is not read before it is known whose it is."""
        if self._callers is None or not self.by_address:
            return
        if address == client.transport.get_extra_info("sockname")[0].removeprefix("::ffff:"):
            client.caller = Host.HOST
            return
        client.caller = self._callers.find(address)
        if client.caller is None and not self._callers.settled and self._waiting < MAX_WAITING:
            self._waiting += 1
            client.gateway.call_soon(self._hold, client)  # the loop begins to read after this
            client.gateway.spawn(self._wait(client, address, self._callers), "gateway: who calls")

    def _hold(self, client: ClientConnection) -> None:
        if not client.transport.is_closing():
            client.hold(UNKNOWN)

    async def _wait(self, client: ClientConnection, address: str, callers: Callers) -> None:
        end = self._monotonic() + WAIT_SECONDS
        try:
            while client.caller is None and self._monotonic() < end:
                settled = callers.settled  # asked first: what becomes known between the two is not missed
                client.caller = callers.find(address)
                if settled or client.transport.is_closing():
                    break
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._waiting -= 1
        client.unhold(UNKNOWN)

    def check(self, client: ClientConnection, pool: Pool) -> None:
        """Raises Forbidden."""
        callee = pool.component.key
        if may_call(client.caller, callee, pool.component.definition.allow):
            return
        caller = client.caller
        who = caller.full_name if isinstance(caller, ComponentKey) else client.peer.decode()
        self._tell(who, callee.full_name)
        if not isinstance(caller, ComponentKey):
            raise Forbidden(
                "the caller is not known as a container of this node",
                hint=f"call from a component; `allow: ['{ANYONE}']` lets in whoever gets to the internal listener",
            )
        raise Forbidden(
            f"{who} may not call {callee.full_name}",
            hint=f"name {caller.project} or {who} in `allow` of {callee.full_name}",
        )

    def _tell(self, who: str, callee: str) -> None:
        now = self._monotonic()
        if now < self._told.get((who, callee), 0.0):
            return
        if len(self._told) >= MAX_TOLD:
            self._told.clear()
        self._told[who, callee] = now + LOG_SECONDS
        log.warning("%s may not call %s: refused", who, callee, extra={"caller": who, "component": callee})


def may_call(caller: ComponentKey | Host | None, callee: ComponentKey, allow: Container[str]) -> bool:
    """`caller`: None for a stranger, whom only `*` lets in; `allow`: the callee's list."""
    if ANYONE in allow or caller is Host.HOST:
        return True
    if caller is None:
        return False
    names = (caller.project, caller.full_name, f"{caller.project}/{caller.name}")
    return caller.project == callee.project or any(name in allow for name in names)
