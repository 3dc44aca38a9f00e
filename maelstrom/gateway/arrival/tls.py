"""Which certificate a host gets, and the TLS contexts made from certificates: lazily, once each, a bounded number.

TLS 1.2 and 1.3 with forward secrecy and authenticated ciphers only; no compression, no renegotiation; session tickets
with keys that live as long as the context. It must not know where certificates come from or what is spoken inside.
"""

from __future__ import annotations

import contextlib
import logging
import os
import ssl
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from maelstrom.model.certificate import Certificate

log = logging.getLogger("maelstrom.gateway")

CONTEXTS_MAX: Final = 2048  # about 20 KiB each; the one used longest ago gives way
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; all of 1.3 are of this kind


class Tls:
    """All certificates of a node. `protocols`: what connections may speak, as ALPN names, best first."""

    def __init__(self, protocols: Sequence[str]) -> None:
        self._protocols = list(protocols)
        self._by_name: dict[str, Certificate] = {}
        self._default: Certificate | None = None
        self._contexts: dict[Certificate, ssl.SSLContext | None] = {}  # None: of no use

    def set(self, certificates: Iterable[Certificate], default: str = "") -> None:
        """From the next connection on, in one step. Of several for one name the first counts.

        `default`: the host whose certificate is shown to who names no host, or one that has none; empty: nobody's.
        """
        by_name: dict[str, Certificate] = {}
        for certificate in certificates:
            for name in certificate.names:
                by_name.setdefault(name, certificate)
        self._by_name = by_name
        self._default = self.find(default) if default else None
        kept = set(by_name.values())
        self._contexts = {one: context for one, context in self._contexts.items() if one in kept}

    def find(self, name: str) -> Certificate | None:
        """By the host's name in small letters: its own certificate, else one with a wildcard for its first label."""
        found = self._by_name.get(name)
        if found is None:
            found = self._by_name.get("*." + name.partition(".")[2])
        return found

    def context(self, name: str) -> ssl.SSLContext | None:
        """For a connection to this host; None: there is no certificate, or none of use."""
        certificate = self.find(name) or self._default
        if certificate is None:
            return None
        if certificate in self._contexts:
            context = self._contexts.pop(certificate)
        else:
            context = self._make(certificate)
            if len(self._contexts) >= CONTEXTS_MAX:
                del self._contexts[next(iter(self._contexts))]
        self._contexts[certificate] = context  # at the end: used last
        return context

    def _make(self, certificate: Certificate) -> ssl.SSLContext | None:
        try:
            return make_context(certificate, self._protocols)
        except (OSError, ValueError) as error:
            log.error("a certificate cannot be used: %s", error, extra={"from": certificate.origin})
            return None

    @property
    def contexts(self) -> int:
        """How many have been made and are kept."""
        return len(self._contexts)

    @property
    def certificates(self) -> Iterable[Certificate]:
        """Those in use, each once."""
        return dict.fromkeys(self._by_name.values())


def make_context(certificate: Certificate, protocols: Sequence[str]) -> ssl.SSLContext:
    """Raises ssl.SSLError if chain and key do not belong together."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(list(protocols))
    with _as_file(certificate.chain + b"\n" + certificate.key) as path:
        context.load_cert_chain(path, password=_no_password)
    return context


@contextlib.contextmanager
def _as_file(text: bytes) -> Iterator[str]:
    """The library reads keys from files only; in memory where the system has such files, so that no disk sees it."""
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("certificate")
        try:
            with open(number, "wb", closefd=False) as file:
                file.write(text)
            yield f"/proc/self/fd/{number}"
        finally:
            os.close(number)
        return
    with tempfile.NamedTemporaryFile() as named:
        named.write(text)
        named.flush()
        yield named.name


def _no_password() -> str:
    """Nobody sits there to be asked."""
    raise ssl.SSLError("the private key is encrypted")
