"""Takes the sockets of a listen address. Knows nothing of what is served there."""

from __future__ import annotations

import asyncio
import errno
import socket

from maelstrom.model.errors import InvalidSettings, Problem
from maelstrom.model.settings import Listen

SETTING = "MAEL_ADMIN_LISTEN"


async def bind(listen: Listen) -> tuple[list[socket.socket], Listen]:
    """Sockets for all addresses of the host, on one port, and where that is. Raises InvalidSettings."""
    try:
        addresses = await asyncio.get_running_loop().getaddrinfo(
            listen.host or None, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise _refused(listen, f"the host of {listen} cannot be found: {error.strerror or error}") from error
    taken: list[socket.socket] = []
    port = listen.port
    for family, _, _, _, address in dict.fromkeys(addresses):
        try:
            found = _listening(family, (address[0], port, *address[2:]))
        except OSError as error:
            if taken and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                continue  # `localhost` is ::1 too, also where the host has no IPv6
            for other in taken:
                other.close()
            raise _refused(listen, f"{listen} cannot be listened on: {error.strerror or error}") from error
        taken.append(found)
        port = found.getsockname()[1]
    return taken, Listen(host=listen.host, port=port)


def _listening(family: int, address: tuple[object, ...]) -> socket.socket:
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        found.setblocking(False)
        found.bind(address)
        found.listen(128)
    except OSError:
        found.close()
        raise
    return found


def _refused(listen: Listen, message: str) -> InvalidSettings:
    hint = "stop what listens there, or choose another port (0: any free one)"
    return InvalidSettings((Problem(path=SETTING, message=message, hint=hint),))
