"""Heads of requests: bytes in; what goes on, how the body is framed and a few flags out, or `Malformed`.

The safety proof of the gateway: what is accepted here is exactly what RFC 9112 calls unambiguous, nothing is repaired,
so that every parser behind reads the same message. Pure. It must not know of sockets, clocks, routes or components.
"""

from __future__ import annotations

import re
from typing import Final

from maelstrom.gateway.wire.first_lines import (
    F_CHUNKED,
    F_EXPECT,
    F_ID,
    F_KEEP,
    F_NO_HOST,
    F_OLD,
    F_UPGRADE,
    FIRST_LINES,
    FirstLine,
)
from maelstrom.gateway.wire.lines import (
    CHUNKED,
    CHUNKED_OTHERWISE,
    CLOSE,
    CONNECTION,
    CONNECTION_UPGRADE,
    DROP,
    EXPECT,
    FORWARDED_FOR,
    FORWARDED_OTHER,
    HOST,
    KEEP_ALIVE,
    KEPT,
    LENGTH,
    MAX_HEAD,
    MAX_LINES,
    PASS,
    REQUEST_ID,
    REQUEST_LINES,
    TARGET,
    TE_TRAILERS,
    UPGRADE,
    Malformed,
    connection_options,
)

REMEMBERED_HEAD: Final = 2048  # bytes of the longest head that a connection remembers
_REQUEST_ID: Final = re.compile(rb"^x-request-id:[ ]*([^\r]*)\r$", re.IGNORECASE | re.MULTILINE)
_OPTION_KINDS: Final = ((CLOSE, b"close"), (KEEP_ALIVE, b"keep-alive"), (CONNECTION_UPGRADE, b"upgrade"))
# What most heads consist of besides lines that mean nothing here → flags.
_USUAL: Final = {
    (HOST,): F_KEEP,
    (HOST, KEEP_ALIVE): F_KEEP,
    (KEEP_ALIVE, HOST): F_KEEP,
    (HOST, REQUEST_ID): F_KEEP | F_ID,
    (REQUEST_ID, HOST): F_KEEP | F_ID,
    (HOST, KEEP_ALIVE, REQUEST_ID): F_KEEP | F_ID,
    (HOST, REQUEST_ID, KEEP_ALIVE): F_KEEP | F_ID,
}


class RequestHead:
    """One request's head. `lines` are the header lines that go on, each with its CRLF. Changed by patterns.py alone."""

    __slots__ = ("end", "first", "flags", "host", "length", "lines", "special")

    def __init__(
        self,
        end: int,
        first: FirstLine,
        flags: int,
        length: int,
        host: bytes,
        lines: bytes,
        special: dict[int, list[bytes]] | None,
    ) -> None:
        self.end = end  # offset after the empty line
        self.first = first
        self.flags = flags
        self.length = length  # -1 without Content-Length
        self.host = host  # as sent
        self.lines = lines
        self.special = special  # kind → values of lines that the gateway itself reads

    @property
    def has_body(self) -> bool:
        return self.length > 0 or bool(self.flags & F_CHUNKED)

    @property
    def request_id(self) -> bytes:
        """The id that the client gave; empty if none."""
        found = _REQUEST_ID.search(self.lines) if self.flags & F_ID else None
        return found[1] if found else b""


def request_head(data: bytes) -> RequestHead | None:
    """The head that `data` begins with; None if it is not complete yet. Raises Malformed as soon as that is certain."""
    i = data.find(b"\r\n\r\n")
    if i < 0:
        _check_beginning(data)
        return None
    if i > MAX_HEAD - 4:
        raise Malformed("the head is too large", "head_too_large")
    j = data.find(b"\r\n")
    first = FIRST_LINES[data[:j]]
    lines = data[j + 2 : i].split(b"\r\n") if j < i else []
    if len(lines) > MAX_LINES:
        raise Malformed("the head has too many lines", "head_too_large")
    kinds = list(map(REQUEST_LINES.__getitem__, lines))
    usual = _USUAL.get(tuple(filter(None, kinds)))
    if usual is None or first.flags & F_OLD or first.authority:
        return _special_head(data[j + 2 : i + 2], i + 4, first, lines, kinds)
    host = lines[kinds.index(HOST)][5:].lstrip(b" ")
    if KEEP_ALIVE in kinds:
        del lines[kinds.index(KEEP_ALIVE)]
        lines.append(b"")
        kept = b"\r\n".join(lines)
    else:
        kept = data[j + 2 : i + 2]
    return RequestHead(i + 4, first, first.flags | usual, -1, host, kept, None)


