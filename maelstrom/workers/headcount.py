"""How many connections each client has open in other workers: counters in memory that all of them share.

Each worker has a column of its own and writes nowhere else. So there are no locks, and whatever becomes of a worker,
its column is right when the main process has emptied it. A client has four places in each column, by a hash that nobody
outside can foretell, and others may be counted in the same ones; the least of its places counts. So a count is never
too low, and too high only if all four are shared with others: with 20,000 clients that is one in 30,000.
"""

from __future__ import annotations

import mmap
import os
import secrets
import struct
import tempfile
from hashlib import blake2b
from typing import Final, Self

PLACES: Final = 1 << 18  # of a column; memory that is never touched costs nothing
_KEY: Final = 32  # bytes at the beginning: the hash's key
_FOUR: Final = struct.Struct("4I")
_CELL: Final = 4  # bytes


class Headcount:
    """One process's view of the counters."""

    def __init__(self, descriptor: int, column: int) -> None:
        """`column`: this worker's own. The descriptor may be closed afterwards."""
        self._memory = mmap.mmap(descriptor, 0)
        self._cells = memoryview(self._memory)[_KEY:].cast("I")
        self._key = self._memory[:_KEY]
        self._own = column * PLACES
        self._others = [at for at in range(0, len(self._cells), PLACES) if at != self._own]

    def elsewhere(self, client: str) -> int:
        """How many connections it has in other workers."""
        cells, others = self._cells, self._others
        return min(sum(cells[column + place] for column in others) for place in self._places(client))

    def add(self, client: str, connections: int) -> None:
        """So many more here."""
        for place in self._places(client):
            self._cells[self._own + place] += connections

    def _places(self, client: str) -> set[int]:
        digest = blake2b(client.encode(), digest_size=_FOUR.size, key=self._key).digest()
        return {number % PLACES for number in _FOUR.unpack(digest)}


class Headcounts:
    """The main process's end: makes the memory, and empties the column of a worker that is gone."""

    def __init__(self, workers: int) -> None:
        self.descriptor = _anonymous_file()
        os.ftruncate(self.descriptor, _KEY + workers * PLACES * _CELL)
        self._memory = mmap.mmap(self.descriptor, 0)
        self._memory[:_KEY] = secrets.token_bytes(_KEY)

    def empty(self, column: int) -> None:
        begin = _KEY + column * PLACES * _CELL
        self._memory[begin : begin + PLACES * _CELL] = bytes(PLACES * _CELL)

    def close(self) -> None:
        if self.descriptor >= 0:
            self._memory.close()
            os.close(self.descriptor)
        self.descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("maelstrom-headcount")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
