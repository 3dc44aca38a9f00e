"""What is packed is unpacked by the library alike, and what is unpacked is what the library unpacks; both cost less."""

from __future__ import annotations

import pytest
from hpack import Decoder, Encoder, HPACKError
from hypothesis import given, settings
from hypothesis import strategies as st

from maelstrom.gateway.http2.packing import KNOWN_BLOCKS, SEEN, Packer, Unpacker

NAMES = st.sampled_from(
    [b":status", b":path", b"content-type", b"x-a", b"x-b", b"set-cookie", b"authorization", b"date"]
)
VALUES = st.sampled_from([b"200", b"/", b"", b"a", b"b" * 126, b"c" * 127, b"d" * 600, b"e" * 5000]) | st.binary(
    max_size=9
)
HEADS = st.lists(st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=6), max_size=12)


@settings(max_examples=50)
@given(HEADS, st.lists(st.tuples(st.integers(0, 11), st.sampled_from([0, 40, 200, 4096])), max_size=3))
def test_the_library_unpacks_what_is_packed(
    heads: list[list[tuple[bytes, bytes]]], sizes: list[tuple[int, int]]
) -> None:
    packer, decoder = Packer(), Decoder()
    for number, head in enumerate(heads * 2):
        for at, size in sizes:
            if at == number:
                packer.header_table_size = size
        assert [tuple(field) for field in decoder.decode(packer.encode(head), raw=True)] == head
        assert list(packer.header_table.dynamic_entries) == list(decoder.header_table.dynamic_entries)


@settings(max_examples=50)
@given(HEADS, st.lists(st.booleans(), min_size=24, max_size=24), st.sampled_from([None, 0, 100]))
def test_what_the_library_packs_is_unpacked(
    heads: list[list[tuple[bytes, bytes]]], again: list[bool], size: int | None
) -> None:
    encoder, unpacker, decoder = Encoder(), Unpacker(1 << 20), Decoder(1 << 20)
    block = b""
    for number, head in enumerate(heads):
        if number == 3 and size is not None:
            encoder.header_table_size = size
        if not block or not again[number]:
            block = encoder.encode([(name, value, again[number + 12]) for name, value in head])
        assert _unpacked(unpacker, block) == _unpacked(decoder, block)
        assert list(unpacker.header_table.dynamic_entries) == list(decoder.header_table.dynamic_entries)


@given(st.lists(st.binary(max_size=6), min_size=1, max_size=20))
def test_any_bytes_are_unpacked_as_by_the_library(blocks: list[bytes]) -> None:
    unpacker, decoder = Unpacker(200), Decoder(200)
    for block in blocks * 2:
        fields = _unpacked(unpacker, block)
        assert fields == _unpacked(decoder, block)
        if fields is None:
            return  # the connection ends with it


def _unpacked(decoder: Decoder, block: bytes) -> list[tuple[bytes, bytes]] | None:
    try:
        return [(name, value) for name, value in decoder.decode(block, raw=True)]  # type: ignore[misc]
    except HPACKError:
        return None


def test_a_field_is_one_byte_from_the_third_time_on() -> None:
    packer = Packer()
    head = [(b"x-service", b"rates"), (b"x-id", b"1")]
    first, _, third = (len(packer.encode(head)) for _ in range(3))
    assert (first > 20, third) == (True, 2)


def test_secrets_are_never_put_into_a_table() -> None:
    packer = Packer()
    for _ in range(3):
        block = packer.encode([(b"set-cookie", b"a=secret")])
    assert block[0] & 0xF0 == 0x10
    assert not packer.header_table.dynamic_entries


def test_ids_do_not_drive_others_out_of_the_table() -> None:
    packer = Packer()
    for number in range(1000):
        block = packer.encode([(b"x-service", b"rates"), (b"x-id", b"%d" % number)])
    assert block[0] == 0x80 | 62
    assert list(packer.header_table.dynamic_entries) == [(b"x-service", b"rates")]


def test_what_is_remembered_is_bounded() -> None:
    packer, unpacker = Packer(), Unpacker(1 << 20)
    for number in range(5000):
        for _ in range(2):
            packer.encode([(b"x-id", b"%d" % (number % 700))])
        unpacker.decode(Encoder().encode([(b"x", b"%d" % number, True)]), raw=True)
    assert len(packer._numbers) <= SEEN + 1
    assert len(packer._seen) <= SEEN
    assert len(unpacker._known) <= KNOWN_BLOCKS


@pytest.mark.parametrize("entries", [1, 2])
def test_a_block_is_unpacked_anew_when_the_table_has_changed(entries: int) -> None:
    """Also where one entry has taken another one's place."""
    encoder, unpacker = Encoder(), Unpacker(1 << 20)
    size = 4096 // entries - 40
    for number in range(20):
        value = b"%02d" % number + b"x" * (size - 2)
        block = encoder.encode([(b"x-name", value)])
        assert _unpacked(unpacker, block) == [(b"x-name", value)]
        assert _unpacked(unpacker, b"\xbe") == [(b"x-name", value)]
