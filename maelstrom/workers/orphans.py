"""Connections that nobody owns any more and that the other end has not closed yet, as Linux lists them.

When a process is killed the kernel closes its connections; each goes on existing, half closed, until the peer has
closed its end, at most for a minute (`tcp_fin_timeout`). For a peer that is a container this means that it may still be
working on a request of the process. Pure: the text of /proc/net/tcp or tcp6 is handed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import Final

_HALF_CLOSED: Final = frozenset(("04", "05"))  # FIN_WAIT1, FIN_WAIT2: closed here, not there
_PEER, _STATE, _INODE = 2, 3, 9


def orphans(texts: Iterable[str]) -> Counter[tuple[str, int]]:
    """How many there are to each address."""
    found: Counter[tuple[str, int]] = Counter()
    for text in texts:
        for line in text.splitlines()[1:]:
            fields = line.split()
            if len(fields) > _INODE and fields[_STATE] in _HALF_CLOSED and fields[_INODE] == "0":
                found[_address(fields[_PEER])] += 1
    return found


def _address(text: str) -> tuple[str, int]:
    """`0100007F:1F90`: words of the address in the machine's order, taken as little-endian; the port as it is."""
    host, _, port = text.partition(":")
    raw = b"".join(bytes.fromhex(host[at : at + 8])[::-1] for at in range(0, len(host), 8))
    if len(raw) == 4:
        return str(IPv4Address(raw)), int(port, 16)
    address = IPv6Address(raw)
    return str(address.ipv4_mapped or address), int(port, 16)
