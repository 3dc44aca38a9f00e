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


@dataclass(frozen=True, slots=True)
class AcmeAccount:
    """Who orders, at one authority."""

    directory: str  # the authority's URL
    email: str
    key: bytes = field(repr=False)  # private, PEM
    uri: str  # its name there; empty: not registered yet


@dataclass(frozen=True, slots=True)
class ExternalAccount:
    """An account at the authority's own site, which the one for orders is to belong to."""

    kid: str
    hmac_key: str = field(repr=False)  # base64url


@dataclass(frozen=True, slots=True)
class RenewalWindow:
    """When an authority wants a certificate to be renewed (RFC 9773); seconds since 1970."""

    start: float
    end: float
    ask_again_seconds: float


@dataclass(frozen=True, slots=True)
class Issued:
    """An automatic certificate as it is stored."""

    host: str
    version: int  # of what is stored; rises
    chain: bytes = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class IssuedState:
    """What is known of a host's automatic certificate, without its key. Times are seconds since 1970, 0: none."""

    host: str
    version: int
    not_after: float  # 0: it has none yet
    renew_at: float
    failures: int  # in a row
    retry_at: float
    error: str  # of the last try; empty: it went well
    changed_at: float


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """One line of what people are shown. Times are seconds since 1970."""

    host: str  # the first of its names
    names: tuple[str, ...]
    source: str  # a file's path, or `acme`
    not_after: float | None
    next_renewal: float | None  # None: nobody renews it here
    error: str
