"""Request lines and status lines, checked strictly (RFC 9112, 3 and 4), and the flags that describe a head.

Pure. What was seen before is remembered, within bounds (see lines.py).
"""

from __future__ import annotations

import re
from typing import Final

from maelstrom.gateway.wire.lines import AUTHORITY, Malformed

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
# A token; anything visible in ASCII but "#", which never belongs in a request.
_REQUEST: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21\x22\x24-\x7e]+) HTTP/1\.([01])")
_ABSOLUTE: Final = re.compile(rb"[Hh][Tt][Tt][Pp]://([^/?]+)(|[/?].*)")
_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?")
_REMEMBERED: Final = 128  # bytes of the longest line that is


class FirstLine:
    """A request line. `target` is in origin form (or `*`), `path` is it without the query, both as sent."""

    __slots__ = ("authority", "flags", "method", "path", "target")

    def __init__(self, line: bytes) -> None:
        match = _REQUEST.fullmatch(line)
        if match is None:
            raise Malformed("the request line is not: method, target, HTTP/1.1")
        self.method, target, minor = match.groups()
        self.flags = _METHODS.get(self.method, 0) | (F_OLD if minor == b"0" else 0)
        if self.method == b"CONNECT":
            raise Malformed("CONNECT is for proxies")
        self.authority = b""
        if not target.startswith(b"/"):
            target = self._other_form(target)
        self.target = target
        self.path = target.partition(b"?")[0]

    def _other_form(self, target: bytes) -> bytes:
        if target == b"*" and self.method == b"OPTIONS":
            return target
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None or not AUTHORITY.fullmatch(absolute[1]):
            raise Malformed("the target is neither a path nor an http:// URL")
        self.authority, rest = absolute.groups()
        return rest if rest.startswith(b"/") else b"/" + rest


class _RequestLines(dict[bytes, FirstLine]):
    def __missing__(self, line: bytes) -> FirstLine:
        first = FirstLine(line)
        if len(line) <= _REMEMBERED:
            if len(self) >= 2048:
                self.clear()
            self[line] = first
        return first


class _StatusLines(dict[bytes, tuple[int, int, bytes]]):
    """Status line → (code, flags, the line as it goes on)."""

    def __missing__(self, line: bytes) -> tuple[int, int, bytes]:
        match = _STATUS.fullmatch(line)
        if match is None:
            raise Malformed("the answer's status line is not: version, code, reason")
        if match[1] == b"0":
            got = (int(match[2]), F_OLD, b"HTTP/1.1 %b %b" % (match[2], match[3] or b""))
        else:
            got = (int(match[2]), F_KEEP, line)
        if len(line) <= _REMEMBERED:
            if len(self) >= 512:
                self.clear()
            self[line] = got
        return got


FIRST_LINES: Final = _RequestLines()
STATUS_LINES: Final = _StatusLines()
