"""A certificate authority of the tests."""

from __future__ import annotations

import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from maelstrom.model.certificate import Certificate

DAY = 86400.0


@dataclass(frozen=True)
class Pair:
    """PEM texts."""

    chain: bytes
    key: bytes

    def write(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.key").write_bytes(self.key)
        (folder / f"{name}.crt").write_bytes(self.chain)


class Authority:
    """Signs whatever it is asked to."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of the tests")])
        builder = self._builder(self._name, self._key, -DAY, 10 * DAY)
        self._root = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
            self._key, hashes.SHA256()
        )

    @property
    def root(self) -> bytes:
        return self._root.public_bytes(serialization.Encoding.PEM)

    def pair(self, *names: str, begins: float = -DAY, ends: float = DAY, password: bytes = b"") -> Pair:
        """A certificate for these names with its key; times in seconds from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = self._builder(subject, key, begins, ends).add_extension(alternatives, critical=False)
        chain = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        closed = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        return Pair(
            chain + self.root,
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, closed),
        )

    def certificate(self, *names: str) -> Certificate:
        pair = self.pair(*names)
        return Certificate(names, pair.chain, pair.key, 0.0, 0.0, "0", "test")

    def trust(self, *protocols: str) -> ssl.SSLContext:
        """For a client that believes this authority, and nobody else."""
        context = ssl.create_default_context(cadata=self.root.decode())
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, begins: float, ends: float
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(seconds=begins))
            .not_valid_after(now + datetime.timedelta(seconds=ends))
        )
