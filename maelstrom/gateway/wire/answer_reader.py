"""One answer of a container read to its end, for who does not pass it on: by the same strict rules. Pure.

It must not know of connections, nor who asked what.
"""

from __future__ import annotations

from typing import Final

from maelstrom.gateway.wire.answer_heads import AnswerHead, answer_head
from maelstrom.gateway.wire.bodies import ChunkedBody
from maelstrom.gateway.wire.first_lines import F_CHUNKED, F_KEEP
from maelstrom.gateway.wire.lines import ANSWER_LINES, Malformed
from maelstrom.model.errors import UpstreamBroken

INTERIMS_MAX: Final = 128  # 1xx answers to one request; more keep the loop busy for nobody


class AnswerReader:
    """Implements `activation.link.Reader`. Of the body `most` bytes are kept in `body`; `size` counts all of it."""

    __slots__ = ("_begin", "_chunks", "_head", "_interims", "_left", "_method", "_most", "body", "keep", "size")

    def __init__(self, method: str, most: int) -> None:
        self.body = b""
        self.size = 0
        self.keep = False  # the container keeps the connection after this answer
        self._method = method
        self._most = most
        self._begin = b""  # of a head that is not complete
        self._head: AnswerHead | None = None
        self._interims = 0
        self._left = 0  # bytes of a counted body still to come; -1: it ends with the connection
        self._chunks: ChunkedBody | None = None

    @property
    def status(self) -> int:
        """0 before there is an answer."""
        return 0 if self._head is None else self._head.code

    @property
    def headers(self) -> dict[str, str]:
        """Names in lower case; of repeated ones the first. Values are Latin-1. Without those of the connection."""
        found: dict[str, str] = {}
        if self._head is not None:
            for line in self._head.head.decode("latin-1").split("\r\n")[1:-1]:
                name, _, value = line.partition(":")
                found.setdefault(name.lower(), value.strip(" \t"))
        return found

    def feed(self, data: bytes) -> bool:
        """Whether this was the answer's end. Raises UpstreamBroken where it is none."""
        try:
            if self._head is None:
                rest = self._read_heads(self._begin + data if self._begin else data)
                return rest is not None and self._read_body(rest)
            return self._read_body(data)
        except Malformed as malformed:
            raise UpstreamBroken(str(malformed)) from malformed

    def ended(self) -> bool:
        """The connection has ended, in order: whether the answer is whole."""
        return self._head is not None and self._left < 0

    def _read_heads(self, data: bytes) -> bytes | None:
        """What follows the answer's own head; None if that is not complete yet."""
        while (head := answer_head(data)) is not None:
            if head.code >= 200:
                self._head, self._begin = head, b""
                self._frame(head)
                return data[head.end :]
            if head.code == 101:
                raise Malformed("an upgrade that nobody asked for")
            self._interims += 1
            if self._interims > INTERIMS_MAX:
                raise Malformed(f"more than {INTERIMS_MAX} interim answers")
            data = data[head.end :]
        self._begin = data
        return None

    def _frame(self, head: AnswerHead) -> None:
        self.keep = head.flags & F_KEEP != 0
        if self._method == "HEAD" or head.code in (204, 304):
            self._left = 0
        elif head.length >= 0:
            self._left = head.length
        elif head.flags & F_CHUNKED:
            self._chunks = ChunkedBody(ANSWER_LINES, decode=True)
        else:
            self._left, self.keep = -1, False

    def _read_body(self, data: bytes) -> bool:
        if self._chunks is not None:
            out, rest = self._chunks.feed(data)
            self._take(out)
            self.keep = self.keep and not rest
            return rest is not None
        if self._left < 0:
            self._take(data)
            return False
        if len(data) > self._left:
            data, self.keep = data[: self._left], False  # more than it said: not to be trusted with another request
        self._left -= len(data)
        self._take(data)
        return not self._left

    def _take(self, data: bytes) -> None:
        if self.size < self._most:
            self.body = self.body + data[: self._most - self.size] if self.size else data[: self._most]
        self.size += len(data)
