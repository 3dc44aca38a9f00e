"""A TLS certificate as the parts hand it to each other: text, key and what was read from it. Reads nothing itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NAME = re.compile(r"(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A chain with its private key, both as PEM. Times are seconds since 1970."""

    names: tuple[str, ...]  # DNS names in small letters; `*.` stands for one label
    chain: bytes = field(repr=False)  # its own certificate first
    key: bytes = field(repr=False)
    not_before: float
    not_after: float
    serial: str  # hexadecimal
    origin: str  # for people: a file's path, or `acme`


def dns_name(text: str) -> str | None:
    """A host's name as certificates spell it: small letters, no dot at the end; None if it is none."""
    name = text.lower().removesuffix(".")
    return name if len(name) <= 253 and _NAME.fullmatch(name) else None
