"""What each line of a head means: strict grammar (RFC 9112), and bounded memories of lines that were seen before.

Almost every header line of a client has come before, so a line is checked and classified once and then only looked up.
Lines that differ from request to request (cookies, ids) are never remembered, and a memory that is full is emptied: no
client makes it grow. Pure: bytes in, a kind out. It must not know of sockets, clocks or what a proxy does with a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

MAX_HEAD: Final = 65536  # bytes of a head, its empty line included
MAX_LINES: Final = 512

# Kinds of header lines. Up to KEPT they stay in the head; from LENGTH on: "Content-Length: n" is LENGTH + n.
PASS: Final = 0
HOST: Final = 1
CHUNKED: Final = 2
REQUEST_ID: Final = 3
EXPECT: Final = 4
KEPT: Final = 4
DROP: Final = 5
CLOSE: Final = 6
KEEP_ALIVE: Final = 7
CONNECTION: Final = 8  # several options, or the name of a header
CONNECTION_UPGRADE: Final = 9
UPGRADE: Final = 10
TE_TRAILERS: Final = 11
CHUNKED_OTHERWISE: Final = 12  # an answer's "Chunked": the canonical line takes its place
FORWARDED_FOR: Final = 13
FORWARDED_PROTO: Final = 14
FORWARDED_HOST: Final = 15
FORWARDED: Final = 16
FORWARDED_OTHER: Final = 17  # X-Forwarded-Port and the like
COMPONENT: Final = 18
DEADLINE: Final = 19
TIMING: Final = 20
LENGTH: Final = 64

TOKEN: Final = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
TEXT: Final = bytes([9, *range(32, 127), *range(128, 256)])  # a line without its CRLF
TARGET: Final = bytes(c for c in range(33, 127) if c != 35)  # "#" never belongs in a request

_HOP: Final = {
    b"connection": CONNECTION,
    b"keep-alive": DROP,
    b"proxy-connection": DROP,
    b"proxy-authenticate": DROP,
    b"proxy-authorization": DROP,
    b"upgrade": UPGRADE,
    b"transfer-encoding": CHUNKED,
    b"content-length": LENGTH,
}
REQUEST_NAMES: Final = {
    **_HOP,
    b"host": HOST,
    b"expect": EXPECT,
    b"te": TE_TRAILERS,
    b"http2-settings": DROP,
    b"proxy": DROP,  # CGI would make it HTTP_PROXY
    b"x-request-id": REQUEST_ID,
    b"x-real-ip": FORWARDED_OTHER,
    b"x-forwarded-for": FORWARDED_FOR,
    b"x-forwarded-proto": FORWARDED_PROTO,
    b"x-forwarded-host": FORWARDED_HOST,
    b"forwarded": FORWARDED,
    b"x-server-timing": TIMING,
    b"maelstrom-component": COMPONENT,
    b"maelstrom-deadline": DEADLINE,
}
ANSWER_NAMES: Final = {**_HOP, b"te": DROP, b"http2-settings": DROP}

# A header that changes how the message is read. Never dropped because Connection names it, never with an underscore.
FRAMING: Final = frozenset((b"host", b"content-length", b"transfer-encoding"))
# These differ per message, or are nobody's to remember.
_UNCACHED: Final = frozenset(
    (b"cookie", b"set-cookie", b"x-request-id", b"traceparent", b"tracestate", b"etag", b"last-modified",
     b"if-none-match", b"if-modified-since", b"maelstrom-deadline", b"idempotency-key")
)  # fmt: skip
_OPTIONS: Final = {b"close": CLOSE, b"keep-alive": KEEP_ALIVE, b"upgrade": CONNECTION_UPGRADE}
# A host, with a port or without. No name is longer, and it goes on several times, in forwarding headers.
AUTHORITY: Final = re.compile(rb"(?:[A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_UPGRADE: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:/[!#$%&'*+.^_`|~0-9A-Za-z-]+)?")
SANE_ID: Final = re.compile(rb" *[A-Za-z0-9._:/+=@-]{1,128}")
_REMEMBERED: Final = 256  # bytes of the longest line that is
_REMEMBERED_NAME: Final = 64


class Malformed(Exception):
    """A message that is not unambiguous HTTP/1.1. `code` is the gateway's error code, the text says what is wrong."""

    def __init__(self, reason: str, code: str = "bad_request") -> None:
        super().__init__(reason)
        self.code = code


