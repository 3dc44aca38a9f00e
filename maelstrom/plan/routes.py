"""Which component a request is for, by host and path. Built when rules change, asked for each request.

Works on the bytes as they came: the path without its query, percent-encoding untouched. It must not know of sources,
registries or requests: a rule's target is whatever the caller likes.

The most specific rule wins: one with a host before one without, then the longer prefix. Prefixes are whole segments:
`/foo` covers `/foo` and `/foo/x`, never `/foobar`; `/foo/` covers what begins with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

_SLASH = 0x2F


@dataclass(frozen=True, slots=True)
class RouteEntry(Generic[T]):
    """One rule. `hostname`: as an http source has it, empty for any host; `pathprefix`: empty for any path.

    One that is not enabled leads nowhere, and is known only to be told from one that there never was.
    """

    hostname: str
    pathprefix: str
    stripprefix: bool
    target: T
    enabled: bool = True


class Match(NamedTuple, Generic[T]):
    target: T
    strip: bytes  # to be cut off the path's beginning; if no slash is left in front, one is put there


# Prefix lengths, the longest first, and the rules by prefix: a look-up per length, however many rules there are.
_Prefixes = tuple[tuple[int, ...], dict[bytes, Match[T]]]


class RouteTable(Generic[T]):
    """Immutable; `build` a new one when rules change. Of rules that are equal the first one wins.

    `hidden` has the targets of the others, each with the one that wins.
    """

    __slots__ = ("_any_host", "_disabled", "_hosts", "hidden")

    def __init__(
        self,
        hosts: dict[bytes, _Prefixes[T]],
        any_host: _Prefixes[T],
        hidden: tuple[tuple[T, T], ...],
        disabled: RouteTable[T] | None,
    ) -> None:
        self._hosts = hosts
        self._any_host = any_host
        self._disabled = disabled
        self.hidden = hidden

    @classmethod
    def build(cls, entries: Iterable[RouteEntry[T]]) -> RouteTable[T]:
        """A rule with neither host nor prefix matches nothing."""
        disabled: list[RouteEntry[T]] = []
        hosts: dict[bytes, dict[bytes, Match[T]]] = {b"": {}}
        hidden: list[tuple[T, T]] = []
        for entry in entries:
            if not entry.enabled:
                disabled.append(replace(entry, enabled=True))
                continue
            host, prefix = _host_key(entry.hostname.encode()), entry.pathprefix.encode()
            if host or prefix:
                match = Match(entry.target, prefix if entry.stripprefix else b"")
                winner = hosts.setdefault(host, {}).setdefault(prefix, match)
                if winner is not match:
                    hidden.append((entry.target, winner.target))
        tables = {host: _by_length(rules) for host, rules in hosts.items()}
        any_host = tables.pop(b"")
        return cls(tables, any_host, tuple(hidden), cls.build(disabled) if disabled else None)

    def lookup(self, host: bytes, path: bytes) -> Match[T] | None:
        """`host`: the Host header or authority as sent, with or without port; `path`: as sent, without the query."""
        if self._hosts:
            rules = self._hosts.get(host) or self._hosts.get(_host_key(host))
            if rules is not None:
                found = _longest(rules, path)
                if found is not None:
                    return found
        return _longest(self._any_host, path)

    def is_disabled(self, host: bytes, path: bytes) -> bool:
        """Whether there is a rule for what `lookup` found none, only that it is not enabled."""
        return self._disabled is not None and self._disabled.lookup(host, path) is not None


def _by_length(rules: dict[bytes, Match[T]]) -> _Prefixes[T]:
    return tuple(sorted({len(prefix) for prefix in rules}, reverse=True)), rules


def _longest(rules: _Prefixes[T], path: bytes) -> Match[T] | None:
    lengths, by_prefix = rules
    size = len(path)
    for length in lengths:
        if length > size:
            continue
        found = by_prefix.get(path[:length])
        # the prefix must end where a segment of the path ends
        if found is not None and (length in (0, size) or path[length] == _SLASH or path[length - 1] == _SLASH):
            return found
    return None


def _host_key(host: bytes) -> bytes:
    """Lower case, no port, no brackets, no dot at the end; an IPv6 address in its one form."""
    if host.startswith(b"["):
        return _ipv6_key(host[1:].partition(b"]")[0])
    if host.count(b":") > 1:
        return _ipv6_key(host)
    return host.partition(b":")[0].lower().removesuffix(b".")


def _ipv6_key(address: bytes) -> bytes:
    try:
        return IPv6Address(address.decode("ascii")).compressed.encode()
    except ValueError:
        return address.lower()
