"""What a handler gives back when it is not simply a value to be sent as JSON with status 200."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """A value with another status, or with fields of the head."""

    value: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Lines:
    """One JSON object a line (NDJSON), as they come; blank lines in between say that the server is there."""

    rows: AsyncIterator[Mapping[str, Any]]
    headers: Mapping[str, str] = field(default_factory=dict)
