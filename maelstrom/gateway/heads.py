"""Heads of requests and answers: bytes in; what goes on, how the body is framed and a few flags out, or `Malformed`.

The safety proof of the gateway: what is accepted here is exactly what RFC 9112 calls unambiguous, nothing is repaired,
so that every parser behind reads the same message. Pure. It must not know of sockets, clocks, routes or components.
"""

from __future__ import annotations

import re
from typing import Final

from maelstrom.gateway.lines import (
    ANSWER_LINES,
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
    TOKEN,
    UPGRADE,
    Malformed,
    connection_options,
)

# Flags of heads.
F_KEEP: Final = 1  # the connection may be used again
F_HEAD: Final = 2  # method HEAD: the answer has no body
F_OLD: Final = 4  # HTTP/1.0
F_CHUNKED: Final = 8
F_UPGRADE: Final = 16  # wants, or does, an upgrade; Connection and Upgrade are in `lines`
F_EXPECT: Final = 32  # waits for 100 before it sends the body
F_ID: Final = 64  # has one sane X-Request-Id, which is in `lines`
F_IDEMPOTENT: Final = 128  # sending it twice does what sending it once does
F_NO_HOST: Final = 256  # HTTP/1.0 without Host

_METHODS: Final = {
    b"GET": F_IDEMPOTENT,
    b"HEAD": F_IDEMPOTENT | F_HEAD,
    b"OPTIONS": F_IDEMPOTENT,
    b"PUT": F_IDEMPOTENT,
    b"DELETE": F_IDEMPOTENT,
    b"TRACE": F_IDEMPOTENT,
}
_ABSOLUTE: Final = re.compile(rb"[Hh][Tt][Tt][Pp]://([A-Za-z0-9.\[\]:_~-]+)(.*)")
_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?")


class FirstLine:
    """A request line. `target` is in origin form (or `*`), `path` is it without the query, both as sent."""

    __slots__ = ("authority", "flags", "method", "path", "target")

    def __init__(self, line: bytes) -> None:
        parts = line.split(b" ")
        if len(parts) != 3:
            raise Malformed("the request line is not: method, target, version")
        self.method, target, version = parts
        if not self.method or len(self.method) > 32 or self.method.translate(None, TOKEN):
            raise Malformed("the method is no token")
        if target.translate(None, TARGET):
            raise Malformed("a character in the target that must be percent-encoded")
        if version == b"HTTP/1.1":
            self.flags = _METHODS.get(self.method, 0)
        elif version == b"HTTP/1.0":
            self.flags = _METHODS.get(self.method, 0) | F_OLD
        else:
            raise Malformed("the version is neither HTTP/1.1 nor HTTP/1.0")
        self.authority = b""
        if not target.startswith(b"/"):
            target = self._other_form(target)
        self.target = target
        self.path = target.partition(b"?")[0]

    def _other_form(self, target: bytes) -> bytes:
        if target == b"*" and self.method == b"OPTIONS":
            return target
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None or self.method == b"CONNECT":
            raise Malformed("the target is neither a path nor an http:// URL")
        self.authority, rest = absolute.groups()
        if not rest.startswith((b"/", b"?")) and rest:
            raise Malformed("the target's authority is not clear")
        return rest if rest.startswith(b"/") else b"/" + rest


class _FirstLines(dict[bytes, FirstLine]):
    def __missing__(self, line: bytes) -> FirstLine:
        first = FirstLine(line)
        if len(line) <= 128:
            if len(self) >= 2048:
                self.clear()
            self[line] = first
        return first


class RequestHead:
    """One request's head. `lines` are the header lines that go on, each with its CRLF. Not changed once made."""

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


class AnswerHead:
    """One answer's head: `head` is status line and header lines that go on, each with its CRLF."""

    __slots__ = ("code", "end", "flags", "head", "length", "unchanged")

    def __init__(self, end: int, code: int, flags: int, length: int, head: bytes, unchanged: bool) -> None:
        self.end = end
        self.code = code
        self.flags = flags
        self.length = length
        self.head = head
        self.unchanged = unchanged  # `head` is what the container sent, byte for byte


_FIRST_LINES: Final = _FirstLines()
_STATUS_LINES: dict[bytes, tuple[int, int, bytes]] = {}


def request_head(data: bytes) -> RequestHead | None:
    """The head that `data` begins with; None if it is not complete yet. Raises Malformed as soon as that is certain."""
    i = data.find(b"\r\n\r\n")
    if i < 0:
        _check_beginning(data)
        return None
    if i > MAX_HEAD - 4:
        raise Malformed("the head is too large", "head_too_large")
    lines = data[:i].split(b"\r\n")
    first = _FIRST_LINES[lines[0]]
    if len(lines) > MAX_LINES:
        raise Malformed("the head has too many lines", "head_too_large")
    begin = len(lines[0]) + 2
    del lines[0]
    kinds = list(map(REQUEST_LINES.__getitem__, lines))
    flags = first.flags
    length = -1
    host = None
    drop = False
    for n, kind in enumerate(kinds):
        if kind:
            if kind == HOST:
                if host is not None:
                    raise Malformed("more than one Host")
                host = lines[n][5:].lstrip(b" ")
            elif kind == REQUEST_ID and not flags & F_ID:
                flags |= F_ID
            elif kind >= LENGTH:
                if length >= 0:
                    raise Malformed("more than one Content-Length")
                length = kind - LENGTH
            elif kind == CHUNKED:
                if flags & F_CHUNKED:
                    raise Malformed("more than one Transfer-Encoding")
                flags |= F_CHUNKED
            else:
                drop = True
    if flags & F_CHUNKED and (length >= 0 or flags & F_OLD):
        raise Malformed("a Transfer-Encoding beside a Content-Length, or in HTTP/1.0")
    if first.authority:
        if host is None and flags & F_OLD:
            host = first.authority
            lines.append(b"Host: " + host)
            kinds.append(HOST)
            drop = True
        elif host is None or first.authority.lower() != host.lower():
            raise Malformed("the target's authority is not the Host")
    if host is None:
        if not flags & F_OLD:
            raise Malformed("no Host")
        flags |= F_NO_HOST
        host = b""
    if not flags & F_OLD:
        flags |= F_KEEP
    if drop:
        return _cleaned(i + 4, first, flags, length, host, lines, kinds)
    return RequestHead(i + 4, first, flags, length, host, data[begin : i + 2] if lines else b"", None)


