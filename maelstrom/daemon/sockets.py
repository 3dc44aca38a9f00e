"""Listening sockets: bound here, or handed over by systemd or by the process before this one.

It must not know what is served on them.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from maelstrom.model.errors import InvalidSettings, Problem
from maelstrom.model.settings import Listen

log = logging.getLogger("maelstrom.daemon")

BACKLOG = 4096  # the system's own limit (net.core.somaxconn) is most often the same
ANY_SIX = "::"


@dataclass(frozen=True, slots=True)
class Listening:
    """One listening socket. `name`: of the listener. `wanted`: the address as it was asked for; empty: by systemd."""

    name: str
    wanted: str
    socket: socket.socket

    @property
    def bound(self) -> Listen:
        """Where it listens, with the port that was really taken."""
        host, port = self.socket.getsockname()[:2]
        return Listen(host=host, port=port)


class Sockets:
    """All listening sockets of this process, so that they can be handed on."""

    def __init__(self, handed: Iterable[Listening] = ()) -> None:
        """`handed`: what the process was given at its start."""
        self.open: list[Listening] = []
        self._handed = list(handed)

    async def take(self, name: str, setting: str, wanted: Sequence[Listen]) -> list[Listening]:
        """The sockets of a listener, in the order wanted. Raises InvalidSettings, naming setting and address.

        What systemd hands over under that name is used in place of the setting.
        """
        taken = await self._find(name, setting, wanted)
        if any(not one.wanted for one in taken):
            log.info("the %s listener uses the sockets handed over by the service manager, not %s", name, setting)
        self.open += taken
        return taken

    async def _find(self, name: str, setting: str, wanted: Sequence[Listen]) -> list[Listening]:
        taken = [one for one in self._handed if one.name == name and not one.wanted]
        if not taken:
            for listen in wanted:
                known = [
                    one for one in self._handed if one.name == name and str(listen) in (one.wanted, str(one.bound))
                ]
                try:
                    taken += known or await _bind(name, setting, listen, wanted)
                except InvalidSettings:
                    for one in taken:
                        one.socket.close()
                    raise
        self._handed = [one for one in self._handed if one not in taken]
        return taken

    async def reserve(self, name: str, setting: str, wanted: Sequence[Listen]) -> None:
        """Binds already what `take` will give. Raises InvalidSettings."""
        found = await self._find(name, setting, wanted)
        self._handed += found

    def close_unused(self) -> None:
        """What was handed over and nobody has taken: no setting asks for it any more."""
        for one in self._handed:
            log.info("the %s listener is no more on %s", one.name, one.bound)
            one.socket.close()
        self._handed.clear()


async def bind(setting: str, listen: Listen, *, dual: bool = False) -> list[socket.socket]:
    """Sockets for all addresses of the host, on one port. Raises InvalidSettings.

    `dual`: any IPv6 address takes IPv4 as well.
    """
    try:
        addresses = await asyncio.get_running_loop().getaddrinfo(
            listen.host or None, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise _refused(setting, f"the host of {listen} cannot be found: {error.strerror or error}") from error
    taken: list[socket.socket] = []
    port = listen.port
    for family, _, _, _, address in dict.fromkeys(addresses):
        try:
            found = _listening(family, (address[0], port, *address[2:]), dual=dual and address[0] == ANY_SIX)
        except OSError as error:
            if taken and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                continue  # `localhost` is ::1 too, also where the host has no IPv6
            for other in taken:
                other.close()
            raise _refused(setting, f"cannot listen on {listen}: {error.strerror or error}") from error
        taken.append(found)
        port = found.getsockname()[1]
    return taken


async def _bind(name: str, setting: str, listen: Listen, wanted: Sequence[Listen]) -> list[Listening]:
    # Where IPv4 has that port by an address of its own, IPv6 must leave it alone.
    dual = not any(other.port == listen.port and ":" not in other.host for other in wanted if listen.port)
    return [Listening(name, str(listen), found) for found in await bind(setting, listen, dual=dual)]


def _listening(family: int, address: tuple[object, ...], *, dual: bool) -> socket.socket:
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual else 1)
        found.setblocking(False)
        found.bind(address)
        found.listen(BACKLOG)
    except OSError:
        found.close()
        raise
    return found


def _refused(setting: str, message: str) -> InvalidSettings:
    hint = "another program has the port, or it needs more rights; choose another address (port 0: any free one)"
    return InvalidSettings((Problem(path=setting, message=message, hint=hint),))
