"""HTTP/2 to containers that want it: few connections to an instance, each request a stream on one of them.

To an exchange such a stream is a connection of HTTP/1.1 like any other, that serves one request: `http1/container.py`
reads its answer, so that a container can no more smuggle one in than by HTTP/1.1. It must not know of pools, routes or
deadlines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maelstrom.gateway.http1.container import ContainerLink
from maelstrom.gateway.http2.frames import CANCEL, REFUSED_STREAM
from maelstrom.gateway.http2.heads import answer_text, chunk, header_fields, last_chunk, request_fields
from maelstrom.gateway.http2.streams import Stream
from maelstrom.gateway.http2.trunks import Trunk
from maelstrom.gateway.wire.bodies import ChunkedBody
from maelstrom.gateway.wire.lines import REQUEST_LINES, Malformed

if TYPE_CHECKING:
    from maelstrom.activation.instance import Instance
    from maelstrom.gateway.gateway import Gateway
    from maelstrom.gateway.http1.exchange import Exchange
    from maelstrom.gateway.http2.library import Headed

TRIES: Final = 4  # connections opened for one request that others were quicker to fill


class StreamLink(ContainerLink):
    """A request's connection to an instance: one stream of a trunk."""

    __slots__ = ()

    transport: AnswerStream

    def __init__(self, gateway: Gateway, instance: Instance) -> None:
        super().__init__(gateway, instance)
        trunk = self._trunk()
        if trunk is not None and trunk.opened:
            self.reused = True
            self.connection_made(AnswerStream(trunk, self))

    async def connect(self, seconds: float) -> str:
        for _ in range(TRIES):
            trunk = self._trunk() or Trunk(self._gateway, self.instance)
            why = await trunk.open(seconds) or trunk.fault
            if why:
                return why
            if trunk.has_room:  # else others were there first
                self.connection_made(AnswerStream(trunk, self))
                return ""
        return "the component takes no streams"

    def _trunk(self) -> Trunk | None:
        return next((link for link in self.instance.links if isinstance(link, Trunk) and link.has_room), None)

    def refused(self) -> None:
        """The container has not begun with the request, and says so."""
        exchange, self.exchange = self.exchange, None
        self._forget()
        if exchange is not None:
            exchange.unprocessed(self, "the component refused the stream")

    def spoiled(self, why: str) -> None:
        """What came is no answer, or no more of it comes."""
        exchange = self.exchange
        if exchange is not None:
            self._refuse(exchange, why)

    def _complete(self, exchange: Exchange) -> None:
        self.keep = False  # a stream serves one request
        self.transport.answered = True
        super()._complete(exchange)


class AnswerStream(Stream):
    """One request to a container: what its StreamLink writes as frames, what comes in frames as HTTP/1.1."""

    __slots__ = ("_body", "_chunked", "_is_head", "_left", "answered")

    connection: Trunk
    protocol: StreamLink | None

    def __init__(self, connection: Trunk, link: StreamLink) -> None:
        super().__init__(connection, 0)
        self.protocol = link
        self.answered = False  # its answer is complete
        self._is_head = False
        self._chunked = False  # the answer's body is handed on in chunks
        self._body: ChunkedBody | None = None  # of the request
        self._left = 0  # bytes of a counted body of the request still to be written

    # from the exchange

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.closing or self.connection.over:
            return
        data = bytes(data)
        if not self.id:
            data = self._head(data)
        if self._body is not None:
            out, rest = self._body.feed(data)
            self.queue(out)
            if rest is not None:
                self.end(header_fields(b"\r\n".join(self._body.kept)))
        elif self._left:
            self.queue(data)
            self._left -= len(data)
            if not self._left:
                self.end([])
        self.push()

    def _head(self, data: bytes) -> bytes:
        """Opens the stream with the request's head, which is written at once; what follows it."""
        end = data.find(b"\r\n\r\n") + 4
        fields = request_fields(data[: end - 2])
        values = dict(fields)
        self._is_head = values[b":method"] == b"HEAD"
        if b"\r\ntransfer-encoding:" in data[:end].lower():
            self._body = ChunkedBody(REQUEST_LINES, decode=True)
        else:
            self._left = int(values.get(b"content-length", b"0"))
        connection = self.connection
        self.id = connection.http2.get_next_available_stream_id()
        connection.streams[self.id] = self
        connection.send_head(self, fields, end=self._body is None and not self._left)
        return data[end:]

    def abort(self) -> None:
        """The link is done with it. An answer that is complete may still wait for the frame that ends its stream."""
        self.leave()
        self.moved_at = self.connection.gateway.monotonic()
        if not self.id or (self.answered and self.output_ended):
            return
        self.connection.reset(self, CANCEL)

    def close(self) -> None:
        self.abort()

    # from the container

    def headed(self, event: Headed) -> None:
        link = self.protocol
        if link is None:
            return
        ended = getattr(event, "stream_ended", None) is not None
        try:
            text, self._chunked = answer_text(event.headers, ended=ended, bodiless=self._is_head)
        except Malformed as malformed:
            link.spoiled(str(malformed))
            return
        link.data_received(text)

    def data(self, data: bytes, cost: int, *, last: bool) -> None:
        if self.protocol is None:
            if data:
                self.connection.reset(self, CANCEL)
        elif self._chunked:
            self.take(chunk(data) + last_chunk(()) if last else chunk(data), cost)
        else:
            self.take(data, cost)
            if last:
                self._check_complete()

    def ended(self, trailers: list[tuple[bytes, bytes]]) -> None:
        link = self.protocol
        if link is None:
            return
        if not self._chunked:
            self._check_complete()
            return
        try:
            link.data_received(last_chunk(trailers))
        except Malformed as malformed:
            link.spoiled(str(malformed))

    def _check_complete(self) -> None:
        """An answer that says how long it is ends its link when it is so long."""
        if self.protocol is not None:
            self.protocol.spoiled("the component ended the stream before its answer was complete")

    def settled(self) -> None:
        if self.input_ended and self.output_ended:
            self.connection.forget(self.id)

    def lost(self, code: int) -> None:
        link, self.protocol = self.protocol, None
        self.closing = True
        if link is None:
            return
        if self.connection.over:
            link.connection_lost(None)
            return
        link.connected = False
        if code == REFUSED_STREAM:
            link.refused()
        else:
            link.spoiled(f"the component reset the stream (error {code})")


def link_to(gateway: Gateway, instance: Instance) -> ContainerLink:
    """A connection of the kind that the instance wants; `connected` where it is there already."""
    return StreamLink(gateway, instance) if instance.address.http2 else ContainerLink(gateway, instance)
