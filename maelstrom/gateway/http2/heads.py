"""Heads of HTTP/2 as heads of HTTP/1.1, and back: every message passes the same strict reader, whatever it came in.

A request is written down as HTTP/1.1 and read by `wire/heads.py`, so that what is refused, cleaned and routed there is
so here. Refused already here is what breaks the rules of HTTP/2 (RFC 9113, 8.2 and 8.3), and what would make it another
message when written down; nothing is repaired. Pure. It must not know of frames, streams or sockets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from maelstrom.gateway.wire.lines import TARGET, TEXT, TOKEN, Malformed

Fields = Sequence[tuple[bytes, bytes]]

# What speaks of one connection only (RFC 9113, 8.2.2).
_OF_CONNECTION: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"http2-settings")
)
BROKEN: Final = "broken"  # the code of a Malformed that breaks a rule of HTTP/2 itself
_GRPC: Final = re.compile(rb"application/grpc(?:[+;].*)?", re.IGNORECASE)
_SMALL: Final = TOKEN.translate(None, bytes(range(65, 91)))  # what names are made of
_NO_NAME: Final = frozenset((*range(0x21), *range(0x41, 0x5B), 0x3A, *range(0x7F, 0x100)))
_PSEUDO: Final = frozenset((b":method", b":scheme", b":authority", b":path", b":protocol"))
_STATUS: Final = re.compile(rb"[1-9][0-9][0-9]")


class RequestText:
    """A request's head as HTTP/1.1, and how its body comes."""

    __slots__ = ("chunked", "grpc", "head", "is_head", "length")

    def __init__(self, head: bytes, *, length: int, chunked: bool, is_head: bool, grpc: bool) -> None:
        self.head = head
        self.length = length  # -1 without Content-Length
        self.chunked = chunked
        self.is_head = is_head
        self.grpc = grpc


def request_text(fields: Fields, *, ended: bool) -> RequestText:
    """`ended`: nothing follows the head. Raises Malformed."""
    pseudo: dict[bytes, bytes] = {}
    lines: list[bytes] = []
    cookies: list[bytes] = []
    host = length = None
    grpc = False
    for number, (name, value) in enumerate(fields):
        if name[:1] == b":":
            if number != len(pseudo) or name in pseudo or name not in _PSEUDO:  # all before it must be such, too
                raise _broken("a pseudo-header that is none, stands there twice, or stands too late")
            _check_value(value)
            pseudo[name] = value
            continue
        _check(name, value)
        if name == b"cookie":
            cookies.append(value)
            continue
        if name == b"host":
            if host is not None:
                raise Malformed("more than one Host")
            host = value
            continue
        if name == b"content-length":
            if length is not None:
                raise Malformed("more than one Content-Length")
            length = value
        elif name == b"content-type":
            grpc = _GRPC.fullmatch(value) is not None
        lines.append(b"%b: %b\r\n" % (name, value))
    if cookies:
        lines.append(b"cookie: %b\r\n" % b"; ".join(cookies))
    first, left = _first_lines(pseudo, host), _length(length)
    if ended and left > 0:
        raise Malformed("a Content-Length without a body")
    if chunked := not ended and left < 0:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    head = b"%b%b\r\n" % (first, b"".join(lines))
    return RequestText(head, length=left, chunked=chunked, is_head=pseudo[b":method"] == b"HEAD", grpc=grpc)


def _first_lines(pseudo: dict[bytes, bytes], host: bytes | None) -> bytes:
    """Request line and Host."""
    method, path, scheme = pseudo.get(b":method"), pseudo.get(b":path"), pseudo.get(b":scheme")
    if method == b"CONNECT" and path is None and scheme is None and b":protocol" not in pseudo:
        raise Malformed("CONNECT is for proxies")
    if method is None or scheme is None or not path:
        raise _broken("a request without method, scheme or path")
    if b":protocol" in pseudo:
        raise _broken("a protocol, which only an extended CONNECT has; that is not offered", so=method != b"CONNECT")
    if not method or method == b"CONNECT" or method.translate(None, TOKEN):
        raise Malformed("the method is none that has a path")
    if scheme.lower() not in (b"https", b"http"):
        raise Malformed("the scheme is neither https nor http")
    if path.translate(None, TARGET) or not (path.startswith(b"/") or (path == b"*" and method == b"OPTIONS")):
        raise Malformed("the path is none")
    authority = pseudo.get(b":authority", host)
    if authority is None or (host is not None and host != authority):
        raise _broken("no authority, or another one than the Host")
    if not authority or authority.translate(None, TARGET):
        raise Malformed("the authority is none")
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (method, path, authority)


