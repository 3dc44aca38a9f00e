"""Heads of answers: read as strictly as those of requests (heads.py), so that no container can smuggle one in. Pure."""

from __future__ import annotations

from maelstrom.gateway.wire.first_lines import F_CHUNKED, F_OLD, F_UPGRADE, STATUS_LINES
from maelstrom.gateway.wire.heads import framing, read_connection
from maelstrom.gateway.wire.lines import (
    ANSWER_LINES,
    CHUNKED,
    CHUNKED_OTHERWISE,
    DROP,
    KEEP_ALIVE,
    KEPT,
    LENGTH,
    MAX_HEAD,
    PASS,
    UPGRADE,
    Malformed,
)


class AnswerHead:
    """One answer's head: `head` is status line and header lines that go on, each with its CRLF."""

    __slots__ = ("code", "end", "flags", "head", "length", "unchanged", "whole")

    def __init__(self, end: int, code: int, flags: int, length: int, head: bytes, unchanged: bool) -> None:
        self.end = end
        self.code = code
        self.flags = flags
        self.length = length
        self.head = head
        self.unchanged = unchanged  # `head` is what the container sent, byte for byte
        # The size of the whole message; 0 where its chunks say it, -1 where it has no body or ends with the connection.
        self.whole = -1
        if code >= 200 and code not in (204, 304):
            self.whole = end + length if length >= 0 else (0 if flags & F_CHUNKED else -1)


def answer_head(data: bytes) -> AnswerHead | None:
    """The head that an answer begins with; None if it is not complete yet. Raises Malformed."""
    i = data.find(b"\r\n\r\n")
    if i < 0:
        if len(data) > MAX_HEAD:
            raise Malformed("the answer's head is too large")
        if len(data) > 4 and not data.startswith(b"HTTP/"):
            raise Malformed("the answer is not HTTP/1.1")
        if data.count(b"\n") != data.count(b"\r\n"):  # else it would be waited for until the deadline
            raise Malformed("a line end of the answer's head that is not CRLF")
        return None
    if i > MAX_HEAD:
        raise Malformed("the answer's head is too large")
    lines = data[:i].split(b"\r\n")
    code, flags, lines[0] = STATUS_LINES[lines[0]]
    kinds = [PASS, *map(ANSWER_LINES.__getitem__, lines[1:])]
    special = [kind for kind in kinds if kind]
    length, flags = framing(special, flags)
    bodiless = code < 200 or code == 204
    if not flags & F_OLD and CHUNKED_OTHERWISE not in special and not (bodiless and special):  # by far the most
        others = len(special) - (length >= 0 or flags & F_CHUNKED != 0)
        if not others:
            return AnswerHead(i + 4, code, flags, length, data[: i + 2], True)
        if others == 1 and KEEP_ALIVE in special:
            del lines[kinds.index(KEEP_ALIVE)]
            lines.append(b"")
            return AnswerHead(i + 4, code, flags, length, b"\r\n".join(lines), False)
    return _cleaned_answer(i + 4, code, flags, length, lines, kinds, bodiless)


def _cleaned_answer(
    end: int, code: int, flags: int, length: int, lines: list[bytes], kinds: list[int], bodiless: bool
) -> AnswerHead:
    wants_upgrade, flags = read_connection(lines, kinds, flags)
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