class Lines(dict[bytes, int]):
    """Header line (without CRLF) → kind. Looking up an unknown line checks it; Malformed if it cannot be accepted."""

    def __init__(self, names: Mapping[bytes, int], *, request: bool, size: int = 4096) -> None:
        super().__init__()
        self._names = _Names(names, request=request)
        self._request = request
        self._size = size

    def __missing__(self, line: bytes) -> int:
        name, colon, value = line.partition(b":")
        if not colon:
            raise Malformed("a header line without a colon, or folded")
        kind, cached = self._names[name]
        if line.translate(None, TEXT):
            raise Malformed("a control character in a header line")
        if kind in _READERS:
            kind = _READERS[kind](value)
            if kind == CHUNKED_OTHERWISE and self._request:
                raise Malformed("a transfer coding other than chunked")
            cached = cached and kind < 1 << 16
        if cached and len(line) <= _REMEMBERED:
            if len(self) >= self._size:
                self.clear()
            self[line] = kind
        return kind


class _Names(dict[bytes, tuple[int, bool]]):
    """Header name as sent → (kind, may its lines be remembered)."""

    def __init__(self, special: Mapping[bytes, int], *, request: bool) -> None:
        super().__init__()
        self._special = special
        self._request = request

    def __missing__(self, name: bytes) -> tuple[int, bool]:
        if not name or name.translate(None, TOKEN):
            raise Malformed("a header name that is no token")
        low = name.lower()
        plain = low.replace(b"_", b"-")  # many servers read both as the same
        if plain != low and (plain in FRAMING or plain == b"connection"):
            raise Malformed("a header name that some servers read as another one")
        kind = self._special.get(plain, PASS)
        if kind == PASS:
            if plain.startswith(b"maelstrom-"):
                kind = DROP
            elif self._request and plain.startswith(b"x-forwarded-"):
                kind = FORWARDED_OTHER
        elif plain != low:
            kind = DROP
        got = (kind, plain not in _UNCACHED)
        if len(name) <= _REMEMBERED_NAME:
            if len(self) >= 2048:
                self.clear()
            self[name] = got
        return got


# What the value of a line makes of its kind. Other white space than spaces is a part of a value to some parsers.


def _length(value: bytes) -> int:
    digits = value.strip(b" ")
    if not digits.isdigit() or len(digits) > 18:
        raise Malformed("a Content-Length that is no number")
    return LENGTH + int(digits)


def _coding(value: bytes) -> int:
    coding = value.strip(b" ")
    if coding == b"chunked":
        return CHUNKED
    if coding.lower() == b"chunked":
        return CHUNKED_OTHERWISE
    raise Malformed("a transfer coding other than chunked")


def _host(value: bytes) -> int:
    host = value.lstrip(b" ")
    if host and not AUTHORITY.fullmatch(host):
        raise Malformed("the Host is neither a name nor an address")
    return HOST


def _connection(value: bytes) -> int:
    return _OPTIONS.get(value.strip(b" \t").lower(), CONNECTION)


def _upgrade(value: bytes) -> int:
    """An upgrade to another HTTP or to TLS would be a second way in, past all rules: it is not offered on."""
    for protocol in value.lstrip(b" ").split(b","):
        name = protocol.strip(b" \t")
        if not _UPGRADE.fullmatch(name) or name.lower().startswith((b"h2", b"http", b"tls")):
            return DROP
    return UPGRADE


def _te(value: bytes) -> int:
    return TE_TRAILERS if b"trailers" in _options(value) else DROP


def _request_id(value: bytes) -> int:
    return REQUEST_ID if SANE_ID.fullmatch(value) else DROP


def _expect(value: bytes) -> int:
    if value.lstrip(b" ").lower() != b"100-continue":
        raise Malformed("an expectation other than 100-continue")
    return EXPECT


def _options(value: bytes) -> list[bytes]:
    return [part.partition(b";")[0].strip(b" \t").lower() for part in value.split(b",")]


def connection_options(line: bytes) -> list[bytes]:
    """The options of one Connection line, in lower case."""
    options = [option for option in _options(line.partition(b":")[2]) if option]
    for option in options:
        if option.translate(None, TOKEN) or option in FRAMING:
            raise Malformed("a Connection header that names what it must not")
    return options


_READERS: Final[dict[int, Callable[[bytes], int]]] = {
    LENGTH: _length,
    CHUNKED: _coding,
    HOST: _host,
    CONNECTION: _connection,
    UPGRADE: _upgrade,
    TE_TRAILERS: _te,
    REQUEST_ID: _request_id,
    EXPECT: _expect,
}
REQUEST_LINES: Final = Lines(REQUEST_NAMES, request=True)
ANSWER_LINES: Final = Lines(ANSWER_NAMES, request=False)
