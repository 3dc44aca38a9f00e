"""Where a body ends. Chunked bodies are checked as they pass: sizes, line ends and trailers, never the data itself.

What goes on is canonical: chunk extensions are taken off, trailer lines are checked like header lines, and those that a
trailer must not carry are dropped. Bytes of an unfinished line are held back, so nothing unchecked is ever passed on.
Pure. It must not know of sockets or clocks.
"""

from __future__ import annotations

from typing import Final

from maelstrom.gateway.lines import PASS, TEXT, Lines, Malformed

_HEX: Final = b"0123456789abcdefABCDEF"
MAX_SIZE_LINE: Final = 256  # bytes of a chunk's first line, with its extension
MAX_TRAILERS: Final = 16384  # bytes of all trailer lines together

# RFC 9110, 6.5.1: what decides on framing, routing, access, caching or the form of the content is no trailer.
_FORBIDDEN: Final = frozenset(
    b"accept accept-encoding age authorization cache-control content-encoding content-language content-location"
    b" content-range content-type cookie date expires if-match if-modified-since if-none-match if-range"
    b" if-unmodified-since location max-forwards pragma range retry-after set-cookie trailer traceparent vary warning"
    b" www-authenticate authentication-info origin referer x-request-id x-real-ip strict-transport-security".split()
)

_SIZE, _DATA, _DATA_END, _TRAILERS = range(4)


class CountedBody:
    """One body with Content-Length as it passes. `size` counts its bytes so far."""

    __slots__ = ("_length", "size")

    def __init__(self, length: int) -> None:
        self._length = length
        self.size = 0

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """(what goes on, None while the body lasts, else what follows it)."""
        left = self._length - self.size
        if len(data) < left:
            self.size += len(data)
            return data, None
        self.size = self._length
        return data[:left], data[left:]


class ChunkedBody:
    """One chunked body as it passes. `size` counts the bytes of its data so far."""

    __slots__ = ("_decode", "_held", "_left", "_lines", "_state", "_trailers", "kept", "size")

    def __init__(self, lines: Lines, *, decode: bool = False) -> None:
        self._lines = lines
        self._decode = decode  # only the data goes on: the reader knows no chunks
        self._state = _SIZE
        self._left = 0  # bytes of the current chunk still to come
        self._held = b""  # an unfinished line
        self._trailers = 0
        self.kept: list[bytes] = []  # trailer lines, of a body that is decoded
        self.size = 0

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """(what goes on, None while the body lasts, else what follows it). Raises Malformed."""
        if self._held:
            data = self._held + data
            self._held = b""
        out: list[bytes] = []
        pos = begin = 0  # data[begin:pos] goes on unchanged
        end = len(data)
        while True:
            if self._state == _DATA:
                if end - pos < self._left:
                    self._left -= end - pos
                    pos = end
                    break
                pos += self._left
                self._state = _DATA_END
            elif self._state == _DATA_END:
                crlf = data[pos : pos + 2]
                if crlf != b"\r\n":
                    if not b"\r\n".startswith(crlf):
                        raise Malformed("a chunk is longer than its size says")
                    break
                if self._decode:
                    out.append(data[begin:pos])
                    begin = pos + 2
                pos += 2
                self._state = _SIZE
            else:
                i = data.find(b"\r\n", pos)
                if i < 0:
                    self._check_unfinished(data, pos)
                    break
                if self._state == _SIZE:
                    exact = self._size_line(data[pos:i])
                elif i == pos:
                    if not self._decode:
                        pos = i + 2
                    out.append(_cut(data, begin, pos))
                    return b"".join(out) if len(out) > 1 else out[0], data[i + 2 :]
                else:
                    exact = self._trailer(data[pos:i])
                if exact is None:
                    pos = i + 2
                else:
                    out += (data[begin:pos], exact)
                    begin = pos = i + 2
        self._held = data[pos:]
        out.append(_cut(data, begin, pos))
        return b"".join(out) if len(out) > 1 else out[0], None

    def _size_line(self, line: bytes) -> bytes | None:
        """None if the line goes on as it is, else what stands for it."""
        digits, extended, extension = line.partition(b";")
        if not digits or len(digits) > 15 or digits.translate(None, _HEX):
            raise Malformed("a chunk size that is no hexadecimal number")
        if extended and (len(line) > MAX_SIZE_LINE or extension.translate(None, TEXT)):
            raise Malformed("a chunk extension that is too long or no text")
        size = int(digits, 16)
        self.size += size
        self._left = size
        self._state = _DATA if size else _TRAILERS
        if self._decode:
            return b""
        return digits + b"\r\n" if extended else None

    def _trailer(self, line: bytes) -> bytes | None:
        self._trailers += len(line) + 2
        if self._trailers > MAX_TRAILERS:
            raise Malformed("too many trailers")
        kind = self._lines[line]
        name = line.partition(b":")[0].lower().replace(b"_", b"-")
        if kind != PASS or name in _FORBIDDEN:
            return b""
        if self._decode:
            self.kept.append(line)
            return b""
        return None

    def _check_unfinished(self, data: bytes, pos: int) -> None:
        limit = MAX_SIZE_LINE if self._state == _SIZE else MAX_TRAILERS
        if len(data) - pos > limit:
            raise Malformed("a line of a chunked body that is too long")
        if b"\n" in data[pos:]:
            raise Malformed("a line end that is not CRLF")


def _cut(data: bytes, begin: int, end: int) -> bytes:
    """A slice; of all there is no copy, compiled or not."""
    return data[begin:end] if begin or end < len(data) else data
