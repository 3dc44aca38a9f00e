"""HTTP/2 connections, of clients and to containers: many streams, each of which is a connection of HTTP/1.1 inside.

A `Stream` is the transport of such an inner connection: what is written to it goes out in frames, within the windows
that the peer gives; what comes in frames is handed to its protocol as HTTP/1.1, and the peer may send more when that
has taken it. `Multiplex` owns the streams and shares out what may be sent. What heads mean is its subclasses' business;
this must not know of requests, routes or pools.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections import deque
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    InformationalResponseReceived,
    RemoteSettingsChanged,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import H2Error, StreamClosedError
from h2.settings import SettingCodes
from hyperframe.frame import SettingsFrame

from maelstrom.gateway.http2_frames import (
    CANCEL,
    FOR_DATA,
    INTERNAL_ERROR,
    MAX_FRAME,
    NO_ERROR,
    PATIENCE,
    PATIENCE_WITH_CONTAINERS,
    Frames,
    GoAway,
    Refused,
)

if TYPE_CHECKING:
    from maelstrom.gateway.gateway import Gateway

HIGH_WATER: Final = 65_536  # bytes waiting to be sent on a stream before its source is paused
LOW_WATER: Final = 16_384
CONNECTION_HIGH_WATER: Final = 131_072  # bytes waiting to be written on a connection before anything more is framed
WINDOW: Final = 65_535  # bytes that a peer may send on a stream before they are taken
WIDE: Final = 262_144  # and after the first of them were
CONNECTION_WINDOW: Final = 4_194_304  # on all streams together between two of our notices; never what stalls a stream
MAX_HEADER_LIST: Final = 65_536  # told to peers; what is over it by less than twice is answered in order
TABLE: Final = 4096  # bytes of a header table, whatever a peer allows
LOOK_SECONDS: Final = 5.0
CLOSE_SECONDS: Final = 30.0  # for what is still to be written when a connection is closed


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
        self._out: deque[bytes] = deque()
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
            connection.send_end(self, self._trailers)
            return True
        room = 0 if connection.blocked else connection.room(self)
        if room <= 0:
            return False
        piece = self._out[0]
        if len(piece) > room:
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
        self.connection.widen(self, more)

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
    def headed(self, event: RequestReceived | ResponseReceived | InformationalResponseReceived) -> None: ...

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


class Connection(H2Connection):
    """The library's, with a memory of closed streams that fits many connections."""

    MAX_CLOSED_STREAMS = 1024
    DEFAULT_MAX_HEADER_LIST_SIZE = 2 * MAX_HEADER_LIST