def _cleaned(
    end: int, first: FirstLine, flags: int, length: int, host: bytes, lines: list[bytes], kinds: list[int]
) -> RequestHead:
    """The head without what goes no further."""
    special: dict[int, list[bytes]] | None = None
    wants_upgrade, flags = _connection(lines, kinds, flags)
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


def _connection(lines: list[bytes], kinds: list[int], flags: int) -> tuple[bool, int]:
    """Reads the Connection lines: drops the headers that they name; (upgrade is wanted, flags with KEEP decided)."""
    options: set[bytes] = set()
    for n, kind in enumerate(kinds):
        if kind == CLOSE:
            options.add(b"close")
        elif kind == KEEP_ALIVE:
            options.add(b"keep-alive")
        elif kind == CONNECTION_UPGRADE:
            options.add(b"upgrade")
        elif kind == CONNECTION:
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
        _ = _FIRST_LINES[first]
    elif first.rstrip(b"\r").translate(None, TARGET + b" "):
        raise Malformed("this is not HTTP/1.1")


def answer_head(data: bytes) -> AnswerHead | None:
    """The head that an answer begins with; None if it is not complete yet. Raises Malformed."""
    i = data.find(b"\r\n\r\n")
    if i < 0:
        if len(data) > MAX_HEAD:
            raise Malformed("the answer's head is too large")
        if len(data) > 4 and not data.startswith(b"HTTP/"):
            raise Malformed("the answer is not HTTP/1.1")
        return None
    if i > MAX_HEAD:
        raise Malformed("the answer's head is too large")
    lines = data[:i].split(b"\r\n")
    code, flags, status = _STATUS_LINES.get(lines[0]) or _status(lines[0])
    lines[0] = status
    kinds = [PASS, *map(ANSWER_LINES.__getitem__, lines[1:])]
    length = -1
    drop = bool(flags & F_OLD)
    for kind in kinds:
        if kind:
            if kind >= LENGTH:
                if length >= 0:
                    raise Malformed("more than one Content-Length in the answer")
                length = kind - LENGTH
            elif kind in (CHUNKED, CHUNKED_OTHERWISE):
                if flags & F_CHUNKED:
                    raise Malformed("more than one Transfer-Encoding in the answer")
                flags |= F_CHUNKED
                drop = drop or kind == CHUNKED_OTHERWISE
            else:
                drop = True
    if flags & F_CHUNKED and (length >= 0 or flags & F_OLD):
        raise Malformed("a Transfer-Encoding beside a Content-Length, or in HTTP/1.0, in the answer")
    bodiless = code < 200 or code == 204
    if not drop and not (bodiless and (length >= 0 or flags & F_CHUNKED)):
        return AnswerHead(i + 4, code, flags, length, data[: i + 2], True)
    return _cleaned_answer(i + 4, code, flags, length, lines, kinds, bodiless)


def _cleaned_answer(
    end: int, code: int, flags: int, length: int, lines: list[bytes], kinds: list[int], bodiless: bool
) -> AnswerHead:
    wants_upgrade, flags = _connection(lines, kinds, flags)
    canonical = CHUNKED_OTHERWISE in kinds
    if bodiless:
        # Such an answer has no body whatever its head says, and must not say it (RFC 9112, 6.1 and 6.3).
        kinds = [DROP if kind == CHUNKED or kind >= LENGTH else kind for kind in kinds]
        flags &= ~F_CHUNKED
        length, canonical = -1, False
    kept = [line for line, kind in zip(lines, kinds, strict=True) if kind <= KEPT or kind >= LENGTH]
    if canonical:
        kept.append(b"Transfer-Encoding: chunked")
    if code in (101, 426) and wants_upgrade and kinds.count(UPGRADE) == 1:
        if code == 101:
            flags |= F_UPGRADE
        kept += [b"Connection: Upgrade", lines[kinds.index(UPGRADE)]]
    kept.append(b"")
    return AnswerHead(end, code, flags, length, b"\r\n".join(kept), False)


def _status(line: bytes) -> tuple[int, int, bytes]:
    match = _STATUS.fullmatch(line)
    if match is None:
        raise Malformed("the answer's status line is not: version, code, reason")
    if len(_STATUS_LINES) >= 512:
        _STATUS_LINES.clear()
    old = match[1] == b"0"
    shown = b"HTTP/1.1 %b %b" % (match[2], match[3] or b"")
    got = (int(match[2]), F_OLD if old else F_KEEP, shown if old else line)
    if len(line) <= 128:
        _STATUS_LINES[line] = got
    return got