def _special_head(raw: bytes, end: int, first: FirstLine, lines: list[bytes], kinds: list[int]) -> RequestHead:
    """A head with lines that mean something here; `raw`: all its header lines."""
    special = [kind for kind in kinds if kind]
    length, flags = framing(special, first.flags)
    if special.count(HOST) > 1:
        raise Malformed("more than one Host")
    host = lines[kinds.index(HOST)][5:].lstrip(b" ") if HOST in special else None
    if REQUEST_ID in special:
        flags |= F_ID
    usual = (host is not None) + (REQUEST_ID in special) + (length >= 0 or flags & F_CHUNKED != 0)
    unchanged = len(special) == usual  # no line but these, each once
    if first.authority:
        if host is None and flags & F_OLD:
            host = first.authority
            lines.append(b"Host: " + host)
            kinds.append(HOST)
            unchanged = False
        elif host is None or first.authority.lower() != host.lower():
            raise Malformed("the target's authority is not the Host")
    if host is None:
        if not flags & F_OLD:
            raise Malformed("no Host")
        flags |= F_NO_HOST
        host = b""
    if not flags & F_OLD:
        flags |= F_KEEP
    if unchanged:
        return RequestHead(end, first, flags, length, host, raw, None)
    return _cleaned(end, first, flags, length, host, lines, kinds)


def framing(kinds: list[int], flags: int) -> tuple[int, int]:
    """(Content-Length, -1 without; the flags, with F_CHUNKED). Raises Malformed where two readers could differ."""
    length = -1
    for kind in kinds:
        if kind >= LENGTH:
            if length >= 0:
                raise Malformed("more than one Content-Length")
            length = kind - LENGTH
        elif kind in (CHUNKED, CHUNKED_OTHERWISE):
            if flags & F_CHUNKED:
                raise Malformed("more than one Transfer-Encoding")
            flags |= F_CHUNKED
    if flags & F_CHUNKED and (length >= 0 or flags & F_OLD):
        raise Malformed("a Transfer-Encoding beside a Content-Length, or in HTTP/1.0")
    return length, flags


def _cleaned(
    end: int, first: FirstLine, flags: int, length: int, host: bytes, lines: list[bytes], kinds: list[int]
) -> RequestHead:
    """The head without what goes no further."""
    special: dict[int, list[bytes]] | None = None
    wants_upgrade, flags = read_connection(lines, kinds, flags)
    extra: list[bytes] = []
    body = length > 0 or flags & F_CHUNKED
    for n, kind in enumerate(kinds):
        if kind >= FORWARDED_FOR and kind < LENGTH:
            special = {} if special is None else special
            value = lines[n] if kind == FORWARDED_OTHER else lines[n].partition(b":")[2].strip(b" \t")
            special.setdefault(kind, []).append(value)
        elif kind == TE_TRAILERS:
            extra = [b"TE: trailers"]
        elif kind == EXPECT:
            # Without a body, or in HTTP/1.0, it has no meaning (RFC 9110, 10.1.1), and some servers then wait for one.
            if body and not flags & F_OLD:
                flags |= F_EXPECT
            else:
                kinds[n] = DROP
    if kinds.count(REQUEST_ID) > 1:
        flags &= ~F_ID
        kinds = [DROP if kind == REQUEST_ID else kind for kind in kinds]
    if kinds.count(EXPECT) > 1:
        raise Malformed("more than one Expect")
    if wants_upgrade and not body and not flags & F_OLD and kinds.count(UPGRADE) == 1:
        flags |= F_UPGRADE
        extra += [b"Connection: Upgrade", lines[kinds.index(UPGRADE)]]
    kept = [line for line, kind in zip(lines, kinds, strict=True) if kind <= KEPT or kind >= LENGTH]
    kept += extra
    kept.append(b"")
    return RequestHead(end, first, flags, length, host, b"\r\n".join(kept), special)


def read_connection(lines: list[bytes], kinds: list[int], flags: int) -> tuple[bool, int]:
    """Reads the Connection lines: drops the headers that they name; (upgrade is wanted, flags with KEEP decided)."""
    options = {option for kind, option in _OPTION_KINDS if kind in kinds}
    if CONNECTION in kinds:
        for n, kind in enumerate(kinds):
            if kind == CONNECTION:
                options.update(connection_options(lines[n]))
    named = options - {b"close", b"keep-alive", b"upgrade", b"te"}
    if named:
        for n, kind in enumerate(kinds):
            if kind in (PASS, REQUEST_ID) and lines[n].partition(b":")[0].lower() in named:
                kinds[n] = DROP
                if kind == REQUEST_ID:
                    flags &= ~F_ID
    if b"close" in options:
        flags &= ~F_KEEP
    elif b"keep-alive" in options:
        flags |= F_KEEP
    return b"upgrade" in options, flags


def _check_beginning(data: bytes) -> None:
    """Refuses at once what can never become a head, so that nobody waits for the time-out."""
    if len(data) > MAX_HEAD - 4:
        raise Malformed("the head is too large", "head_too_large")
    lines = data.count(b"\r\n")
    if data.count(b"\n") != lines or data.count(b"\r") - data.endswith(b"\r") != lines:
        raise Malformed("a line end that is not CRLF")
    first, complete, _ = data.partition(b"\r\n")
    if complete:
        _ = FIRST_LINES[first]
    elif first.rstrip(b"\r").translate(None, TARGET + b" "):
        raise Malformed("this is not HTTP/1.1")
