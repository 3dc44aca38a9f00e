"""A connection to a container: sends one request at a time, reads the answer and passes it on as it comes.

What an answer is and where it ends is decided here, strictly: a container can no more smuggle an answer than a client a
request. What becomes of the request is the exchange's business; this must not know of pools, routes or deadlines.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from math import inf
from typing import TYPE_CHECKING, Final, cast

from maelstrom.gateway.bodies import ChunkedBody, ends_with_body
from maelstrom.gateway.compiled import mypyc_attr
from maelstrom.gateway.first_lines import F_CHUNKED, F_EXPECT, F_HEAD, F_KEEP, F_OLD, F_UPGRADE
from maelstrom.gateway.heads import AnswerHead, answer_head
from maelstrom.gateway.lines import ANSWER_LINES, Malformed

if TYPE_CHECKING:
    from maelstrom.activation.instance import Instance
    from maelstrom.gateway.exchange import Exchange
    from maelstrom.gateway.gateway import Gateway

HIGH_WATER: Final = 65536  # bytes waiting to be written before the other side is paused
REMEMBERED_HEAD: Final = 2048  # bytes of the longest head that a connection remembers
_IDLE_MAX: Final = 512  # idle connections kept per instance
_INTERIM_MAX: Final = 128  # 1xx answers to one request; more keep the loop busy for nobody

# What comes next from the container.
HEAD, COUNTED, CHUNKS, UNTIL_CLOSE = range(4)


def reset(transport: asyncio.Transport) -> None:
    """Ends a connection with RST, so that what was sent of a message cannot be taken for all of it."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


