"""What a project adds to answers, made ready once for all its routes: headers, and pages for the gateway's own answers.

Pure: heads of answers in, heads of answers out. Routes of projects that add nothing have none of these.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from maelstrom.model.project_answers import ProjectAnswers

_CHARSET: Final = {"text/html": b"; charset=utf-8", "text/plain": b"; charset=utf-8", "application/json": b""}


class Additions:
    """Of one project. `pages`: status → (content type, body)."""

    __slots__ = ("_added", "_if_missing", "_taken_out", "pages")

    def __init__(self, answers: ProjectAnswers) -> None:
        replaced = [header for header in answers.responseheaders if not header.ifmissing]
        self._taken_out = _lines_of([header.name for header in replaced]) if replaced else None
        self._added = b"".join(_line(header.name, header.value) for header in replaced if header.value)
        self._if_missing = [
            (_lines_of([header.name]), _line(header.name, header.value))
            for header in answers.responseheaders
            if header.ifmissing
        ]
        self.pages = {
            int(status): (page.contenttype.encode() + _CHARSET[page.contenttype], page.body.encode())
            for status, page in answers.errorpages.items()
        }

    def headed(self, head: bytes) -> bytes:
        """`head`: a status line and header lines, each with its CRLF; the same with this project's headers."""
        if self._taken_out is not None:
            head = self._taken_out.sub(b"", head) + self._added
        for lines, line in self._if_missing:
            if not lines.search(head):
                head += line
        return head


def _line(name: str, value: str) -> bytes:
    return f"{name}: {value}\r\n".encode()


def _lines_of(names: list[str]) -> re.Pattern[bytes]:
    """Matches whole header lines with one of these names, however they are spelled."""
    written = "|".join("[-_]".join(map(re.escape, re.split("[-_]", name))) for name in names)
    return re.compile(rb"^(?:" + written.encode() + rb"):[^\r\n]*\r\n", re.IGNORECASE | re.MULTILINE)
