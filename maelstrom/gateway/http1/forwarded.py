"""The headers that tell a component who asked: set once, the client's own kept only from trusted proxies. Pure."""

from __future__ import annotations

import re
from typing import Final

from maelstrom.gateway.wire.lines import (
    AUTHORITY,
    FORWARDED,
    FORWARDED_FOR,
    FORWARDED_HOST,
    FORWARDED_OTHER,
    FORWARDED_PROTO,
)

Special = dict[int, list[bytes]]

_PROTO: Final = re.compile(rb"https?|wss?", re.IGNORECASE)


def forwarded_lines(peer: bytes, host: bytes, scheme: bytes) -> bytes:
    """For a client that is nobody's proxy. `host` as the client sent it; empty if it sent none."""
    shown = b"X-Forwarded-Host: %b\r\n" % host if host else b""
    return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n%bForwarded: %b\r\n" % (
        peer,
        scheme,
        shown,
        _element(peer, host, scheme),
    )


def forwarded_lines_of_proxy(peer: bytes, host: bytes, scheme: bytes, special: Special) -> bytes:
    """For a trusted proxy: what it says is kept, its own address is added."""
    sent_for = [value for value in special.get(FORWARDED_FOR, ()) if value]
    protos, hosts = special.get(FORWARDED_PROTO, []), special.get(FORWARDED_HOST, [])
    proto = protos[0] if len(protos) == 1 and _PROTO.fullmatch(protos[0]) else scheme
    named = hosts[0] if len(hosts) == 1 and AUTHORITY.fullmatch(hosts[0]) else host
    elements = [value for value in special.get(FORWARDED, ()) if value]
    lines = [
        b"X-Forwarded-For: " + b", ".join([*sent_for, peer]),
        b"X-Forwarded-Proto: " + proto,
        b"Forwarded: " + b", ".join([*elements, _element(peer, host, scheme if elements else proto)]),
    ]
    if named:
        lines.append(b"X-Forwarded-Host: " + named)
    lines += special.get(FORWARDED_OTHER, [])
    return b"".join(line + b"\r\n" for line in lines)


def _element(peer: bytes, host: bytes, proto: bytes) -> bytes:
    node = b'"[%b]"' % peer if b":" in peer else peer
    shown = b'host="%b";' % host if host else b""
    return b"for=%b;%bproto=%b" % (node, shown, proto)
