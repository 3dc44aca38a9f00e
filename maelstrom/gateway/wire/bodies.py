"""Where a body ends. Chunked bodies are checked as they pass: sizes, line ends and trailers, never the data itself.

What goes on is canonical: chunk extensions are taken off, trailer lines are checked like header lines, and those that a
trailer must not carry are dropped. Bytes of an unfinished line are held back, so nothing unchecked is ever passed on.
Pure. It must not know of sockets or clocks.
"""

from __future__ import annotations

from typing import Final

from maelstrom.gateway.wire.lines import PASS, TEXT, Lines, Malformed

_HEX: Final = b"0123456789abcdefABCDEF"
_MAX_DIGITS: Final = 15  # of a chunk's size
_SIZES_KEPT: Final = 4096
_LAST_CHUNK: Final = b"0\r\n\r\n"  # where no trailers follow
MAX_SIZE_LINE: Final = 256  # bytes of a chunk's first line, with its extension
MAX_TRAILERS: Final = 16384  # bytes of all trailer lines together

# RFC 9110, 6.5.1: what decides on framing, routing, access, caching or the form of the content is no trailer.
_FORBIDDEN: Final = frozenset(
    b"accept accept-encoding age authorization cache-control content-encoding content-language content-location"
    b" content-range content-type cookie date expires if-match if-modified-since if-none-match if-range"
    b" if-unmodified-since location max-forwards pragma range retry-after set-cookie trailer traceparent vary warning"
    b" www-authenticate authentication-info origin referer x-request-id x-real-ip strict-transport-security".split()
)

_SIZE, _DATA, _DATA_END, _TRAILERS, _ENDED = range(5)
_LONGER: Final = "a chunk is longer than its size says"


class _Sizes(dict[bytes, int]):
    """First line of a chunk → its size; -1 for what is no plain one. Sizes come again and again, so they are kept."""

    def __missing__(self, digits: bytes) -> int:
        if not digits or len(digits) > _MAX_DIGITS or digits.translate(None, _HEX):
            return -1
        if len(self) >= _SIZES_KEPT:
            self.clear()
        size = self[digits] = int(digits, 16)
        return size


_SIZES: Final = _Sizes()


def whole_chunks(data: bytes, pos: int) -> tuple[int, int, bool]:
    """Passes over the chunks from `pos` on that are there to their ends and go on as they are.

    (where they end, bytes of data in them, whether that is the body's end and that of `data`).
    """
    size = 0
    last = data.endswith(_LAST_CHUNK)
    end = len(data) - len(_LAST_CHUNK) if last else len(data)
    while pos < end:
        i = data.find(b"\r\n", pos)
        n = _SIZES[data[pos:i]] if i > 0 else -1
        after = i + 2 + n
        if n <= 0 or data[after : after + 2] != b"\r\n":
            return pos, size, False
        pos = after + 2
        size += n
    return (len(data), size, True) if last and pos == end else (pos, size, False)


def ends_with_body(data: bytes, pos: int) -> bool:
    """Whether `data` from `pos` on is one chunked body that goes on as it is, and nothing else."""
    return data.endswith(_LAST_CHUNK) and whole_chunks(data, pos)[2]


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
        while self._state != _ENDED:
            if self._state == _SIZE and not self._decode:
                pos, size, last = whole_chunks(data, pos)
                self.size += size
                if last:
                    self._state = _ENDED
                if pos == len(data):
                    break
            elif self._state == _DATA:
                taken = min(self._left, len(data) - pos)
                pos += taken
                self._left -= taken
                if self._left:
                    break
                self._state = _DATA_END
            i = data.find(b"\r\n", pos)
            if i < 0:
                self._check_unfinished(data[pos:])
                break
            instead = self._line(data[pos:i])
            if instead is None:
                pos = i + 2
            else:
                out += (data[begin:pos], instead)
                begin = pos = i + 2
        goes_on = _cut(data, begin, pos)
        if out:
            goes_on = b"".join((*out, goes_on))
        rest = data[pos:]
        if self._state == _ENDED:
            return goes_on, rest
        self._held = rest
        return goes_on, None

    def _line(self, line: bytes) -> bytes | None:
        """None if the line goes on as it is, else what stands for it."""
        if self._state == _SIZE:
            return self._size_line(line)
        if line:
            if self._state == _DATA_END:
                raise Malformed(_LONGER)
            return self._trailer(line)
        self._state = _SIZE if self._state == _DATA_END else _ENDED
        return b"" if self._decode else None

    def _size_line(self, line: bytes) -> bytes | None:
        digits, extended, extension = line.partition(b";")
        size = _SIZES[digits]
        if size < 0:
            raise Malformed("a chunk size that is no hexadecimal number")
        if extended and (len(line) > MAX_SIZE_LINE or extension.translate(None, TEXT)):
            raise Malformed("a chunk extension that is too long or no text")
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

    def _check_unfinished(self, line: bytes) -> None:
        if self._state == _DATA_END and line not in (b"", b"\r"):
            raise Malformed(_LONGER)
        if len(line) > (MAX_SIZE_LINE if self._state == _SIZE else MAX_TRAILERS):
            raise Malformed("a line of a chunked body that is too long")
        if b"\n" in line:
            raise Malformed("a line end that is not CRLF")


def _cut(data: bytes, begin: int, end: int) -> bytes:
    """A slice; of all there is no copy, compiled or not."""
    return data[begin:end] if begin or end < len(data) else data
