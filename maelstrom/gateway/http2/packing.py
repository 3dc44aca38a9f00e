"""Header lists packed and unpacked by the library's tables, but for what a gateway meets again and again.

The same block is unpacked once, as long as it means the same. What is sent for the first time is most often an id or a
date, so it goes as it is; what is sent again is put into the table, and is one byte from then on. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from hpack.hpack import Decoder, Encoder, encode_integer
from hpack.struct import HeaderTuple
from hpack.table import HeaderTable

Field = tuple[bytes, bytes]

KNOWN_BLOCKS: Final = 8  # of one connection
KNOWN_BYTES: Final = 1024  # of a block that is kept
KNOWN_FIELDS: Final = 64
SEEN: Final = 256  # fields of which is known that they were sent once
INDEXED_BYTES: Final = 512  # of a field that is worth a place in a table of 4096

# Their values are nobody's business on the way (RFC 7541, 7.1.3), and are hardly ever sent again.
_SECRET: Final = frozenset((b"authorization", b"proxy-authorization", b"cookie", b"set-cookie"))
_NEVER, _PLAIN, _INDEXING = 0x10, 0x00, 0x40
_STATIC: Final = {
    field: bytes((0x80 | index,)) for index, field in enumerate(HeaderTable.STATIC_TABLE, 1) if index == 1 or field[1]
}


class Unpacker(Decoder):
    """The library's, which is not asked again for a block while the table is what it was."""

    def __init__(self, max_header_list_size: int) -> None:
        super().__init__(max_header_list_size)
        self._known: dict[bytes, list[HeaderTuple]] = {}

    def decode(self, data: bytes, raw: bool = False) -> Iterable[HeaderTuple]:
        """As bytes, whatever `raw` says. The list is not to be changed. Raises the library's errors."""
        fields = self._known.get(data)
        if fields is not None:
            return fields
        table = self.header_table
        entries = table.dynamic_entries
        first, count, size = entries[0] if entries else None, len(entries), table.maxsize
        fields = list(super().decode(data, raw=True))
        # What is added to the table is a new object, and stands first.
        if (entries[0] if entries else None) is not first or len(entries) != count or table.maxsize != size:
            self._known.clear()
        elif len(data) <= KNOWN_BYTES and len(fields) <= KNOWN_FIELDS:
            if len(self._known) >= KNOWN_BLOCKS:
                self._known.clear()
            self._known[data] = fields
        return fields


class Packer(Encoder):
    """Writes fields as references where it can. Names and values are bytes, names in small letters."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: dict[Field, int] = {}  # of fields that were put into the table
        self._added = 0  # how many they were so far
        self._seen: set[int] = set()  # hashes of fields that were sent once

    def encode(self, headers: Iterable[Any], huffman: bool = True) -> bytes:
        block = []
        if self.table_size_changes:
            self.header_table.resized = True  # a second change to the same size unsets it
            block.append(super().encode(()))
        numbers, table = self._numbers, self.header_table
        count, added = len(table.dynamic_entries), self._added
        for field in headers:
            known = _STATIC.get(field)
            if known is not None:
                block.append(known)
                continue
            number = numbers.get(field)
            if number is not None and added - number < count:
                index = 62 + added - number
                block.append(bytes((0x80 | index,)) if index < 127 else _integer(index, 7, 0x80))
            else:
                block.append(self._literal(field))
                count, added = len(table.dynamic_entries), self._added
        return b"".join(block)

    def _literal(self, field: Field) -> bytes:
        name, value = field
        if name in _SECRET:
            return _name(name, _NEVER) + _integer(len(value), 7, 0) + value
        seen, mark = self._seen, hash(field)
        if mark not in seen or len(name) + len(value) > INDEXED_BYTES:
            if len(seen) >= SEEN:
                seen.clear()
            seen.add(mark)
            return _name(name, _PLAIN) + _integer(len(value), 7, 0) + value
        seen.discard(mark)
        self._index(field)
        packed = self.huffman_coder.encode(value)
        return _name(name, _INDEXING) + _integer(len(packed), 7, 0x80) + packed

    def _index(self, field: Field) -> None:
        table = self.header_table
        table.add(*field)
        self._added += 1
        self._numbers[field] = self._added
        if len(self._numbers) > SEEN:  # some have left the table long ago
            gone = self._added - len(table.dynamic_entries)
            self._numbers = {field: number for field, number in self._numbers.items() if number > gone}


def _integer(number: int, bits: int, flags: int) -> bytes:
    if number < (1 << bits) - 1:
        return bytes((flags | number,))
    written = encode_integer(number, bits)
    written[0] |= flags
    return bytes(written)


def _name(name: bytes, kind: int) -> bytes:
    """The beginning of a literal: how it is to be treated, and its name."""
    known = HeaderTable.STATIC_TABLE_MAPPING.get(name)
    if known is not None:
        return _integer(known[0], 6 if kind == _INDEXING else 4, kind)
    return bytes((kind,)) + _integer(len(name), 7, 0) + name
