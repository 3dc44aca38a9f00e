"""The first message of a TLS connection: as real clients send it, in any pieces, and as no client would."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom.gateway.wire.client_hello import BadHello, ClientHello, NotTls, client_hello

TLS_1_0, TLS_1_2, TLS_1_3 = 0x0301, 0x0303, 0x0304


def hello(name: str | None, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, *protocols: str) -> bytes:
    """As OpenSSL says it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.maximum_version = newest
    if protocols:
        context.set_alpn_protocols(list(protocols))
    going = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), going, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return going.read()


def in_records(data: bytes, size: int) -> bytes:
    """The same message in records of at most so many bytes."""
    message = data[5:]
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(data[:3] + len(piece).to_bytes(2) + piece for piece in pieces)


REAL = hello("shop.example.org", ssl.TLSVersion.TLSv1_3, "h2", "http/1.1")


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (REAL, ClientHello("shop.example.org", TLS_1_3)),
        (hello("Shop.Example.ORG"), ClientHello("shop.example.org", TLS_1_3)),
        (hello("a.test", ssl.TLSVersion.TLSv1_2), ClientHello("a.test", TLS_1_2)),
        (hello(None), ClientHello("", TLS_1_3)),
        (in_records(REAL, 7), ClientHello("shop.example.org", TLS_1_3)),
        (REAL + b"\x14\x03\x03\x00\x01\x01", ClientHello("shop.example.org", TLS_1_3)),
    ],
    ids=["newest", "capitals", "1.2", "no name", "in many records", "more behind it"],
)
def test_what_the_client_wants_is_read(data: bytes, wanted: ClientHello) -> None:
    assert client_hello(data) == wanted


@pytest.mark.parametrize("data", [REAL, in_records(REAL, 7)], ids=["one record", "many records"])
def test_a_part_of_it_is_waited_for(data: bytes) -> None:
    assert all(client_hello(data[:end]) is None for end in range(len(data)))


def test_crumbs_are_refused_because_all_of_them_are_read_anew_with_each() -> None:
    with pytest.raises(BadHello):
        client_hello(in_records(REAL, 1)[: 6 * 130])


def test_a_name_that_can_be_none_counts_as_none() -> None:
    assert client_hello(REAL.replace(b"shop.example.org", b"sh\xc3\xb6p.example.or")) == ClientHello("", TLS_1_3)


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"\x80\x2e\x01\x03\x01", b"\x00"])
def test_what_is_no_tls_is_seen_by_its_first_byte(data: bytes) -> None:
    with pytest.raises(NotTls):
        client_hello(data)


@given(st.binary(max_size=200))
def test_anything_is_read_refused_or_waited_for(data: bytes) -> None:
    _read(b"\x16" + data)
    _read(b"\x16\x03\x01" + len(data).to_bytes(2) + data)
    _read(b"\x16\x03\x01" + (len(data) + 4).to_bytes(2) + b"\x01" + len(data).to_bytes(3) + data)


@given(st.integers(0, len(REAL) - 1), st.integers(0, 255))
def test_a_byte_that_is_wrong_does_no_harm(at: int, byte: int) -> None:
    _read(REAL[:at] + bytes((byte,)) + REAL[at + 1 :])


def _read(data: bytes) -> None:
    try:
        found = client_hello(data)
    except (NotTls, BadHello):
        return
    assert found is None or found.name.isascii()
