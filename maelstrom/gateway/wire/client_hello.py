"""The first message of a TLS connection, read as far as it says which host is wanted. Pure.

The certificate is chosen by it before the handshake begins: what has none is refused with the alert that says so, which
the loop's own TLS would swallow. Everything else in the message is the TLS library's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_HELLO: Final = 32768  # bytes; real ones have less than two thousand
MAX_RECORDS: Final = 128  # it may come in; all that came is read anew with each piece, so that more would cost much
TLS_1_2: Final = 0x0303

# Alerts (RFC 8446, 6.2) that end a connection before it has begun.
DECODE_ERROR, PROTOCOL_VERSION, UNRECOGNIZED_NAME = 50, 70, 112

_HANDSHAKE, _CLIENT_HELLO = 22, 1
_SERVER_NAME, _SUPPORTED_VERSIONS = 0, 43
_RECORD_MAX = 16384 + 256


@dataclass(frozen=True, slots=True)
class ClientHello:
    """`name`: the host that the client wants, in small letters; empty if it says none, or none that can be one."""

    name: str
    version: int  # the newest it speaks


class NotTls(ValueError):
    """These bytes begin no TLS connection."""


class BadHello(ValueError):
    """TLS, but not as it has to be."""


def client_hello(data: bytes) -> ClientHello | None:
    """What the client wants; None while some of it is to come. Raises NotTls, BadHello."""
    if data and data[0] != _HANDSHAKE:
        raise NotTls("the first byte is no handshake's")
    message = _message(data)
    if message is None:
        return None
    try:
        return _hello(message)
    except (IndexError, _Short) as error:
        raise BadHello("the first message is cut short") from error


def alert(code: int) -> bytes:
    """The record that refuses a connection."""
    return bytes((21, 3, 1, 0, 2, 2, code))


def _message(data: bytes) -> bytes | None:
    """The handshake's first message, put together from its records; None while it is not whole."""
    message, at, records = b"", 0, 0
    while len(message) < 4 or len(message) < 4 + int.from_bytes(message[1:4]):
        if len(data) < at + 5:
            return None
        kind, major, size = data[at], data[at + 1], int.from_bytes(data[at + 3 : at + 5])
        records += 1
        if kind != _HANDSHAKE or major != 3 or not 0 < size <= _RECORD_MAX or records > MAX_RECORDS:
            raise BadHello("the first message is no handshake")
        if len(data) < at + 5 + size:
            return None
        message += data[at + 5 : at + 5 + size]
        at += 5 + size
        if message[0] != _CLIENT_HELLO or int.from_bytes(message[1:4]) > MAX_HELLO:
            raise BadHello("the first message is no client hello")
    return message[4 : 4 + int.from_bytes(message[1:4])]


class _Short(Exception):
    """A length says more than there is."""


class _Reader:
    """Takes fields off the front."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, count: int) -> bytes:
        if count > len(self.data):
            raise _Short
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> _Reader:
        """A field that has its own length, of so many bytes, in front."""
        return _Reader(self.take(self.number(size)))


def _hello(message: bytes) -> ClientHello:
    reader = _Reader(message)
    version = reader.number(2)
    reader.take(32)
    for size in (1, 2, 1):  # session, cipher suites, compression
        reader.vector(size)
    name = ""
    extensions = reader.vector(2) if reader.data else reader
    while extensions.data:
        kind, body = extensions.number(2), extensions.vector(2)
        if kind == _SERVER_NAME:
            name = _server_name(body.vector(2))
        elif kind == _SUPPORTED_VERSIONS:
            versions = body.vector(1).data
            known = [int.from_bytes(versions[at : at + 2]) for at in range(0, len(versions), 2)]
            version = max((v for v in known if v >> 8 == 3), default=version)
    return ClientHello(name, version)


def _server_name(names: _Reader) -> str:
    while names.data:
        kind, body = names.number(1), names.vector(2).data
        if kind == 0 and body.isascii():
            return body.decode("ascii").lower().removesuffix(".")
    return ""
