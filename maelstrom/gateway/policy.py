"""What a listener allows and how long the gateway waits: values, read from the settings once.

It must not know of sockets or requests.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from maelstrom.model.settings import Settings

Network = IPv4Network | IPv6Network
MOST_CONNECTIONS = 20_000
PER_CALLER = 10_000  # connections of one container to the internal gateway


@dataclass(frozen=True, slots=True)
class Limits:
    """Time-outs in seconds, sizes in bytes. The total time of a request is its component's, not here."""

    head_seconds: float = 30.0  # a request's head, from its first byte
    handshake_seconds: float = 10.0  # of a TLS connection, from its arrival
    body_seconds: float = 60.0  # a request's body may stand still so long
    keepalive_seconds: float = 75.0  # an idle client connection
    linger_seconds: float = 5.0  # reading on, unheard, so that an early answer can be read
    connect_seconds: float = 5.0  # to a container that is said to be ready
    container_idle_seconds: float = 30.0  # an idle connection to a container
    fresh_seconds: float = 1.0  # a request that cannot be sent twice takes no connection that was idle longer
    drain_idle_seconds: float = 1.0  # while stopping, an idle client may send one more request so long
    max_body_bytes: int = 0  # 0: any size
    opening_seconds: float = 5.0  # a PROXY header, from the connection's arrival; balancers send it at once
    max_connections: int = MOST_CONNECTIONS  # open client connections of one listener

    @classmethod
    def of(cls, settings: Settings, *, files: int | None = None) -> Limits:
        """`files`: how many this process may have open; None: as the system says, -1: any number.

        Clients never get all of them: containers, the engine and the database are reached by some, too.
        """
        if files is None:
            files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        listeners = len(settings.public_listen) + len(settings.public_tls_listen) + 1
        return cls(
            max_connections=min(MOST_CONNECTIONS, files // (listeners + 2)) if files > 0 else MOST_CONNECTIONS,
            head_seconds=settings.head_timeout_seconds,
            body_seconds=settings.body_timeout_seconds,
            keepalive_seconds=settings.keepalive_seconds,
            max_body_bytes=settings.max_body_bytes,
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """What one listener does differently."""

    name: str  # for logs and metrics: `public` or `internal`
    by_name: bool = False  # `Maelstrom-Component` and `Maelstrom-Deadline` of the caller count
    reserved: bytes = b""  # paths that begin so are this node's own; empty: none are
    health_path: bytes = b""  # answered by the gateway itself; empty: no path is reserved
    show_reasons: bool = True  # clients see why, not only the code
    trusted: tuple[Network, ...] = ()  # whose forwarding headers are kept
    balancers: tuple[Network, ...] = ()  # whose connections begin with a PROXY header
    per_client: int = 0  # connections that one client may have, at most half of all; 0: any number

    @classmethod
    def public(cls, settings: Settings) -> Policy:
        return cls(
            name="public",
            health_path=settings.public_health_path.encode(),
            show_reasons=settings.show_reasons,
            trusted=networks(settings.trusted_proxies),
            balancers=networks(settings.proxy_protocol),
            per_client=settings.max_connections_per_client,
        )

    @classmethod
    def internal(cls) -> Policy:
        """For containers: a component by name or by route, the node's own paths, and the reasons of errors."""
        return cls(name="internal", by_name=True, reserved=b"/_maelstrom/", per_client=PER_CALLER)

    def trusts(self, address: str) -> bool:
        """Whether that peer is a proxy in front of us. Raises nothing: an address that is none is not trusted."""
        return bool(self.trusted) and _within(address, self.trusted)

    def speaks_proxy(self, address: str) -> bool:
        """Whether connections from that peer begin with a PROXY header."""
        return _within(address, self.balancers)


def _within(address: str, among: tuple[Network, ...]) -> bool:
    try:
        peer = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(peer, "ipv4_mapped", None)
    return any((mapped or peer) in network for network in among)


def networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Raises ValueError for a text that is neither an address nor a network."""
    return tuple(ip_network(text.strip(), strict=False) for text in texts if text.strip())
