"""Lines out of the engine's log stream: frames, time stamps, long lines in parts. Sans I/O: bytes in, lines out.

A frame is eight bytes of header (stream, three zeros, length) and one message of one stream (F110: the header belongs
to the frame, not to the line). The engine cuts a long line into messages, each with a time stamp of its own, and only
the last of them ends with a line feed. A container with a terminal has no frames at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

StreamName = Literal["stdout", "stderr"]

HEADER_BYTES = 8
LINE_LIMIT = 65536  # bytes; a longer line comes in parts
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?")


@dataclass(frozen=True, slots=True)
class Line:
    stream: StreamName
    at: str  # RFC 3339, when it began
    text: str


@dataclass(slots=True)
class _Open:
    """A line that has begun."""

    at: str = ""
    data: bytearray = field(default_factory=bytearray)


class LogParser:
    """Feed it what arrives, in pieces of any size; `finish` gives the lines that never ended."""

    def __init__(self, *, terminal: bool) -> None:
        self._terminal = terminal
        self._buffer = bytearray()
        self._open: dict[StreamName, _Open] = {}

    def feed(self, data: bytes) -> Iterator[Line]:
        self._buffer += data
        if self._terminal:
            yield from self._feed_terminal()
            return
        while len(self._buffer) >= HEADER_BYTES:
            end = HEADER_BYTES + int.from_bytes(self._buffer[4:HEADER_BYTES], "big")
            if len(self._buffer) < end:
                return
            stream: StreamName = "stderr" if self._buffer[0] == 2 else "stdout"
            message = bytes(self._buffer[HEADER_BYTES:end])
            del self._buffer[:end]
            yield from self._message(stream, message)

    def finish(self) -> Iterator[Line]:
        if self._terminal and self._buffer:
            yield from self._message("stdout", bytes(self._buffer))
        self._buffer.clear()
        for stream, line in self._open.items():
            if line.data:
                yield _line(stream, line.at, bytes(line.data))
        self._open.clear()

    def _feed_terminal(self) -> Iterator[Line]:
        """Here a message ends with its line feed, or where so much came without one."""
        while (end := self._buffer.find(b"\n") + 1) or len(self._buffer) >= LINE_LIMIT:
            end = end or len(self._buffer)
            message = bytes(self._buffer[:end])
            del self._buffer[:end]
            yield from self._message("stdout", message)

    def _message(self, stream: StreamName, message: bytes) -> Iterator[Line]:
        for part in _split(message):
            line = self._open.setdefault(stream, _Open())
            stamp = _STAMP.match(part)
            if stamp is not None:
                line.at = line.at or stamp[1].decode()
                part = part[stamp.end() :]
            line.data += part
            complete = line.data.endswith(b"\n")
            while len(line.data) - complete > LINE_LIMIT:
                cut = _boundary(line.data, LINE_LIMIT)
                yield _line(stream, line.at, bytes(line.data[:cut]))
                del line.data[:cut]
            if complete:
                yield _line(stream, line.at, bytes(line.data))
                del self._open[stream]


def _split(message: bytes) -> list[bytes]:
    """At line feeds only: a lone carriage return is a progress bar's, and stays in its line."""
    return [part for part in re.split(rb"(?<=\n)", message) if part]


def _boundary(data: bytearray, limit: int) -> int:
    """Where to cut so that no character is split."""
    cut = limit
    while cut > limit - 4 and data[cut] & 0xC0 == 0x80:
        cut -= 1
    return cut


def _line(stream: StreamName, at: str, data: bytes) -> Line:
    return Line(stream, at, data.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace"))
