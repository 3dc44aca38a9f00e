"""An HTTP/2 connection, of a client or to a container: it owns its streams and shares out what may be sent.

It must not know of requests, routes or pools; what a stream is, and what becomes of the connection, its subclasses say.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from math import inf
from typing import TYPE_CHECKING, ClassVar, Final, cast

from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import H2Error, StreamClosedError
from h2.settings import SettingCodes

from maelstrom.gateway.http2.frames import (
    CANCEL,
    FOR_DATA,
    NO_ERROR,
    PROTOCOL_ERROR,
    WHOLE_DATA,
    Frames,
    GoAway,
    Refused,
)
from maelstrom.gateway.http2.library import HEADED, Headed, Library

if TYPE_CHECKING:
    from maelstrom.gateway.gateway import Gateway
    from maelstrom.gateway.http2.streams import Stream

HIGH_WATER: Final = 131_072  # bytes waiting to be written on a connection before anything more is framed
WRITE_AT: Final = 65_536  # bytes of bodies that are written together, so that it is seen when no more can be taken
CONNECTION_WINDOW: Final = 4_194_304  # on all streams together between two of our notices; never what stalls a stream
LOOK_SECONDS: Final = 5.0
CLOSE_SECONDS: Final = 30.0  # for what is still to be written when a connection is closed


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
        self.http2 = Library(client_side=self.client_side)
        self._frames = Frames(gateway.monotonic(), of_client=not self.client_side)
        self._taken = 0  # bytes that came since the connection's window was opened last
        self._framed = 0  # bytes of bodies that are to be written
        self._batch = False  # frames are collected, to be written together
        self._flushes = False  # and will be soon
        self._stuck_at = 0.0  # when `blocked` began, or something was written since
        self._stuck = 0  # bytes that waited then
        self._last: int | None = None  # the last of the peer's streams that was begun

    # what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(HIGH_WATER)
        transport.write(self.http2.begin(self.settings(), CONNECTION_WINDOW))

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
                    self.broken(int(getattr(error, "error_code", PROTOCOL_ERROR)), str(error))
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
        elif kind in HEADED:
            headed = cast("Headed", event)
            stream = self.stream_for(headed)
            if stream is not None:
                stream.headed(headed)
        elif kind is TrailersReceived or kind is StreamEnded:
            self._ended(cast("TrailersReceived | StreamEnded", event))
        elif kind is StreamReset:
            reset = cast(StreamReset, event)
            stream = self.forget(reset.stream_id)
            if stream is not None:
                stream.lost(reset.error_code)
        elif kind is WindowUpdated:
            stream_id = cast(WindowUpdated, event).stream_id
            if not stream_id or (stream_id in self.streams and self.streams[stream_id] in self.waiting):
                self.share()
        elif kind is RemoteSettingsChanged:
            self._settings_changed(cast(RemoteSettingsChanged, event))

    def stream_for(self, event: Headed) -> Stream | None:
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
        self.http2.bound_table()
        if SettingCodes.INITIAL_WINDOW_SIZE in event.changed_settings:
            self.share()

    @abstractmethod
    def going_away(self, notice: GoAway) -> None: ...

    # what streams call

    def send_head(self, stream: Stream, fields: list[tuple[bytes, bytes]], *, end: bool) -> None:
        if not self.over:
            self.http2.send_headers(stream.id, fields, end_stream=end)
            stream.output_ended = end

    def send_data(self, stream: Stream, data: bytes | memoryview, *, end: bool) -> None:
        self.http2.send_body(stream.id, data, end=end)
        self._frames.forgive(FOR_DATA * min(1.0, len(data) / WHOLE_DATA))
        self._framed += len(data)
        if self._framed >= WRITE_AT:
            self.flush_now()

    def reset(self, stream: Stream, code: int) -> None:
        """Gives a stream up, unless it has ended."""
        if self.forget(stream.id) is not None and not self.over:
            with contextlib.suppress(StreamClosedError):  # its end has come, and is about to be told
                self.http2.reset_stream(stream.id, code)
            self.flush()

    def flush(self) -> None:
        """Writes what has been framed, soon: what other streams have to say until then goes with it."""
        if not self._batch and not self._flushes:
            self._flushes = True
            self.gateway.call_soon(self.flush_now)

    def flush_now(self) -> None:
        self._flushes = False
        if not self.over:
            self._framed = 0
            if data := self.http2.to_send():
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

    def forget(self, stream_id: int) -> Stream | None:
        """It has ended both ways. None: it was forgotten already."""
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

    def broken(self, code: int, why: str) -> None:
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
