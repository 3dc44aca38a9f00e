"""The project file as it was written: UTF-8 text, its variables pasted in, and for any place of the result the line of
the file that it came from.

Variables are pasted into the raw text, comments included, before any YAML is read; a value with line breaks shifts what
follows, so lines are never counted in the result. It must not know of YAML.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Mapping

from maelstrom.model.errors import InvalidInput, Problem
from maelstrom.model.rules import shown

MAX_BYTES = 1 << 20  # of the file, and of what the variables make of it

_LINE_END = re.compile(r"\r\n|\r|\n")
# what YAML does not allow in a stream, surrogates and byte order marks inside the text among it
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


class Written:
    """`text` is what YAML gets to read."""

    def __init__(self, raw: str, environ: Mapping[str, str], file: str) -> None:
        self.file = file
        self._lines = _line_starts(raw)
        self._starts = array("Q", [0])  # where pieces of the result begin
        self._origins = array("Q", [0])  # where they come from
        self._pasted = bytearray(1)  # 1: all of the piece comes from that one place
        self.text = self._paste(raw, environ)
        self._result_lines = _line_starts(self.text)
        if bad := _FORBIDDEN.search(self.text):
            raise self.refusal(bad.start(), f"has the character U+{ord(bad[0]):04X}, which YAML does not allow")

    @classmethod
    def read(cls, content: str | bytes, *, file: str, environ: Mapping[str, str]) -> Written:
        """Raises InvalidInput for a file that is too large or no text."""
        raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        if len(raw) > MAX_BYTES:
            raise _refusal(file, 1, f"the file has over {MAX_BYTES} bytes")
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = len(_line_starts(raw[: error.start].decode("utf-8", "replace")))
            raise _refusal(file, line, f"the byte 0x{raw[error.start]:02X} is not UTF-8", "save it as UTF-8") from error
        return cls(text, environ, file)

    def line_at(self, offset: int) -> int:
        """The file's line, from 1, that an offset into `text` comes from."""
        piece = bisect_right(self._starts, offset) - 1
        origin = self._origins[piece] + (0 if self._pasted[piece] else offset - self._starts[piece])
        return bisect_right(self._lines, origin)

    def line_after(self, offset: int, count: int) -> int:
        """The file's line of what stands `count` lines of `text` further on."""
        index = bisect_right(self._result_lines, offset) - 1 + count
        return self.line_at(self._result_lines[min(index, len(self._result_lines) - 1)])

    def refusal(self, offset: int, message: str, hint: str = "") -> InvalidInput:
        """The error for a file that cannot be read on from here."""
        return _refusal(self.file, self.line_at(offset), message, hint)

    def _paste(self, raw: str, environ: Mapping[str, str]) -> str:
        """One pass from left to right: what was pasted is not looked at again."""
        parts: list[str] = []
        size = done = at = 0
        while (start := raw.find("${", at)) >= 0 and (end := raw.find("}", start)) >= 0:
            at = end + 1
            if end == start + 2:  # `${}` stays as it is
                continue
            escaped = start > done and raw[start - 1] == "$"
            begin = start - 1 if escaped else start
            value = raw[start:at] if escaped else _value(raw[start + 2 : end], environ)
            parts += raw[done:begin], value
            size += begin - done
            self._piece(size, begin, pasted=True)
            size += len(value)
            self._piece(size, at, pasted=False)
            done = at
            if size > MAX_BYTES:
                break
        parts.append(raw[done:])
        if size + len(raw) - done > MAX_BYTES:
            raise _refusal(self.file, 1, f"with its variables the file has over {MAX_BYTES} characters")
        return "".join(parts)

    def _piece(self, start: int, origin: int, *, pasted: bool) -> None:
        self._starts.append(start)
        self._origins.append(origin)
        self._pasted.append(pasted)


def _value(token: str, environ: Mapping[str, str]) -> str:
    """What stands for `${token}`: `NAME`, `NAME:text if unset`, `NAME:-text if unset or empty`."""
    name, colon, default = token.partition(":")
    value = environ.get(name)
    if colon and default.startswith("-"):
        return value or default[1:]
    return default if value is None else value


def _line_starts(text: str) -> array[int]:
    return array("Q", _offsets(text))


def _offsets(text: str) -> Iterable[int]:
    yield 0
    for found in _LINE_END.finditer(text):
        yield found.end()


def _refusal(file: str, line: int, message: str, hint: str = "") -> InvalidInput:
    problem = Problem("", message, hint, file=file, line=line)
    return InvalidInput(f"{shown(file)} cannot be read", problems=(problem,))