@mypyc_attr(allow_interpreted_subclasses=True)
class ContainerLink(asyncio.Protocol):
    """One connection to one instance. In `instance.links` as long as it lives, in `instance.idle` between requests."""

    __slots__ = (
        "_chunks",
        "_gateway",
        "_held",
        "_interims",
        "_known",
        "_known_head",
        "_left",
        "_paused",
        "_state",
        "connected",
        "exchange",
        "idle_since",
        "instance",
        "keep",
        "reused",
        "transport",
        "watched_at",
    )

    transport: asyncio.Transport

    def __init__(self, gateway: Gateway, instance: Instance) -> None:
        self._gateway = gateway
        self.instance = instance
        self.exchange: Exchange | None = None
        self.connected = False
        self.keep = False  # the container keeps the connection after this answer
        self.reused = False
        self.idle_since = 0.0  # monotonic
        self.watched_at = inf
        self._state = HEAD
        self._left = 0  # bytes of a counted body still to come
        self._chunks: ChunkedBody | None = None
        self._held = b""  # an unfinished head
        self._interims = 0  # answers before the answer
        self._known = b""  # the last answer's head as it came, and what it means
        self._known_head: AnswerHead | None = None
        self._paused = False
        instance.links.add(self)
        gateway.links.add(self)

    # what the exchange calls

    async def connect(self, seconds: float) -> str:
        """Empty if it is connected now, else why not."""
        address = self.instance.address
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().create_connection(lambda: self, address.host, address.port)
        except TimeoutError:
            return f"the component did not accept a connection within {seconds:g} s"
        except OSError as error:
            return f"no connection to the component: {error.strerror or error}"
        return ""

    def pause(self) -> None:
        """The client reads too slowly."""
        self._paused = True
        self.transport.pause_reading()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    def drop(self) -> None:
        """Closes at once: the container sees that nobody waits for the answer any more."""
        self.exchange = None
        self._forget()
        if self.connected:
            self.transport.abort()

    # what the instance and the timers call

    def lost(self) -> None:
        """The container is gone or being stopped."""
        exchange = self.exchange
        self.drop()
        if exchange is not None:
            self._broken(exchange, "the container is gone")

    def due(self, now: float) -> float:
        if not self.connected:
            return inf
        end = self.idle_since + self._gateway.limits.container_idle_seconds
        if self.exchange is not None or now < end:
            return max(end, now + 1.0)
        self.drop()
        return inf

    # what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self.connected = True
        transport.set_write_buffer_limits(HIGH_WATER)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connected = False
        exchange, self.exchange = self.exchange, None
        self._forget()
        if exchange is not None:
            self._ended(exchange, clean=exc is None)

    def eof_received(self) -> bool:
        exchange = self.exchange
        self.drop()
        if exchange is not None:
            self._ended(exchange, clean=True)
        return False

    def pause_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.container_slow()

    def resume_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.container_ready()

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            self.drop()  # nobody asked: whatever it is, it answers no request
            return
        state = self._state
        if state == HEAD:
            self._head(exchange, data)
            return
        exchange.moved_at = self._gateway.monotonic()
        if state == COUNTED:
            self._counted(exchange, data, 0)
        elif state == CHUNKS:
            self._chunked(exchange, data)
        else:
            exchange.pass_on(data)

    # the answer's head

    def _whole(self, exchange: Exchange, head: AnswerHead, data: bytes) -> None:
        """The whole answer has come at once: by far the most do."""
        self.keep = head.flags & F_KEEP != 0
        exchange.code = head.code
        exchange.answering = True
        exchange.pass_on(data if head.unchanged else b"".join((head.head, b"\r\n", data[head.end :])))
        if self.exchange is exchange:
            self._complete(exchange)

    def _head(self, exchange: Exchange, data: bytes) -> None:
        """Reads heads up to that of the answer itself."""
        if self._held:
            data = self._held + data
            self._held = b""
        while True:
            head = self._known_head
            if head is None or not data.startswith(self._known):
                try:
                    head = answer_head(data)
                except Malformed as malformed:
                    self._refuse(exchange, str(malformed))
                    return
                if head is None:
                    exchange.first_byte = True
                    self._held = data
                    return
                if head.end <= REMEMBERED_HEAD:
                    self._known = data[: head.end]
                    self._known_head = head
            if head.code >= 200:
                break
            self._interim(exchange, head, data)
            data = data[head.end :]
            if not data or self._state != HEAD or self.exchange is not exchange:
                return
        self._interims = 0
        if exchange.plain and (head.whole == len(data) or (not head.whole and ends_with_body(data, head.end))):
            self._whole(exchange, head, data)
        else:
            self._final(exchange, head, data)

    def _final(self, exchange: Exchange, head: AnswerHead, data: bytes) -> None:
        """How the body is framed."""
        code, flags = head.code, head.flags
        self.keep = flags & F_KEEP != 0
        last = False  # the client can tell the answer's end only by the connection's
        if exchange.asked & F_HEAD or code == 204 or code == 304:
            self._state, self._left = COUNTED, 0
        elif head.length >= 0:
            self._state, self._left = COUNTED, head.length
        elif flags & F_CHUNKED:
            self._state, last = CHUNKS, exchange.asked & F_OLD != 0
            self._chunks = ChunkedBody(ANSWER_LINES, decode=last)
        else:
            self._state, last = UNTIL_CLOSE, True
        extra = b""
        if last or not exchange.plain:
            extra = exchange.answer_lines(last=last)
            head = exchange.with_additions(head)
        self._first(exchange, head, data, extra)

    def _first(self, exchange: Exchange, head: AnswerHead, data: bytes, extra: bytes) -> None:
        """Passes on the head together with what came of the body."""
        end = head.end
        if self._state == CHUNKS:
            lines = head.head
            if exchange.asked & F_OLD:
                lines = without_coding(lines)
            self._chunked(exchange, data[end:], lines + extra + b"\r\n", head.code)
            return
        exchange.begin(head.code)
        if extra or not head.unchanged:
            lines = head.head
            data = b"".join((lines, extra, b"\r\n", data[end:]))
            end = len(lines) + len(extra) + 2
        if self._state == COUNTED:
            self._counted(exchange, data, end)
        else:
            exchange.pass_on(data)

    def _interim(self, exchange: Exchange, head: AnswerHead, data: bytes) -> None:
        """100 and the like are passed on to those who know them; 101 makes a tunnel."""
        if head.code == 101:
            if not (exchange.asked & F_UPGRADE and head.flags & F_UPGRADE):
                self._refuse(exchange, "an upgrade that nobody asked for")
                return
            self.exchange = None
            self._forget()
            exchange.open_tunnel(self.transport, b"%b\r\n%b" % (head.head, data[head.end :]))
            return
        exchange.first_byte = True
        self._interims += 1
        if self._interims > _INTERIM_MAX:
            self._refuse(exchange, f"more than {_INTERIM_MAX} interim answers")
        elif not exchange.asked & F_OLD and (head.code != 100 or exchange.asked & F_EXPECT):
            exchange.pass_on(head.head + b"\r\n")

    # the answer's body

    def _counted(self, exchange: Exchange, data: bytes, begin: int) -> None:
        """`data` from `begin` on is body."""
        n = len(data) - begin
        left = self._left - n
        if left < 0:
            data = data[:left]
            self.keep = False  # more than it said: not to be trusted with another request
            left = 0
        self._left = left
        exchange.pass_on(data)
        if not left and self.exchange is exchange:
            self._complete(exchange)

    def _chunked(self, exchange: Exchange, data: bytes, before: bytes = b"", code: int = 0) -> None:
        """`before`: the head, if it has not been passed on yet."""
        assert self._chunks is not None
        try:
            out, rest = self._chunks.feed(data)
        except Malformed as malformed:
            self._refuse(exchange, str(malformed))
            return
        if before:
            exchange.begin(code)
            exchange.pass_on(before + out)
        elif out:
            exchange.pass_on(out)
        if rest is not None and self.exchange is exchange:
            self.keep = self.keep and not rest
            self._complete(exchange)

    # ends

    def _complete(self, exchange: Exchange) -> None:
        self.exchange = None
        self._state = HEAD
        self._chunks = None
        instance = self.instance
        now = self._gateway.monotonic()
        if (
            self.keep
            and instance.state == "ready"
            and exchange.client.body is None  # else the container would take the rest for another request
            and len(instance.idle) < _IDLE_MAX
        ):
            if self._paused:
                self.resume()
            self.idle_since = now
            if self.watched_at == inf:
                self._gateway.timers.watch(self, now + self._gateway.limits.container_idle_seconds)
            instance.idle.append(self)
        else:
            self.drop()
        exchange.complete(now)

    def _ended(self, exchange: Exchange, *, clean: bool) -> None:
        """The container closed the connection."""
        if self._state == UNTIL_CLOSE and clean:
            exchange.complete(self._gateway.monotonic())
        else:
            self._broken(exchange, "the component closed the connection before its answer was complete")

    def _broken(self, exchange: Exchange, why: str) -> None:
        untouched = self._state == HEAD and not self._held and not exchange.first_byte
        exchange.broken(self, why, untouched=untouched)

    def _refuse(self, exchange: Exchange, why: str) -> None:
        self.drop()
        exchange.malformed(why)

    def _forget(self) -> None:
        self.instance.links.discard(self)
        self._gateway.links.discard(self)
        if self in self.instance.idle:
            self.instance.idle.remove(self)
        self._gateway.timers.forget(self)


def without_coding(lines: bytes) -> bytes:
    """The head's lines without Transfer-Encoding and Trailer, for a client that knows neither."""
    kept = [
        line
        for line in lines.split(b"\r\n")
        if line.partition(b":")[0].lower() not in (b"transfer-encoding", b"trailer")
    ]
    return b"\r\n".join(kept)
