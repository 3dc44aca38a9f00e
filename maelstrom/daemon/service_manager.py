"""What systemd and its like say to a service, and are told: sockets handed over, and when it is ready or stops.

The protocols are those of `sd_listen_fds` and `sd_notify`. It must not know what the service does.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

from maelstrom.daemon.sockets import Listening
from maelstrom.model.errors import InvalidSettings, Problem

FIRST_FD = 3
NAMES = ("public", "public-tls", "admin", "internal")
UNNAMED = "public"  # what has no name of its own is for the main job


def handed_sockets(environ: MutableMapping[str, str]) -> list[Listening]:
    """The sockets that this process was started with, taken out of the environment. Raises InvalidSettings."""
    pid, count, names = (environ.pop(f"LISTEN_{name}", "") for name in ("PID", "FDS", "FDNAMES"))
    if not count or pid != str(os.getpid()):
        return []  # they were for a process before this one
    if not count.isdecimal():
        raise _refused(f"LISTEN_FDS is {count!r}, which is no number")
    given = names.split(":") if names else []
    return [_listening(FIRST_FD + n, given[n] if n < len(given) else "") for n in range(int(count))]


def _listening(fd: int, given: str) -> Listening:
    name = UNNAMED if given in ("", "unknown") or given.endswith(".socket") else given
    if name not in NAMES:
        raise _refused(f"FileDescriptorName={given} is none of {', '.join(NAMES)}")
    os.set_inheritable(fd, False)
    try:
        found = socket.socket(fileno=fd)
        listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise _refused(f"file descriptor {fd} is no socket: {error.strerror}") from error
    if not listens or found.family not in (socket.AF_INET, socket.AF_INET6):
        raise _refused(f"the socket of {name} (file descriptor {fd}) does not listen for TCP connections")
    found.setblocking(False)
    return Listening(name, "", found)


def notify(address: str, *lines: str) -> None:
    """Tells the service manager; `address` is NOTIFY_SOCKET, empty: there is none. Nobody waits for an answer."""
    if not address:
        return
    where = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
        try:
            door.sendto("\n".join(lines).encode(), where)
        except OSError:
            return  # a manager that is gone needs to hear nothing


def _refused(message: str) -> InvalidSettings:
    hint = "see Listen… and FileDescriptorName= in the socket unit, and examples/systemd"
    return InvalidSettings((Problem("socket activation", message, hint),))
