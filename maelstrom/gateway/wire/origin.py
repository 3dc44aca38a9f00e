"""Where a connection comes from and which address it reached: as the system says, or as a balancer does. Pure."""

from __future__ import annotations

import asyncio
from ipaddress import IPv6Address
from typing import NamedTuple, Protocol

from maelstrom.gateway.compiled import mypyc_attr

MAPPED = "::ffff:"  # IPv4 on a socket of IPv6


class Origin(NamedTuple):
    """`peer`: the client's address, without port; `local`: what it reached, as in a Host header."""

    peer: str
    local: bytes

    @classmethod
    def of(cls, peer: str, local: str, port: int) -> Origin:
        host = _plain(local).encode()
        return cls(_plain(peer), b"[%b]:%d" % (host, port) if b":" in host else b"%b:%d" % (host, port))

    @classmethod
    def seen(cls, transport: asyncio.BaseTransport) -> Origin:
        """As the system says."""
        peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        return cls.of(peer[0] if peer else "unknown", *(local[:2] if local else ("unknown", 0)))


@mypyc_attr(allow_interpreted_subclasses=True)
class Spoken(asyncio.Protocol):
    """What is spoken on a connection, once its beginnings (a balancer's header, a handshake) are over."""

    __slots__ = ("final", "origin")

    origin: Origin | None  # as a balancer says; None: as the system does
    final: bool  # no request is begun after the current one


def _plain(address: str) -> str:
    return address.removeprefix(MAPPED) if "." in address else address


class OtherCrowds(Protocol):
    """What clients have open in other processes that serve the same addresses."""

    def elsewhere(self, client: str) -> int: ...

    def add(self, client: str, connections: int) -> None:
        """So many more here."""
        ...


class Crowds:
    """How many connections each client has open: by its address, of IPv6 by the network of 64 bits, which is one's own.

    Holds nothing but what is open now.
    """

    __slots__ = ("_open", "_others", "limit")

    def __init__(self, limit: int, others: OtherCrowds | None = None) -> None:
        """`limit`: connections of one client; 0: any number."""
        self.limit = limit
        self._others = others
        self._open: dict[str, int] = {}

    def enter(self, peer: str) -> str | None:
        """What `leave` wants; None: there are too many already."""
        key = client_of(peer)
        count = self._open.get(key, 0)
        if count >= self.limit or (self._others is not None and count + self._others.elsewhere(key) >= self.limit):
            return None
        self._open[key] = count + 1
        if self._others is not None:
            self._others.add(key, 1)
        return key

    def leave(self, key: str) -> None:
        left = self._open[key] - 1
        if left:
            self._open[key] = left
        else:
            del self._open[key]
        if self._others is not None:
            self._others.add(key, -1)

    def __len__(self) -> int:
        return len(self._open)


def client_of(peer: str) -> str:
    """Whom an address stands for: the same text for all addresses that one client has."""
    if ":" not in peer:
        return peer
    try:
        return IPv6Address(peer.partition("%")[0]).packed[:8].hex()
    except ValueError:
        return peer
