"""PEM texts to certificates, checked: a pair that is of no use is refused with the reason. No files, no network.

Only here and in `acme…` the library `cryptography` is used.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from maelstrom.model.certificate import Certificate, dns_name

RSA_BITS_LEAST = 2048  # TLS libraries refuse shorter ones


def read_certificate(chain: bytes, key: bytes, origin: str) -> Certificate:
    """A chain, its own certificate first, with that one's key. Raises ValueError with the reason."""
    try:
        certificates = x509.load_pem_x509_certificates(chain)
    except ValueError as error:
        raise ValueError("the chain is no certificate in PEM") from error
    own = certificates[0]
    private = _key(key)
    if _public(own.public_key()) != _public(private.public_key()):
        raise ValueError("the key is not the certificate's")
    names = _names(own)
    if not names:
        raise ValueError("the certificate names no host (subject alternative names)")
    return Certificate(
        names=names,
        chain=chain,
        key=key,
        not_before=own.not_valid_before_utc.timestamp(),
        not_after=own.not_valid_after_utc.timestamp(),
        serial=f"{own.serial_number:x}",
        origin=origin,
    )


def _key(text: bytes) -> PrivateKeyTypes:
    try:
        key = serialization.load_pem_private_key(text, None)
    except TypeError as error:
        raise ValueError("the key is encrypted, and nobody is there to be asked for its password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("the key is no private key in PEM") from error
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < RSA_BITS_LEAST:
        raise ValueError(f"the key has {key.key_size} bits, {RSA_BITS_LEAST} are the least for RSA")
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise ValueError("the key is of a kind that TLS does not use: RSA, ECDSA or Ed25519 is wanted")
    return key


def _public(key: object) -> bytes:
    assert hasattr(key, "public_bytes"), "every public key has"
    done: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return done


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    names = (dns_name(name) for name in found.get_values_for_type(x509.DNSName))
    return tuple(dict.fromkeys(name for name in names if name))