class Multiplex(asyncio.Protocol):
    """One connection. `over`: nothing can be sent or received any more."""

    client_side: ClassVar[bool]
    transport: asyncio.Transport

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.streams: dict[int, Stream] = {}
        self.waiting: dict[Stream, None] = {}  # those that could not send all
        self.over = False
        self.blocked = False  # the peer takes nothing at present
        self.watched_at = inf
        self.quiet_since = gateway.monotonic()  # when the last stream ended
        self.http2 = Connection(
            H2Configuration(client_side=self.client_side, header_encoding=None, normalize_outbound_headers=False)
        )
        patience = PATIENCE_WITH_CONTAINERS if self.client_side else PATIENCE
        self._frames = Frames(gateway.monotonic(), preface=not self.client_side, patience=patience)
        self._taken = 0  # bytes that came since the connection's window was opened last
        self._batch = False  # frames are collected, to be written together
        self._flushes = False  # and will be soon
        self._stuck_at = 0.0  # when `blocked` began, or something was written since
        self._stuck = 0  # bytes that waited then
        self._last: int | None = None  # the last of the peer's streams that was begun

    # what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(CONNECTION_HIGH_WATER)
        http2 = self.http2
        http2.initiate_connection()
        # The library is told to bear more streams than the peer is: what is over that is refused one by one.
        preface = http2.data_to_send() if self.client_side else b""
        http2.clear_outbound_data_buffer()
        settings = SettingsFrame(0, settings=self.settings())
        http2.increment_flow_control_window(CONNECTION_WINDOW - WINDOW)
        transport.write(preface[:24] + settings.serialize() + http2.data_to_send())

    @property
    def ended(self) -> bool:
        return self.over

    @abstractmethod
    def settings(self) -> dict[int, int]: ...

    def data_received(self, data: bytes) -> None:
        if self.over:
            return
        self._batch = True
        try:
            for frame in self._frames.feed(data, self.gateway.monotonic()):
                if isinstance(frame, GoAway):
                    self.going_away(frame)
                    continue
                try:
                    events = self.http2.receive_data(frame)
                except H2Error as error:
                    self.broken(str(error))
                    return
                for event in events:
                    self._event(event)
                if self.ended:
                    return
        except Refused as refused:
            self.close(refused.code, str(refused))
            return
        finally:
            self._batch = False
        self.flush_now()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.gateway.timers.forget(self)
        self.finish(CANCEL)

    def pause_writing(self) -> None:
        self.blocked = True
        self._stuck_at, self._stuck = self.gateway.monotonic(), self.transport.get_write_buffer_size()
        if not self.client_side:
            self.transport.pause_reading()  # it may not make us write while it does not read

    def resume_writing(self) -> None:
        self.blocked = False
        if not self.client_side and not self.transport.is_closing():
            self.transport.resume_reading()
        self.share()

    # what comes

    def _event(self, event: Event) -> None:
        kind = type(event)
        if kind is DataReceived:
            self._data(cast(DataReceived, event))
        elif kind is RequestReceived or kind is ResponseReceived or kind is InformationalResponseReceived:
            headed = cast("RequestReceived | ResponseReceived | InformationalResponseReceived", event)
            stream = self.stream_for(headed)
            if stream is not None:
                stream.headed(headed)
        elif kind is TrailersReceived or kind is StreamEnded:
            self._ended(cast("TrailersReceived | StreamEnded", event))
        elif kind is StreamReset:
            reset = cast(StreamReset, event)
            stream = self._forget(reset.stream_id)
            if stream is not None:
                stream.lost(reset.error_code)
        elif kind is WindowUpdated:
            stream_id = cast(WindowUpdated, event).stream_id
            if not stream_id or (stream_id in self.streams and self.streams[stream_id] in self.waiting):
                self.share()
        elif kind is RemoteSettingsChanged:
            self._settings_changed(cast(RemoteSettingsChanged, event))

    def stream_for(self, event: RequestReceived | ResponseReceived | InformationalResponseReceived) -> Stream | None:
        """Whose head that is; None: nobody's any more."""
        return self.streams.get(event.stream_id)

    def _data(self, event: DataReceived) -> None:
        cost = event.flow_controlled_length
        self._taken += cost
        if self._taken > CONNECTION_WINDOW // 4:
            self.http2.increment_flow_control_window(self._taken)
            self._taken = 0
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            if event.stream_ended is not None:
                stream.input_ended = True
                stream.data(event.data, 0, last=True)
                stream.settled()
            else:
                stream.data(event.data, cost, last=False)

    def _ended(self, event: TrailersReceived | StreamEnded) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is None or stream.input_ended:
            return
        stream.input_ended = True
        stream.ended(list(event.headers) if isinstance(event, TrailersReceived) else [])
        stream.settled()

    def _settings_changed(self, event: RemoteSettingsChanged) -> None:
        if self.http2.encoder.header_table_size > TABLE:
            self.http2.encoder.header_table_size = TABLE
        if SettingCodes.INITIAL_WINDOW_SIZE in event.changed_settings:
            self.share()

    @abstractmethod
    def going_away(self, notice: GoAway) -> None: ...

    # what streams call

    def room(self, stream: Stream) -> int:
        """Bytes that may be sent on it in one frame."""
        return min(self.http2.local_flow_control_window(stream.id), MAX_FRAME)

    def send_head(self, stream: Stream, fields: list[tuple[bytes, bytes]], *, end: bool) -> None:
        if not self.over:
            self.http2.send_headers(stream.id, fields, end_stream=end)
            stream.output_ended = end

    def send_data(self, stream: Stream, data: bytes, *, end: bool) -> None:
        self.http2.send_data(stream.id, data, end_stream=end)
        self._frames.forgive(FOR_DATA)
        if len(data) >= MAX_FRAME // 2:
            self.flush_now()  # so that it is seen when the connection can take no more

    def send_end(self, stream: Stream, trailers: list[tuple[bytes, bytes]]) -> None:
        if trailers:
            self.http2.send_headers(stream.id, trailers, end_stream=True)
        else:
            self.http2.end_stream(stream.id)

    def widen(self, stream: Stream, size: int) -> None:
        self.http2.increment_flow_control_window(size, stream.id)

    def reset(self, stream: Stream, code: int) -> None:
        """Gives a stream up, unless it has ended."""
        if self._forget(stream.id) is not None and not self.over:
            with contextlib.suppress(StreamClosedError):  # its end has come, and is about to be told
                self.http2.reset_stream(stream.id, code)
            self.flush()

    def forget(self, stream: Stream) -> None:
        """It has ended both ways."""
        self._forget(stream.id)

    def flush(self) -> None:
        """Writes what has been framed, soon: what other streams have to say until then goes with it."""
        if not self._batch and not self._flushes:
            self._flushes = True
            self.gateway.call_soon(self.flush_now)

    def flush_now(self) -> None:
        self._flushes = False
        if not self.over:
            data = self.http2.data_to_send()
            if data:
                self.transport.write(data)

    def share(self) -> None:
        """Each stream that waits sends a frame in turn, as long as something can be sent."""
        batch, self._batch = self._batch, True
        moved = True
        while moved and not self.blocked and not self.over:
            moved = False
            for stream in list(self.waiting):
                if stream.send_some():
                    moved = True
                    if not stream.waits:
                        self.waiting.pop(stream, None)
                    stream.regulate()
                    stream.settled()
        self._batch = batch
        self.flush()

    # ends

    def _forget(self, stream_id: int) -> Stream | None:
        stream = self.streams.pop(stream_id, None)
        if stream is not None:
            self.waiting.pop(stream, None)
            if not self.streams:
                self.quiet_since = self.gateway.monotonic()
                self.emptied()
        return stream

    def finish(self, code: int) -> None:
        """Nothing is sent or received any more; every stream is told."""
        self.over = True
        self.waiting.clear()
        while self.streams:
            _, stream = self.streams.popitem()
            stream.lost(code)

    def close(self, code: int = NO_ERROR, why: str = "") -> None:
        """Ends the connection in order: the peer is told why, what was written goes out."""
        if not self.over:
            self.http2.close_connection(code, why.encode() or None, self._last)
            self.flush_now()
        self._hang_up()

    def broken(self, why: str) -> None:
        """The peer has broken the rules; what it is told is written down already."""
        self.flush_now()
        self._hang_up()

    def _hang_up(self) -> None:
        self.finish(CANCEL)
        if not self.transport.is_closing():
            self.transport.close()
            self.watch(self.gateway.monotonic() + CLOSE_SECONDS)

    def watch(self, at: float) -> None:
        if at < self.watched_at:
            self.gateway.timers.watch(self, at)

    def stuck(self, now: float) -> bool:
        """Whether the peer has taken nothing for as long as a body may stand still."""
        if not self.blocked:
            return False
        waits = self.transport.get_write_buffer_size()
        if waits < self._stuck:
            self._stuck_at, self._stuck = now, waits
        return now >= self._stuck_at + self.gateway.limits.body_seconds

    @abstractmethod
    def due(self, now: float) -> float:
        """See Timers."""
        ...

    @abstractmethod
    def emptied(self) -> None:
        """The last stream has ended."""
        ...
