"""One request of an HTTP/2 client: its frames as HTTP/1.1 for a `Client`, and that one's answer as frames."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Any

from maelstrom.gateway.answers import status_of
from maelstrom.gateway.grpc import status_answer, status_fields_of
from maelstrom.gateway.http1.client import Client
from maelstrom.gateway.http1.exchange import Exchange
from maelstrom.gateway.http2.frames import INTERNAL_ERROR, NO_ERROR, PROTOCOL_ERROR, Refused
from maelstrom.gateway.http2.heads import BROKEN, answer_fields, chunk, header_fields, last_chunk, request_text
from maelstrom.gateway.http2.streams import Stream
from maelstrom.gateway.wire.bodies import ChunkedBody
from maelstrom.gateway.wire.heads import REMEMBERED_HEAD, RequestHead
from maelstrom.gateway.wire.lines import ANSWER_LINES, Malformed
from maelstrom.model.errors import BadRequest

if TYPE_CHECKING:
    from maelstrom.gateway.arrival.listener import Listener
    from maelstrom.gateway.http2.clients import Http2
    from maelstrom.gateway.http2.heads import AnswerFields, Fields, RequestText
    from maelstrom.gateway.http2.library import Headed
    from maelstrom.gateway.inside import InsideExchange
    from maelstrom.model.errors import MaelstromError

# What comes next from the inner connection.
_HEAD, _COUNTED, _CHUNKS, _UNTIL_CLOSE, _DONE = range(5)


class RequestStream(Stream):
    """One request: its frames as HTTP/1.1 for a StreamClient, whose answer it writes down in frames."""

    __slots__ = ("_chunked", "_chunks", "_is_head", "_left", "_rest", "_state", "_to_come")

    connection: Http2

    def __init__(self, connection: Http2, id: int) -> None:
        super().__init__(connection, id)
        self._chunked = False
        self._to_come = -1  # bytes of a counted body of the request still to come
        self._is_head = False
        self._state = _HEAD
        self._left = 0  # bytes of a counted body of the answer still to come
        self._chunks: ChunkedBody | None = None
        self._rest = b""  # an unfinished head

    # from the client

    def headed(self, event: Headed) -> None:
        ended = getattr(event, "stream_ended", None) is not None
        self.input_ended = ended
        before = self.connection.before
        try:
            text = before.text(event.headers, ended=ended)
        except Malformed as malformed:
            if malformed.code == BROKEN:
                raise Refused(PROTOCOL_ERROR, str(malformed)) from malformed
            self.protocol = client = StreamClient(self, None, grpc=False)
            client.connection_made(self)
            client.refuse(malformed)
            return
        self._chunked, self._to_come, self._is_head = text.chunked, text.length, text.is_head
        self.protocol = client = StreamClient(self, before.client, grpc=text.grpc)
        client.connection_made(self)
        client.data_received(text.head)
        before.client = client

    def data(self, data: bytes, cost: int, *, last: bool) -> None:
        if self.closing:
            return
        if self._chunked:
            data = chunk(data) + last_chunk(()) if last else chunk(data)
        else:
            self._to_come -= len(data)
            if last and self._to_come > 0:
                self._malformed()
                return
        self.take(data, cost)

    def ended(self, trailers: list[tuple[bytes, bytes]]) -> None:
        if self.closing:
            return
        try:
            last = last_chunk(trailers)
        except Malformed:
            self._malformed()
            return
        if self._chunked:
            self.give(last)
        elif self._to_come > 0:
            self._malformed()

    def _malformed(self) -> None:
        self.connection.reset(self, PROTOCOL_ERROR)
        self.lost(PROTOCOL_ERROR)

    def lost(self, code: int) -> None:
        protocol, self.protocol = self.protocol, None
        self.closing = True
        if protocol is not None:
            protocol.connection_lost(None)

    # from the inner connection

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.closing or self.connection.over:
            return
        data = bytes(data)
        if self._state == _HEAD:
            data = self._head(self._rest + data)
        if self._state == _COUNTED:
            self.queue(data[: self._left])
            self._left = max(0, self._left - len(data))
            if not self._left:
                self._finish([])
        elif self._state == _CHUNKS:
            assert self._chunks is not None
            out, rest = self._chunks.feed(data)
            self.queue(out)
            if rest is not None:
                self._finish(header_fields(b"\r\n".join(self._chunks.kept)))
        elif self._state == _UNTIL_CLOSE:
            self.queue(data)
        self.push()

    def _head(self, data: bytes) -> bytes:
        """Sends heads up to that of the answer itself; what follows it."""
        while (head := self.connection.before.answer(data)) is not None:
            data = data[head.end :]
            if head.code >= 200:
                self._rest = b""
                empty = self._is_head or head.code in (204, 304) or head.length == 0
                self.connection.send_head(self, head.fields, end=empty)
                if empty:
                    self._state = _DONE
                elif head.length > 0:
                    self._state, self._left = _COUNTED, head.length
                elif head.chunked:
                    self._state, self._chunks = _CHUNKS, ChunkedBody(ANSWER_LINES, decode=True)
                else:
                    self._state = _UNTIL_CLOSE
                return data
            self.connection.send_head(self, head.fields, end=False)
        self._rest = data
        return b""

    def _finish(self, trailers: list[tuple[bytes, bytes]]) -> None:
        self._state = _DONE
        self.end(trailers)

    def close(self) -> None:
        if self.closing:
            return
        if self._state == _UNTIL_CLOSE:
            self._finish([])
        self.leave()
        if self._state != _DONE:
            self.connection.reset(self, INTERNAL_ERROR)
        elif self.output_ended:
            self.settled()
        else:
            self.push()

    def end_with(self, trailers: list[tuple[bytes, bytes]]) -> bool:
        """Ends an answer that has begun; False if it has not, or needs bytes that will not come."""
        if self.closing or self._state not in (_CHUNKS, _UNTIL_CLOSE):
            return False
        self._finish(trailers)
        self.close()
        return True

    def settled(self) -> None:
        if not self.output_ended or (not self.closing and not self.input_ended):
            return
        if self.input_ended:
            if self.id in self.connection.streams:
                self.connection.forgive()
            self.connection.forget(self.id)
        else:
            self.connection.reset(self, NO_ERROR)  # the rest of the request is not needed (RFC 9113, 8.1)


class Before:
    """What the streams of a connection know of the ones before, because the next request is most often alike."""

    __slots__ = ("_answer", "_answer_head", "_ended", "_fields", "_text", "client")

    def __init__(self) -> None:
        self.client: StreamClient | None = None
        self._fields: Fields | None = None
        self._ended = False
        self._text: RequestText | None = None
        self._answer: AnswerFields | None = None
        self._answer_head = b""

    def text(self, fields: Fields, *, ended: bool) -> RequestText:
        """See `request_text`."""
        if self._text is None or fields != self._fields or ended is not self._ended:
            self._text = request_text(fields, ended=ended)
            self._fields, self._ended = fields, ended
        return self._text

    def answer(self, data: bytes) -> AnswerFields | None:
        """See `answer_fields`."""
        if self._answer is not None and data.startswith(self._answer_head):
            return self._answer
        answer = answer_fields(data)
        if answer is not None and answer.end <= REMEMBERED_HEAD:
            self._answer, self._answer_head = answer, data[: answer.end]
        return answer


class StreamClient(Client):
    """The inner connection of one stream: it ends with its one request."""

    __slots__ = ("_before", "_grpc", "_stream")

    def __init__(self, stream: RequestStream, before: StreamClient | None, *, grpc: bool) -> None:
        super().__init__(stream.connection.door)
        self.origin = stream.connection.origin
        self._stream = stream
        self._grpc = grpc
        self._before = before

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        before, self._before = self._before, None
        if before is None:
            super().connection_made(transport)
            return
        self.transport = self._stream
        self.peer, self.local, self.trusted, self.caller = before.peer, before.local, before.trusted, before.caller
        self.reader.follow(before.reader)

    def refuse(self, malformed: Malformed) -> None:
        """The request cannot be written down."""
        self.answer_now(BadRequest(str(malformed)), None)

    def respond(self, error: MaelstromError, head: RequestHead | None, request_id: bytes = b"") -> int:
        if not self._grpc:
            return super().respond(error, head, request_id)
        extra = b"X-Request-Id: %b\r\n" % request_id if request_id else b""
        lines = status_answer(error, reason=self.policy.show_reasons, extra=extra)
        additions = self.exchange.prepared.route.additions if isinstance(self.exchange, Exchange) else None
        self._stream.write((lines if additions is None else additions.headed(lines)) + b"\r\n")
        return status_of(error)

    def answered(self, now: float) -> None:
        self._over()

    def _linger(self, now: float) -> None:
        self._over()

    def _close(self, now: float) -> None:
        self._over()

    def _over(self) -> None:
        self.keep = False
        self._until = inf
        if self.exchange is None:  # there is nothing that the stream's end would have to tell
            self._stream.protocol = None
            self.gateway.timers.forget(self)
        self._stream.close()

    def cut(self) -> None:
        exchange: Exchange | InsideExchange | None = self.exchange
        error = getattr(exchange, "error", "")
        if not (self._grpc and error and self._stream.end_with(status_fields_of(error))):
            super().cut()


class Door:
    """The listener as inner connections see it: they come in with one that was admitted."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.gateway = listener.gateway
        self.policy = listener.policy

    def admit(self, client: Client) -> bool:
        return True

    def forget(self, client: Client) -> None:
        """It was never counted."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)
