"""The PROXY protocol's header, versions 1 and 2: what a balancer says of a connection before its first byte.

Sans I/O, and it never asks for a byte too many: `wants` is how many may be read next without reaching into what comes
after the header. Strict: what the protocol does not define is refused. It must not know who may send a header.
"""

from __future__ import annotations

import re
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from maelstrom.gateway.wire.origin import Origin

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
MAX_V1: Final = 107  # bytes, line end included
MAX_V2: Final = (
    4096  # bytes after the first 16: addresses and additions, of which a certificate's names are the longest
)
FIRST: Final = 15  # bytes: the shortest header there is, `PROXY UNKNOWN` and a line end

_V1: Final = re.compile(rb"PROXY (TCP4|TCP6) ([0-9a-fA-F:.]+) ([0-9a-fA-F:.]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})")
_LOCAL, _PROXY = 0x20, 0x21  # version 2 and the command
_ADDRESSES: Final = {0x00: 0, 0x11: 12, 0x21: 36, 0x31: 216}  # family and STREAM → bytes of addresses
_CRC32C: Final = 0x03  # an addition whose value is the checksum of the whole header


class BadProxyHeader(Exception):
    """What came is no header that is understood; the text says why."""


class ProxyHeader:
    """Reads one header. `origin`: the client's, once complete; None where the balancer speaks for itself."""

    __slots__ = ("_data", "origin", "wants")

    def __init__(self) -> None:
        self._data = b""
        self.wants = FIRST
        self.origin: Origin | None = None

    def feed(self, data: bytes) -> bool:
        """Whether the header is complete; at most `wants` bytes at a time. Raises BadProxyHeader."""
        self._data += data
        self.wants -= len(data)
        if not SIGNATURE.startswith(self._data[:12]) and not self._data.startswith(SIGNATURE):
            return self._version_1()
        if self.wants:
            return False
        return self._version_2()

    def _version_1(self) -> bool:
        data = self._data
        if not b"PROXY ".startswith(data[:6]) and not data.startswith(b"PROXY "):
            raise BadProxyHeader("it begins with no PROXY header")
        if not data.endswith(b"\r\n"):
            if b"\n" in data or b"\r" in data[:-1]:
                raise BadProxyHeader("a line of version 1 ends with CR LF")
            if not self.wants:
                if len(data) >= MAX_V1:
                    raise BadProxyHeader(f"a line of version 1 has at most {MAX_V1} bytes")
                self.wants = max(1 if data.endswith(b"\r") or len(data) > MAX_V1 - 2 else 2, _least(data) - len(data))
            return False
        if self.wants > 0 and len(data) < FIRST:
            raise BadProxyHeader("a line of version 1 is longer")
        self.wants = 0
        if data == b"PROXY UNKNOWN\r\n" or data.startswith(b"PROXY UNKNOWN "):
            return True
        match = _V1.fullmatch(data[:-2])
        if match is None:
            raise BadProxyHeader("a line of version 1 is: PROXY, TCP4 or TCP6, two addresses, two ports")
        kind, source, target, *ports = (part.decode() for part in match.groups())
        family = IPv4Address if kind == "TCP4" else IPv6Address
        try:
            self.origin = _origin(family(source), family(target), *map(int, ports))
        except ValueError as error:
            raise BadProxyHeader(f"it names no address: {error}") from error
        return True

    def _version_2(self) -> bool:
        data = self._data
        if len(data) < 16:
            self.wants = 16 - len(data)
            return False
        command, kind, length = struct.unpack_from("!BBH", data, 12)
        if command not in (_LOCAL, _PROXY):
            raise BadProxyHeader("it has neither version 2 nor a known command")
        if length > MAX_V2:
            raise BadProxyHeader(f"it has {length} bytes, at most {MAX_V2} are read")
        if len(data) < 16 + length:
            self.wants = 16 + length - len(data)
            return False
        size = _ADDRESSES.get(kind)
        if command == _LOCAL:
            size = min(length, size or 0)  # receivers take no notice of its addresses
        elif size is None:
            raise BadProxyHeader("it names neither a stream nor a known family of addresses")
        if length < size:
            raise BadProxyHeader("its addresses are cut off")
        _check_additions(data, 16 + size)
        if command == _PROXY:
            self.origin = _addresses(kind, data[16 : 16 + size])
        return True


def _least(data: bytes) -> int:
    """How long a line that begins so must be."""
    return {b"PROXY TCP4 ": 32, b"PROXY TCP6 ": 22}.get(data[:11], 0)


def _addresses(kind: int, data: bytes) -> Origin | None:
    """None for families without an address that others could use."""
    if kind == 0x11:
        return _origin(IPv4Address(data[:4]), IPv4Address(data[4:8]), *struct.unpack("!HH", data[8:]))
    if kind == 0x21:
        return _origin(IPv6Address(data[:16]), IPv6Address(data[16:32]), *struct.unpack("!HH", data[32:]))
    return None


def _origin(
    source: IPv4Address | IPv6Address, target: IPv4Address | IPv6Address, source_port: int, target_port: int
) -> Origin:
    if not (source_port <= 65535 and target_port <= 65535):
        raise ValueError("a port is above 65535")
    return Origin.of(_shown(source), _shown(target), target_port)


def _shown(address: IPv4Address | IPv6Address) -> str:
    return str(getattr(address, "ipv4_mapped", None) or address)


def _check_additions(data: bytes, at: int) -> None:
    """They are passed over, but must be whole, and a checksum among them right."""
    while at < len(data):
        if at + 3 > len(data):
            raise BadProxyHeader("an addition is cut off")
        kind, length = struct.unpack_from("!BH", data, at)
        if at + 3 + length > len(data):
            raise BadProxyHeader("an addition is cut off")
        if kind == _CRC32C:
            zeroed = data[: at + 3] + bytes(length) + data[at + 3 + length :]
            if length != 4 or int.from_bytes(data[at + 3 : at + 7], "big") != crc32c(zeroed):
                raise BadProxyHeader("its checksum is another one")
        at += 3 + length


def _crc_table() -> tuple[int, ...]:
    rows = []
    for row in range(256):
        for _ in range(8):
            row = row >> 1 ^ (0x82F63B78 if row & 1 else 0)
        rows.append(row)
    return tuple(rows)


_CRC: Final = _crc_table()


def crc32c(data: bytes) -> int:
    """Castagnoli's checksum, which the standard library does not have."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF
