"""Whose request it is, for components that let those who wait take turns. Asked only of requests that have to wait.

An address counts as the gateway knows it: the client's own, or behind trusted proxies the one that they say. What a
client says of itself is worth no more than the header that the project has chosen.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from maelstrom.gateway.wire.lines import FORWARDED_FOR
from maelstrom.model.answer_fields import FAIR_BY_HEADER

if TYPE_CHECKING:
    from maelstrom.gateway.http1.client import Client
    from maelstrom.gateway.policy import Policy
    from maelstrom.gateway.wire.heads import RequestHead

_LONGEST_KEY: Final = 64  # bytes; of longer ones a digest is kept
_SITE_BITS: Final = 64  # of an IPv6 address: one client has all addresses that begin so


def fairness_key(by: str, client: Client, head: RequestHead) -> bytes:
    """`by`: a component's `fairness`. Requests without its header have one key together."""
    if by.startswith(FAIR_BY_HEADER):
        values = _line(by.removeprefix(FAIR_BY_HEADER)).findall(head.lines)
        key = b",".join(values)
        return key if len(key) <= _LONGEST_KEY else blake2b(key, digest_size=16).digest()
    said = head.special.get(FORWARDED_FOR) if client.trusted and head.special else None
    return client_address(client.peer, said or (), client.policy)


def client_address(peer: bytes, forwarded_for: tuple[bytes, ...] | list[bytes], policy: Policy) -> bytes:
    """The nearest address on the way here that is no trusted proxy's; `forwarded_for`: what those said."""
    address = _normal(peer)
    for said in reversed(b",".join(forwarded_for).split(b",") if forwarded_for else ()):
        near = _without_port(said.strip(b" \t"))
        shown = _normal(near)
        if not shown:
            break
        address = shown
        if not policy.trusts(near.decode("latin-1")):
            break
    return address or peer


def _without_port(address: bytes) -> bytes:
    if address.startswith(b"["):
        return address[1:].partition(b"]")[0]
    return address.partition(b":")[0] if address.count(b":") == 1 else address


def _normal(address: bytes) -> bytes:
    """In its one form, an IPv6 address without what one client may choose; empty if it is no address."""
    try:
        found = ip_address(address.decode("ascii").partition("%")[0])
    except ValueError:
        return b""
    if isinstance(found, IPv6Address):
        return (found.ipv4_mapped or found).packed[: _SITE_BITS // 8]
    return found.packed


@lru_cache(maxsize=256)
def _line(name: str) -> re.Pattern[bytes]:
    """Finds the values of a header whose name may be written with hyphens or underscores."""
    written = re.escape(name).replace(r"\-", "[-_]").encode()
    return re.compile(rb"^" + written + rb":[ \t]*([^\r]*?)[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
