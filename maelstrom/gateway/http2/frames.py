"""What a peer may send on an HTTP/2 connection besides requests, answers and bodies: bounded here, frame by frame.

The library that reads the frames checks what each of them means. This looks at their heads before it does: sizes,
header blocks without end, and frames that cost us more than their sender (pings, settings, resets, windows). GOAWAY
is taken out, because the library ends a connection with it whose running streams may go on (RFC 9113, 6.8).
Pure: bytes and the time in, whole frames out. It must not know of streams' contents, sockets or clocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_FRAME: Final = 16_384  # bytes of a frame's payload; what every peer must accept, and all that we do
MAX_BLOCK: Final = 98_304  # bytes of one header block, compressed, all its frames together
MAX_CONTINUATIONS: Final = 16
MAX_SETTINGS: Final = 1_000  # single settings in a connection's life: each one is remembered
PATIENCE: Final = 1_000.0  # what a peer may cost at once, in units of one small frame
PATIENCE_SECOND: Final = 50.0  # what is forgiven in a second
PATIENCE_WITH_CONTAINERS: Final = 20_000.0  # some answer each frame with three of their own
FOR_REQUEST: Final = 5.0  # what is forgiven for a request that was answered to its end
FOR_DATA: Final = 2.0  # and for a frame of data that was sent, for it is answered with windows; less for a small one
WHOLE_DATA: Final = 128  # bytes of one that is not small

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
_ACK: Final = 1
_END_STREAM: Final = 1
_END_HEADERS: Final = 4
_PADDED: Final = 8
_RESET_COST: Final = 5.0

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 6, 7, 8, 11
LAST_STREAM: Final = 0x7FFFFFFF


class Refused(Exception):
    """The connection ends with this error (RFC 9113, 7); the text says why."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True, slots=True)
class GoAway:
    """The peer takes no more streams; those up to `last` it has seen."""

    last: int
    code: int


class Frames:
    """One direction of one connection."""

    __slots__ = ("_block", "_continuations", "_held", "_most", "_patience", "_preface", "_settings", "_since")

    def __init__(self, now: float, *, of_client: bool) -> None:
        """`of_client`: the peer is a client, else a container. `now`: monotonic seconds, as always here."""
        self._preface = PREFACE if of_client else b""  # what is still to come of it
        self._held = b""  # an unfinished frame
        self._block = 0  # bytes of an unfinished header block, at least 1
        self._continuations = 0
        self._settings = 0
        self._most = self._patience = PATIENCE if of_client else PATIENCE_WITH_CONTAINERS
        self._since = now

    @property
    def in_block(self) -> bool:
        """Whether a header block has begun and not ended."""
        return self._block > 0

    def feed(self, data: bytes, now: float) -> list[bytes | GoAway]:
        """Whole frames, in order; the preface counts as one. Raises Refused, also for the first half of a frame."""
        if self._held:
            data = self._held + data
            self._held = b""
        self._patience = min(self._most, self._patience + (now - self._since) * PATIENCE_SECOND)
        self._since = now
        found: list[bytes | GoAway] = []
        pos = 0
        if self._preface:
            pos = min(len(data), len(self._preface))
            if data[:pos] != self._preface[:pos]:
                raise Refused(PROTOCOL_ERROR, "the connection does not begin as HTTP/2 does")
            self._preface = self._preface[pos:]
            found.append(data[:pos])
        while len(data) - pos >= 9:
            length = int.from_bytes(data[pos : pos + 3], "big")
            if length > MAX_FRAME:
                if data.startswith(b"HTTP/", pos):
                    raise Refused(PROTOCOL_ERROR, "it speaks HTTP/1.1")
                raise Refused(FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            end = pos + 9 + length
            if end > len(data):
                break
            found.append(self._look(data[pos:end], length))
            pos = end
        self._held = data[pos:]
        return found

    def forgive(self, units: float) -> None:
        """Something useful was done for the peer."""
        self._patience = min(self._most, self._patience + units)

    def spend(self, units: float) -> None:
        """The peer cost us something. Raises Refused."""
        self._patience -= units
        if self._patience < 0:
            raise Refused(ENHANCE_YOUR_CALM, "too many frames that ask for nothing")

    def _look(self, frame: bytes, length: int) -> bytes | GoAway:
        kind, flags = frame[3], frame[4]
        if kind in (HEADERS, CONTINUATION):
            self._header_block(kind, flags, length)
        elif kind == DATA:
            if (not length and not flags & _END_STREAM) or (flags & _PADDED and length and 2 * frame[9] >= length):
                self.spend(1.0)
        elif kind == RST_STREAM:
            self.spend(_RESET_COST)
        elif kind == SETTINGS:
            self._settings += 1 + length // 6
            if self._settings > MAX_SETTINGS:
                raise Refused(ENHANCE_YOUR_CALM, "too many settings")
            self.spend(1.0 + length // 6)
        elif kind == GOAWAY and not self._block and length >= 8 and not int.from_bytes(frame[5:9], "big") & LAST_STREAM:
            return GoAway(int.from_bytes(frame[9:13], "big") & LAST_STREAM, int.from_bytes(frame[13:17], "big"))
        elif not (kind == PING and flags & _ACK):
            self.spend(1.0)
        return frame

    def _header_block(self, kind: int, flags: int, length: int) -> None:
        if kind == HEADERS:
            self._block, self._continuations = 0, 0
        else:
            self._continuations += 1
        self._block += length + 1
        if self._continuations > MAX_CONTINUATIONS or self._block > MAX_BLOCK:
            raise Refused(ENHANCE_YOUR_CALM, "a header block without end")
        if flags & _END_HEADERS:
            self._block = 0