def _broken(reason: str, *, so: bool = True) -> Malformed:
    return Malformed(reason, BROKEN) if so else Malformed(reason)


def _length(value: bytes | None) -> int:
    if value is None:
        return -1
    if not value.isdigit() or len(value) > 18:
        raise Malformed("a Content-Length that is no number")
    return int(value)


def _check(name: bytes, value: bytes) -> None:
    if not name or name.translate(None, _SMALL):
        so = not name or not _NO_NAME.isdisjoint(name)
        raise _broken("a header name that is no token in small letters", so=so)
    if name in _OF_CONNECTION or (name == b"te" and value.lower() != b"trailers"):
        raise _broken("a header of HTTP/1.1's connections")
    _check_value(value)


def _check_value(value: bytes) -> None:
    if value.translate(None, TEXT) or value.strip(b" \t") != value:
        so = value.strip(b" \t") != value or not _ENDS_LINES.isdisjoint(value)
        raise _broken("a control character in a header, or white space around its value", so=so)


_ENDS_LINES: Final = frozenset(b"\0\r\n")


def request_fields(head: bytes) -> list[tuple[bytes, bytes]]:
    """A head that the gateway sends to a component, as HTTP/2. What it says of the connection is left out."""
    first, _, rest = head.partition(b"\r\n")
    method, path, _ = first.split(b" ")
    fields = header_fields(rest)
    host = next((value for name, value in fields if name == b"host"), b"")
    return [
        (b":method", method),
        (b":scheme", b"http"),
        (b":authority", host),
        (b":path", path),
        *(field for field in fields if field[0] != b"host"),
    ]


class AnswerFields:
    """A head that the gateway sends to a client, as HTTP/2. It has been checked: this only reads it."""

    __slots__ = ("chunked", "code", "end", "fields", "length")

    def __init__(self, data: bytes, end: int) -> None:
        self.end = end  # offset after the empty line
        first, _, rest = data[: end - 2].partition(b"\r\n")
        self.code = int(first[9:12])
        self.fields = [(b":status", first[9:12]), *header_fields(rest)]
        length = next((value for name, value in self.fields if name == b"content-length"), None)
        self.length = -1 if length is None else int(length)
        self.chunked = length is None and b"\r\ntransfer-encoding:" in data[:end].lower()


def answer_fields(data: bytes) -> AnswerFields | None:
    """The head that `data` begins with; None if it is not complete yet."""
    end = data.find(b"\r\n\r\n")
    return None if end < 0 else AnswerFields(data, end + 4)


def header_fields(lines: bytes) -> list[tuple[bytes, bytes]]:
    """Checked header lines, each with its CRLF."""
    fields = []
    for line in lines.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon and (low := name.lower()) not in _OF_CONNECTION:
            fields.append((low, value.strip(b" \t")))
    return fields


def answer_text(fields: Fields, *, ended: bool, bodiless: bool) -> tuple[bytes, bool]:
    """(an answer's head as HTTP/1.1, whether its body is to be written in chunks). Raises Malformed.

    `ended`: nothing follows. `bodiless`: the request was a HEAD.
    """
    status, length = b"", None
    grpc = False
    lines: list[bytes] = []
    for number, (name, value) in enumerate(fields):
        if not number and name == b":status":
            status = value
            continue
        _check(name, value)
        if name == b"content-length":
            if length is not None:
                raise Malformed("more than one Content-Length in the answer")
            length = value
            continue
        grpc = grpc or (name == b"content-type" and _GRPC.fullmatch(value) is not None)
        lines.append(b"%b: %b\r\n" % (name, value))
    if not _STATUS.fullmatch(status) or status == b"101":
        raise Malformed("the answer's status is none, or none of HTTP/2")
    left = _length(length)
    bodiless = bodiless or status in (b"204", b"304") or status < b"200"
    if ended and not bodiless and left > 0:
        raise Malformed("an answer without the body that it speaks of")
    chunked = not ended and not bodiless and (left < 0 or grpc)  # gRPC's trailers need chunks; its lengths nobody
    if chunked:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    elif left >= 0:
        lines.append(b"Content-Length: %d\r\n" % left)
    elif not bodiless:
        lines.append(b"Content-Length: 0\r\n")
    return b"HTTP/1.1 %b \r\n%b\r\n" % (status, b"".join(lines)), chunked


def chunk(data: bytes) -> bytes:
    """Data as one chunk; none for none, because an empty chunk is the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def last_chunk(trailers: Fields) -> bytes:
    """The end of a chunked body. Raises Malformed."""
    lines = []
    for name, value in trailers:
        _check(name, value)
        lines.append(b"%b: %b\r\n" % (name, value))
    return b"0\r\n%b\r\n" % b"".join(lines)
