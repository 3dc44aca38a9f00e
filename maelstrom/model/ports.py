"""`ports` and `ulimits` as the project file writes them, read once here for its check and for the engine's request.

Docker's short syntax: `[ip:][host:]container[/protocol]`, both ports may be ranges. Pure text.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
PROTOCOLS = ("tcp", "udp", "sctp")

ULIMITS = (
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime", "sigpending", "stack",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PortBinding:
    """One port of the container and where it is published."""

    container: int
    protocol: str = "tcp"
    host_ip: str = ""  # empty: all addresses of the host
    host_port: str = ""  # empty: a free one; `first-last`: a free one of these

    @property
    def key(self) -> str:
        """The engine's name of the container's port: `8080/tcp`."""
        return f"{self.container}/{self.protocol}"

    @property
    def fixes_host_port(self) -> bool:
        """Whether a second container with the same binding could not run on the same host."""
        return bool(self.host_port) and "-" not in self.host_port


@dataclass(frozen=True, slots=True)
class PortSpan:
    """One entry of `ports` as it is written: a range may stand for tens of thousands of bindings."""

    container: tuple[int, int]
    protocol: str = "tcp"
    host_ip: str = ""
    host: tuple[int, int] = (0, 0)  # zeros: free ones

    @property
    def fixes_host_port(self) -> bool:
        return self.host[0] > 0 and self.host[1] - self.host[0] == self.container[1] - self.container[0]

    @property
    def bindings(self) -> tuple[PortBinding, ...]:
        first, last = self.container
        ports = range(first, last + 1)
        if not self.fixes_host_port:
            host_port = _range_text(self.host) if self.host[0] else ""
            return tuple(PortBinding(port, self.protocol, self.host_ip, host_port) for port in ports)
        offset = self.host[0] - first
        return tuple(PortBinding(port, self.protocol, self.host_ip, str(port + offset)) for port in ports)


@dataclass(frozen=True, slots=True)
class Ulimit:
    name: str
    soft: int
    hard: int


def parse_ports(text: str) -> tuple[PortBinding, ...]:
    """The bindings of one entry: a range of container ports gives several. Raises ValueError with the reason."""
    return parse_port_span(text).bindings


def parse_port_span(text: str) -> PortSpan:
    """One entry, its ranges not spelled out. Raises ValueError with the reason."""
    rest, slash, protocol = text.strip().partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in PROTOCOLS:
        raise ValueError(f"`{protocol}` is no protocol; tcp, udp or sctp")
    host_ip, host, container = _split(rest)
    inner = _port_range(container, "container")
    if host in ("", "0"):
        return PortSpan(inner, protocol, host_ip)
    outer = _port_range(host, "host")
    if inner[0] != inner[1] and outer[1] - outer[0] != inner[1] - inner[0]:
        raise ValueError(f"the ranges {host} and {container} are not of the same length")
    return PortSpan(inner, protocol, host_ip, outer)


def fixes_host_port(entries: Iterable[str]) -> bool:
    """Whether two containers with these `ports` could not run on one host. The entries are valid."""
    return any(parse_port_span(entry).fixes_host_port for entry in entries)


def clashes(spans: Iterable[tuple[int, PortSpan]]) -> list[tuple[int, int, str]]:
    """Entries that bind what an earlier one binds: (index, index of the other, the port)."""
    inside: dict[str, list[tuple[int, int, int]]] = {}
    outside: dict[str, list[tuple[int, int, int]]] = {}
    for index, span in spans:
        inside.setdefault(f"container port {{}}/{span.protocol}", []).append((*span.container, index))
        if span.fixes_host_port:
            outside.setdefault(f"host port {span.host_ip}:{{}}/{span.protocol}", []).append((*span.host, index))
    found: list[tuple[int, int, str]] = []
    for text, ranges in (*inside.items(), *outside.items()):
        ranges.sort()
        furthest = ranges[0]
        for current in ranges[1:]:
            if current[0] <= furthest[1]:
                pair = sorted((current[2], furthest[2]))
                found.append((pair[1], pair[0], text.format(current[0])))
            furthest = max(furthest, current, key=lambda each: each[1])
    return sorted(found)


def parse_ulimit(text: str) -> Ulimit:
    """`name=soft[:hard]`, -1 is unlimited. Raises ValueError with the reason."""
    name, equals, values = text.strip().partition("=")
    if not equals:
        raise ValueError("must be written `name=soft[:hard]`")
    if name not in ULIMITS:
        raise ValueError(f"`{name}` is no limit that the engine knows; one of {', '.join(ULIMITS)}")
    soft_text, colon, hard_text = values.partition(":")
    soft = _limit(soft_text)
    hard = _limit(hard_text) if colon else soft
    if hard != -1 and (soft == -1 or soft > hard):
        raise ValueError(f"the soft limit {soft_text} is over the hard limit {hard_text}")
    return Ulimit(name, soft, hard)


def _split(text: str) -> tuple[str, str, str]:
    """(ip, host port, container port); an IPv6 address stands in brackets."""
    host_ip = ""
    if text.startswith("["):
        host_ip, bracket, text = text[1:].partition("]")
        if not bracket or not text.startswith(":"):
            raise ValueError("an IPv6 address must stand in brackets, then `:`")
        parts = [host_ip, *text[1:].split(":")]
    else:
        parts = text.split(":")
    if len(parts) > 3:
        raise ValueError("too many `:`; `[ip:][host:]container[/protocol]`, an IPv6 address in brackets")
    if len(parts) == 3:
        host_ip = _address(parts[0])
    elif host_ip:
        raise ValueError("an address needs a host port or `::` before the container's port")
    host = parts[-2] if len(parts) > 1 else ""
    if len(parts) == 2 and not host:
        raise ValueError("the host port before `:` is missing")
    return host_ip, host, parts[-1]


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"`{text}` is no IP address") from None


def _port_range(text: str, which: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f"`{text}` is no {which} port or range of ports")
    first = int(match[1])
    last = int(match[2] or match[1])
    if not 1 <= first <= last <= 65535:
        raise ValueError(f"the {which} port `{text}` is not within 1 and 65535, or its range runs backwards")
    return first, last


def _range_text(ports: tuple[int, int]) -> str:
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"


def _limit(text: str) -> int:
    if not re.fullmatch(r"-1|[0-9]{1,18}", text):
        raise ValueError(f"`{text}` is no limit; a whole number, or -1 for unlimited")
    return int(text)
