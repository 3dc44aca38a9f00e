"""What main process and workers say to each other: JSON arrays, several to a frame, each frame with its length.

A worker is started by the main process from the same installation: both are of the same version. Of two processes of a
node that follow one another (`daemon/upgrade.py`) the versions may differ: they pass over what they do not know. Pure.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any, Final

from maelstrom.model.errors import MaelstromError, Unavailable

Message = list[Any]  # its kind, then what belongs to it

_LENGTH: Final = struct.Struct("!I")
_JSON: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=str)


def encode(messages: list[Message]) -> bytes:
    body = _JSON.encode(messages).encode(errors="replace")
    return _LENGTH.pack(len(body)) + body


class Decoder:
    """Bytes as they come, messages as they are complete."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        self._held += data
        while len(self._held) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._held)[0]
            if len(self._held) < end:
                return
            body = bytes(self._held[_LENGTH.size : end])
            del self._held[:end]
            yield from json.loads(body)


def error_of(code: str, message: str, hint: str, fields: dict[str, Any]) -> MaelstromError:
    """The error that the other process had, for whoever is to be told. One that is not known keeps its words."""
    kind = _KINDS.get(code, Unavailable)
    error = kind.__new__(kind)
    MaelstromError.__init__(error, message, hint=hint, **fields)
    return error


def _kinds(base: type[MaelstromError]) -> Iterator[type[MaelstromError]]:
    yield base
    for kind in base.__subclasses__():
        yield from _kinds(kind)


_KINDS: Final = {kind.code: kind for kind in _kinds(MaelstromError)}
