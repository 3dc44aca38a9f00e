"""PROXY headers: every well-formed one is read, however it is split, and not a byte beyond it; others are refused."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom.gateway.wire.origin import Origin
from maelstrom.gateway.wire.proxy_protocol import MAX_V2, SIGNATURE, BadProxyHeader, ProxyHeader, crc32c

REST = b"GET / HTTP/1.1\r\n\r\n"
FOUR = b"PROXY TCP4 192.0.2.7 198.51.100.9 5000 80\r\n"

ports = st.integers(0, 65535)
tails = st.sampled_from([b"", REST, b"\x16\x03\x01", b"\r\n", b"PROXY UNKNOWN\r\n", SIGNATURE])
cuts = st.lists(st.integers(1, 40), min_size=1)


def read(data: bytes, sizes: list[int] | None = None) -> tuple[Origin | None, int] | None:
    """(origin, bytes that were read); None: more is wanted than there is. `sizes`: of the pieces, at most."""
    header = ProxyHeader()
    at = turn = 0
    while at < len(data):
        most = header.wants if sizes is None else min(header.wants, sizes[turn % len(sizes)])
        assert most > 0, "an incomplete header wants more"
        piece = data[at : at + most]
        at += len(piece)
        turn += 1
        if header.feed(piece):
            return header.origin, at
    return None


def second(command: int, kind: int, body: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, kind, len(body)) + body


def shown(address: IPv4Address | IPv6Address) -> str:
    return str(getattr(address, "ipv4_mapped", None) or address)


def packed(source: IPv4Address | IPv6Address, target: IPv4Address | IPv6Address, *two_ports: int) -> bytes:
    return source.packed + target.packed + struct.pack("!HH", *two_ports)


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6), st.data(), ports, ports, tails, cuts)
def test_addresses_of_version_1(
    source: IPv4Address | IPv6Address, data: st.DataObject, port: int, to: int, tail: bytes, sizes: list[int]
) -> None:
    target = data.draw(st.ip_addresses(v=source.version))
    line = f"PROXY TCP{source.version} {source} {target} {port} {to}\r\n".encode()
    assert read(line + tail, sizes) == (Origin.of(shown(source), shown(target), to), len(line))


@given(
    st.ip_addresses(v=4) | st.ip_addresses(v=6),
    st.data(),
    ports,
    ports,
    st.lists(st.tuples(st.integers(0, 255).filter(lambda kind: kind != 3), st.binary(max_size=60)), max_size=5),
    tails,
    cuts,
)
def test_addresses_and_additions_of_version_2(
    source: IPv4Address | IPv6Address,
    data: st.DataObject,
    port: int,
    to: int,
    additions: list[tuple[int, bytes]],
    tail: bytes,
    sizes: list[int],
) -> None:
    target = data.draw(st.ip_addresses(v=source.version))
    body = packed(source, target, port, to)
    body += b"".join(struct.pack("!BH", kind, len(value)) + value for kind, value in additions)
    header = second(0x21, 0x11 if source.version == 4 else 0x21, body)
    assert read(header + tail, sizes) == (Origin.of(shown(source), shown(target), to), len(header))


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
        second(0x20, 0x00, b""),
        second(0x20, 0x11, b""),
        second(0x20, 0x11, packed(IPv4Address(1), IPv4Address(2), 3, 4)),
        second(0x21, 0x00, b""),
        second(0x21, 0x00, b"\x04\x00\x01x"),
        second(0x21, 0x31, bytes(216)),
    ],
)
def test_who_is_not_named_is_the_balancer(header: bytes) -> None:
    for sizes in (None, [1], [7]):
        assert read(header + REST, sizes) == (None, len(header))


def test_an_ipv4_address_in_ipv6_clothes_is_ipv4() -> None:
    found = read(b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 80\r\n")
    assert found is not None
    assert found[0] == Origin("192.0.2.7", b"[::1]:80")


@pytest.mark.parametrize(
    "data",
    [
        REST,
        b"GET / HTTP/1.1\r\n",
        b"proxy TCP4 192.0.2.7 198.51.100.9 5000 80\r\n",
        b"PROXY  TCP4 192.0.2.7 198.51.100.9 5000 80\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.9 5000 80\n" + REST,
        b"PROXY TCP4 192.0.2.7 198.51.100.9 5000 80\rx" + REST,
        b"PROXY TCP4 192.0.2.7 198.51.100.9 5000\r\n" + REST,
        b"PROXY TCP4 192.0.2.7 198.51.100.9 5000 80 \r\n" + REST,
        b"PROXY TCP4 192.0.2.256 198.51.100.9 5000 80\r\n",
        b"PROXY TCP4 192.0.2.07 198.51.100.9 5000 80\r\n",
        b"PROXY TCP4 ::1 ::2 5000 80\r\n" + REST,
        b"PROXY TCP6 192.0.2.7 198.51.100.9 5000 80\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 5000 80\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.9 65536 80\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.9 05 80\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.9 -5 80\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.9 5000 80\r\n",
        b"PROXY UNKNOWN" + b"x" * 200,
        b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
        b"PROXY \r\n" + REST,
        b"\r\n\r\nGET",
        b"\r\n\r\n\x00\r\nQUIT\r",
        second(0x11, 0x11, packed(IPv4Address(1), IPv4Address(2), 3, 4)),
        second(0x22, 0x11, packed(IPv4Address(1), IPv4Address(2), 3, 4)),
        second(0x21, 0x12, packed(IPv4Address(1), IPv4Address(2), 3, 4)),
        second(0x21, 0x41, bytes(216)),
        second(0x21, 0x11, bytes(11)),
        second(0x21, 0x21, bytes(35)),
        second(0x21, 0x31, bytes(215)),
        second(0x21, 0x11, bytes(12) + b"\x04\x00"),
        second(0x21, 0x11, bytes(12) + b"\x04\x00\x05abcd"),
        second(0x21, 0x11, bytes(12) + b"\x03\x00\x04abcd"),
        second(0x21, 0x11, bytes(12) + b"\x03\x00\x02ab"),
        second(0x21, 0x00, bytes(MAX_V2 + 1)),
    ],
)
def test_what_the_protocol_does_not_define_is_refused(data: bytes) -> None:
    for sizes in (None, [1], [5]):
        with pytest.raises(BadProxyHeader):
            read(data, sizes)


def test_a_line_of_version_1_may_have_all_its_bytes() -> None:
    line = b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n"
    assert len(line) == 107
    assert read(line + REST) == (None, 107)


def test_a_checksum_is_checked() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    body = packed(ip_address("192.0.2.7"), ip_address("192.0.2.8"), 1, 2) + b"\x03\x00\x04"
    zeroed = second(0x21, 0x11, body + bytes(4) + b"\x04\x00\x01x")
    right = zeroed.replace(body + bytes(4), body + crc32c(zeroed).to_bytes(4, "big"))
    found = read(right)
    assert found is not None
    assert found[0] == Origin("192.0.2.7", b"192.0.2.8:2")
    with pytest.raises(BadProxyHeader, match="checksum"):
        read(right.replace(b"\x01x", b"\x01y"))


@given(st.binary(max_size=300), cuts)
def test_whatever_comes_is_read_refused_or_waited_for_with_the_same_outcome_however_it_is_split(
    data: bytes, sizes: list[int]
) -> None:
    assert outcome(data, sizes) == outcome(data, None)


@given(st.integers(0, 250), st.integers(0, 255), cuts)
def test_one_wrong_byte_anywhere_is_taken_the_same_way_however_it_is_split(
    at: int, byte: int, sizes: list[int]
) -> None:
    body = packed(ip_address("192.0.2.7"), ip_address("192.0.2.8"), 1, 2) + b"\x04\x00\x03abc"
    for good in (FOUR, second(0x21, 0x11, body)):
        where = at % len(good)
        data = good[:where] + bytes([byte]) + good[where + 1 :] + REST
        assert outcome(data, sizes) == outcome(data, None)


def outcome(data: bytes, sizes: list[int] | None) -> object:
    try:
        return read(data, sizes)
    except BadProxyHeader:
        return "refused"
