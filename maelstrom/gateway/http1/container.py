"""Answers of containers: read strictly, passed on as they come, and each to its end and no further.

A container can no more smuggle an answer than a client a request. What becomes of the request is the exchange's
business, and when the connection is opened or closed container_connection.py's. It must not know of pools, routes or
deadlines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maelstrom.gateway.compiled import mypyc_attr
from maelstrom.gateway.http1.container_connection import ContainerConnection
from maelstrom.gateway.wire.answer_heads import AnswerHead, answer_head
from maelstrom.gateway.wire.bodies import ChunkedBody, ends_with_body
from maelstrom.gateway.wire.first_lines import F_CHUNKED, F_EXPECT, F_HEAD, F_KEEP, F_OLD, F_UPGRADE
from maelstrom.gateway.wire.heads import REMEMBERED_HEAD
from maelstrom.gateway.wire.lines import ANSWER_LINES, Malformed

if TYPE_CHECKING:
    from maelstrom.activation.instance import Instance
    from maelstrom.gateway.gateway import Gateway
    from maelstrom.gateway.http1.exchange import Exchange

_INTERIM_MAX: Final = 128  # 1xx answers to one request; more keep the loop busy for nobody

# What comes next from the container.
HEAD, COUNTED, CHUNKS, UNTIL_CLOSE = range(4)


@mypyc_attr(allow_interpreted_subclasses=True)
class ContainerLink(ContainerConnection):
    """One connection to one instance, and what is read on it."""

    __slots__ = ("_chunks", "_held", "_interims", "_known", "_known_head", "_left", "_state")

    def __init__(self, gateway: Gateway, instance: Instance) -> None:
        super().__init__(gateway, instance)
        self._state = HEAD
        self._left = 0  # bytes of a counted body still to come
        self._chunks: ChunkedBody | None = None
        self._held = b""  # an unfinished head
        self._interims = 0  # answers before the answer
        self._known = b""  # the last answer's head as it came, and what it means
        self._known_head: AnswerHead | None = None

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
            self._finish(exchange)

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
            self._finish(exchange)

    # ends

    def _finish(self, exchange: Exchange) -> None:
        """The answer's body has come to its end."""
        self._state = HEAD
        self._chunks = None
        self._complete(exchange)

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


def without_coding(lines: bytes) -> bytes:
    """The head's lines without Transfer-Encoding and Trailer, for a client that knows neither."""
    kept = [
        line
        for line in lines.split(b"\r\n")
        if line.partition(b":")[0].lower() not in (b"transfer-encoding", b"trailer")
    ]
    return b"\r\n".join(kept)
