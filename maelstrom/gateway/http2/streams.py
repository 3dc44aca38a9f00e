"""One stream of an HTTP/2 connection, which is a connection of HTTP/1.1 inside.

It is the transport of that inner connection: what is written to it goes out in frames, within the windows that the peer
gives; what comes in frames is handed to its protocol as HTTP/1.1, and the peer may send more when that has taken it.
What heads mean is its subclasses' business; this must not know of requests, routes or pools.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

from maelstrom.gateway.http2.frames import INTERNAL_ERROR, MAX_FRAME

if TYPE_CHECKING:
    from maelstrom.gateway.http2.connection import Multiplex
    from maelstrom.gateway.http2.library import Headed

HIGH_WATER: Final = 65_536  # bytes waiting to be sent on a stream before its source is paused
LOW_WATER: Final = 16_384
WINDOW: Final = 65_535  # bytes that a peer may send on a stream before they are taken
WIDE: Final = 262_144  # and after the first of them were


class Stream(asyncio.Transport):
    """One stream. To its protocol it is a connection with nobody else on it."""

    __slots__ = (
        "_credit",
        "_end",
        "_held",
        "_out",
        "_pending",
        "_slow",
        "_trailers",
        "_wide",
        "closing",
        "connection",
        "id",
        "input_ended",
        "moved_at",
        "output_ended",
        "protocol",
    )

    def __init__(self, connection: Multiplex, id: int) -> None:
        super().__init__()
        self.connection = connection
        self.id = id  # 0: not opened yet
        self.protocol: asyncio.Protocol | None = None
        self.input_ended = False
        self.output_ended = False  # all has been sent
        self.closing = False  # its protocol has closed it
        self.moved_at = connection.gateway.monotonic()
        self._out: deque[bytes | memoryview] = deque()
        self._pending = 0  # bytes in `_out`
        self._end = False  # nothing is added to `_out` any more
        self._trailers: list[tuple[bytes, bytes]] = []
        self._slow = False  # the protocol has been told to write no more
        self._held = False  # the protocol reads no more
        self._credit = 0  # bytes that came and were not given back to the peer's window
        self._wide = False

    # what goes out

    @property
    def waits(self) -> bool:
        """Whether there is something to send."""
        return self._pending > 0 or (self._end and not self.output_ended)

    def queue(self, data: bytes) -> None:
        if data:
            self._out.append(data)
            self._pending += len(data)

    def end(self, trailers: list[tuple[bytes, bytes]]) -> None:
        """Nothing more is queued."""
        self._end = True
        self._trailers = trailers

    def push(self) -> None:
        """Sends what may be sent now, and tells the protocol whether to go on writing."""
        connection = self.connection
        while self.send_some():
            pass
        connection.flush()
        if self.waits:
            connection.waiting[self] = None
        self.regulate()
        self.settled()

    def send_some(self) -> bool:
        """One frame, as far as windows and the connection allow; whether there was one."""
        connection = self.connection
        if not self.waits or connection.over:
            return False
        if not self._pending:
            self.output_ended = True
            if self._trailers:
                connection.http2.send_headers(self.id, self._trailers, end_stream=True)
            else:
                connection.http2.end_stream(self.id)
            return True
        room = 0 if connection.blocked else min(connection.http2.local_flow_control_window(self.id), MAX_FRAME)
        if room <= 0:
            return False
        piece = self._out[0]
        if len(piece) > room:
            piece = memoryview(piece)
            self._out[0] = piece[room:]
            piece = piece[:room]
        else:
            self._out.popleft()
        self._pending -= len(piece)
        self.output_ended = last = self._end and not self._pending and not self._trailers
        self.moved_at = connection.gateway.monotonic()
        connection.send_data(self, piece, end=last)
        return True

    def regulate(self) -> None:
        if self._slow:
            if self._pending <= LOW_WATER:
                self._slow = False
                if self.protocol is not None:
                    self.protocol.resume_writing()
        elif self._pending > HIGH_WATER and self.protocol is not None:
            self._slow = True
            self.protocol.pause_writing()

    # what comes in

    def take(self, data: bytes, cost: int) -> None:
        """`data` for the protocol; `cost`: bytes of the window that it took."""
        self._credit += cost
        self.give(data)
        self._give_back()

    def give(self, data: bytes) -> None:
        if data and self.protocol is not None:
            self.protocol.data_received(data)

    def _give_back(self) -> None:
        """So rarely that a notice is worth it, so early that the peer never waits for it."""
        if self._credit < WINDOW // 2 or self._held or self.input_ended or self.closing or self.connection.over:
            return
        more = self._credit
        self._credit = 0
        if not self._wide:
            self._wide = True
            more += WIDE - WINDOW
        self.connection.http2.increment_flow_control_window(more, self.id)

    # what the protocol calls

    def pause_reading(self) -> None:
        self._held = True

    def resume_reading(self) -> None:
        self._held = False
        if not self.closing:
            self._give_back()
            self.connection.flush()

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.leave()
        self.connection.reset(self, INTERNAL_ERROR)

    def leave(self) -> None:
        """The protocol is done with it."""
        if not self.closing:
            self.closing = True
            protocol, self.protocol = self.protocol, None
            if protocol is not None:
                self.connection.gateway.call_soon(protocol.connection_lost, None)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default if name == "socket" else self.connection.transport.get_extra_info(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """They are the same for all streams."""

    def get_write_buffer_size(self) -> int:
        return self._pending

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self.protocol is not None
        return self.protocol

    def can_write_eof(self) -> bool:
        return False

    # what comes from the peer

    @abstractmethod
    def headed(self, event: Headed) -> None: ...

    @abstractmethod
    def data(self, data: bytes, cost: int, *, last: bool) -> None:
        """More of its body; `last`: and its end, as `ended` without trailers."""
        ...

    @abstractmethod
    def ended(self, trailers: list[tuple[bytes, bytes]]) -> None:
        """The peer sends nothing more on it."""
        ...

    @abstractmethod
    def settled(self) -> None:
        """One of its directions may have ended now."""
        ...

    @abstractmethod
    def lost(self, code: int) -> None:
        """The peer has given it up, or the connection has ended."""
        ...
