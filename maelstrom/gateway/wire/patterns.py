"""Heads that differ from one before only in their first line and in values that differ each time (ids, cookies).

A connection's next head is most often such a one: then the lines in between need no more than a comparison. Whatever a
pattern reads, `request_head` reads alike; what does not fit is left to that. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maelstrom.gateway.wire.first_lines import F_ID, F_OLD, FIRST_LINES
from maelstrom.gateway.wire.heads import RequestHead
from maelstrom.gateway.wire.lines import (
    CHUNKED,
    HOST,
    KEEP_ALIVE,
    LENGTH,
    MAX_HEAD,
    PASS,
    REQUEST_ID,
    REQUEST_LINES,
    SANE_ID,
    TEXT,
)

if TYPE_CHECKING:
    from maelstrom.gateway.http1.requests import Prepared

_STEADY: Final = frozenset((PASS, HOST, REQUEST_ID, KEEP_ALIVE, CHUNKED))
_CHANGING_MAX: Final = 4


class Pattern:
    """One head with gaps: what stands between them, as it comes (`_sent`) and as it goes on (`_kept`)."""

    __slots__ = ("_begin", "_flags", "_ids", "_kept", "_sent", "head")

    def __init__(self, head: RequestHead, sent: list[bytes], kept: list[bytes], ids: list[bool], first: bytes) -> None:
        self.head = head  # the one that it was made of
        self._begin = first + sent[0]  # all before the first gap, where the first line is the same, too
        self._sent = sent
        self._kept = kept
        self._ids = ids  # which of the gaps is an X-Request-Id
        self._flags = head.flags & ~head.first.flags

    @classmethod
    def of(cls, raw: bytes, head: RequestHead) -> Pattern | None:
        """None if `head`, which came as `raw`, is not of the simple kind that this is worth while for."""
        if head.special is not None or head.flags & F_OLD or head.first.authority:
            return None
        sent, kept, ids = [b"\r\n"], [b""], []
        for line in raw[:-4].split(b"\r\n")[1:]:
            kind = REQUEST_LINES[line]
            if (kind not in _STEADY and kind < LENGTH) or (kind == REQUEST_ID and not head.flags & F_ID):
                return None
            if line in REQUEST_LINES or kind not in (PASS, REQUEST_ID):
                sent[-1] += line + b"\r\n"
                kept[-1] += b"" if kind == KEEP_ALIVE else line + b"\r\n"
                continue
            name = line.partition(b":")[0] + b":"
            sent[-1] += name
            kept[-1] += name
            ids.append(kind == REQUEST_ID)
            sent.append(b"\r\n")
            kept.append(b"\r\n")
        sent[-1] += b"\r\n"
        fits = len(ids) <= _CHANGING_MAX and len(raw) <= MAX_HEAD
        return cls(head, sent, kept, ids, raw[: raw.index(b"\r\n")]) if fits else None

    def read(self, data: bytes) -> RequestHead | None:
        """What `request_head` reads in `data`; None if it does not fit. Raises Malformed for a bad first line."""
        line_end = data.find(b"\r\n")
        sent = self._sent
        if line_end < 0 or not data.startswith(sent[0], line_end):
            return None
        parts = [self._kept[0]]
        pos = self._fill(data, line_end + len(sent[0]), parts)
        if not pos:
            return None
        base = self.head
        first = FIRST_LINES[data[:line_end]]
        if first is not base.first and (first.flags & F_OLD or first.authority):
            return None
        return RequestHead(pos, first, first.flags | self._flags, base.length, base.host, b"".join(parts), None)

    def again(self, prepared: Prepared, data: bytes) -> bool:
        """Makes `prepared`, which is of `head`, what `data` makes of it; False, and nothing done, if that does not fit.

        Only while no request is under way: what is known of the last one is written over.
        """
        begin = self._begin
        if not data.startswith(begin):
            return False
        parts = [self._kept[0]]
        pos = self._fill(data, len(begin), parts)
        if not pos:
            return False
        head, way = self.head, prepared.way
        head.end = pos
        head.lines = lines = b"".join(parts)
        prepared.raw = data if pos == len(data) else data[:pos]
        prepared.forward = b"".join((way.before, lines, way.after))
        return True

    def _fill(self, data: bytes, pos: int, parts: list[bytes]) -> int:
        """Reads the gaps from `pos` on, adds them and what stands between them to `parts`; the head's end, 0: none."""
        sent, kept = self._sent, self._kept
        for n, is_id in enumerate(self._ids, 1):
            value_end = data.find(b"\r\n", pos)
            if value_end < 0 or not data.startswith(sent[n], value_end):
                return 0
            value = data[pos:value_end]
            if SANE_ID.fullmatch(value) is None if is_id else value.translate(None, TEXT):
                return 0
            parts += (value, kept[n])
            pos = value_end + len(sent[n])
        return pos if pos <= MAX_HEAD else 0
