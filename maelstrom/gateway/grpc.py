"""The gateway's own errors as gRPC clients understand them. Pure: an error in, header lines out.

gRPC tells how a call ended by `grpc-status` behind or instead of an answer, with status 200. It must not know of
connections or frames.
"""

from __future__ import annotations

from typing import Final

from maelstrom.gateway.answers import code_of
from maelstrom.model.errors import MaelstromError

# By the mapping of HTTP's statuses that gRPC lays down, where the code does not say more.
_STATUSES: Final = {
    "bad_request": 13,  # INTERNAL
    "no_route": 12,  # UNIMPLEMENTED
    "disabled": 12,
    "request_timeout": 1,  # CANCELLED
    "body_too_large": 8,  # RESOURCE_EXHAUSTED
    "head_too_large": 8,
    "queue_full": 8,
    "deadline": 4,  # DEADLINE_EXCEEDED
}
_UNAVAILABLE: Final = 14
_MESSAGE: Final = 256  # characters of it at most


def status_fields(error: MaelstromError, *, reason: bool) -> list[tuple[bytes, bytes]]:
    """The trailers of a call that ended so; `reason`: its message is shown, not only its code."""
    return _fields(code_of(error), error.message if reason else "")


def status_fields_of(code: str) -> list[tuple[bytes, bytes]]:
    """The same where only the error's code is known."""
    return _fields(code, "")


def status_answer(error: MaelstromError, *, reason: bool, extra: bytes = b"") -> bytes:
    """Status line and header lines of an answer that has nothing but the call's end."""
    lines = b"".join(b"%b: %b\r\n" % field for field in status_fields(error, reason=reason))
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\nMaelstrom-Error: %b\r\n%b%b" % (
        code_of(error).encode(),
        lines,
        extra,
    )


def _fields(code: str, message: str) -> list[tuple[bytes, bytes]]:
    text = f"{code}: {message[:_MESSAGE]}" if message else code
    escaped = b"".join(b"%c" % c if 32 <= c < 127 and c != 37 else b"%%%02X" % c for c in text.encode())
    return [(b"grpc-status", b"%d" % _STATUSES.get(code, _UNAVAILABLE)), (b"grpc-message", escaped)]
