"""What a client asks on its connection: one request at a time, checked, and handed to an exchange.

Pipelined requests wait in `_input` until the one before is answered. When the connection is read, held back or closed
is client_connection.py's business. It must not know of pools or of containers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from maelstrom.gateway.answers import answer, code_of, plain, status_of
from maelstrom.gateway.arrival.front import OwnAnswer
from maelstrom.gateway.compiled import mypyc_attr
from maelstrom.gateway.http1.client_connection import AHEAD, LOOK_SECONDS, ClientConnection
from maelstrom.gateway.http1.exchange import Exchange
from maelstrom.gateway.http1.request_reader import RequestReader
from maelstrom.gateway.inside import InsideExchange
from maelstrom.gateway.wire.bodies import ChunkedBody, CountedBody
from maelstrom.gateway.wire.first_lines import F_CHUNKED, F_KEEP
from maelstrom.gateway.wire.lines import REQUEST_LINES, Malformed
from maelstrom.model.errors import BadRequest, BodyTooLarge, Draining, HeadTooLarge, MaelstromError

if TYPE_CHECKING:
    from maelstrom.gateway.arrival.listener import Listener
    from maelstrom.gateway.http1.requests import Prepared
    from maelstrom.gateway.inside import Inside
    from maelstrom.gateway.wire.heads import RequestHead

INPUT_AHEAD: Final = 65536  # bytes of pipelined requests read while another one is answered

_EMPTY_LINES: Final = re.compile(rb"(?:\r\n){1,1000}")  # in large steps: what is left is copied with each


@mypyc_attr(allow_interpreted_subclasses=True)
class Client(ClientConnection):
    """One connection, and the requests that come on it."""

    __slots__ = ("reader",)

    def __init__(self, listener: Listener) -> None:
        super().__init__(listener)
        self.reader = RequestReader(self)

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            if self.keep:
                self._process(data)
        elif self.body is not None:
            self._body(exchange, self.body, data)
        else:
            self._input += data
            if len(self._input) > INPUT_AHEAD:
                self.hold(AHEAD)

    def _process(self, data: bytes) -> None:
        """Begins the requests that are there, one after the other as long as each is answered at once."""
        if self._input:
            data = self._input + data
            self._input = b""
        self._processing = True
        while data and self.exchange is None and self.keep and not self._slow:
            prepared = self.reader.again(data)
            if prepared is None:
                prepared, end = self._prepare(data)
                if prepared is None:
                    if not end:
                        break
                    data = data[end:]
                    continue
            data = self._begin(prepared, data[prepared.head.end :])
        self._input = data
        self._processing = False
        if len(data) > INPUT_AHEAD:  # it sends requests and does not read their answers
            self.hold(AHEAD)

    def _prepare(self, data: bytes) -> tuple[Prepared | None, int]:
        """(what to begin, None if the gateway has answered itself; bytes read, 0 if the head is not complete)."""
        if data.startswith(b"\r\n"):  # empty lines before a request have no meaning (RFC 9112, 2.2)
            empty = _EMPTY_LINES.match(data)
            return None, 2 if empty is None else empty.end()
        try:
            head = self.reader.read(data)
        except Malformed as malformed:
            self.keep = False
            error = HeadTooLarge if malformed.code == HeadTooLarge.code else BadRequest
            self.answer_now(error(str(malformed)), None)
            return None, len(data)
        if head is None:
            self._await_head()
            return None, 0
        self._in_head = False
        if head.first.path == self.policy.health_path:
            self._health(head)
            return None, head.end
        if self.policy.reserved and head.first.path.startswith(self.policy.reserved) and self.gateway.inside:
            return None, len(data) - len(self._ask_node(head, data[head.end :], self.gateway.inside))
        try:
            return self.reader.prepare(head, data[: head.end]), head.end
        except OwnAnswer as own:
            self._answer_self(own, head)
        except MaelstromError as error:
            self.keep = self.keep and bool(head.flags & F_KEEP) and not head.has_body
            self.answer_now(error, head)
        return None, head.end

    def _await_head(self) -> None:
        if not self._in_head:
            self._in_head = True
            self._until = self.gateway.monotonic() + self.gateway.limits.head_seconds
            self.watch(self._until)

    def _begin(self, prepared: Prepared, rest: bytes) -> bytes:
        """Begins an exchange; returns what does not belong to this request."""
        target = prepared.target
        if target.component is not target.pool.component:
            target.refresh()
        now = self.gateway.monotonic()
        self._in_head = False
        self.keep = prepared.keep and not self.final
        exchange = self.exchange = Exchange(self, prepared, now)
        at = now + (target.watch_seconds if prepared.seconds is None else prepared.seconds)
        head = prepared.head
        lives = True
        if head.length > 0 or head.flags & F_CHUNKED:
            self.body = ChunkedBody(REQUEST_LINES) if head.flags & F_CHUNKED else CountedBody(head.length)
            self._body_at = now
            at = min(at, now + self.gateway.limits.body_seconds)
            if 0 < self.gateway.limits.max_body_bytes < head.length:
                exchange.fail(BodyTooLarge(f"the body has {head.length} bytes"))
                rest = b""
            elif rest:
                self._body(exchange, self.body, rest)
                rest, self._input = self._input, b""
            lives = self._serves(exchange)
        if at < self.watched_at:
            self.gateway.timers.watch(self, at)
        if lives:
            exchange.claim()
        return rest

    def _ask_node(self, head: RequestHead, rest: bytes, handler: Inside) -> bytes:
        """Begins an exchange with this node itself; returns what does not belong to this request."""
        now = self.gateway.monotonic()
        self.keep = self.keep and bool(head.flags & F_KEEP) and not self.final
        exchange = self.exchange = InsideExchange(self, head, handler, now)
        if head.has_body:
            chunked = head.flags & F_CHUNKED
            self.body = ChunkedBody(REQUEST_LINES, decode=True) if chunked else CountedBody(head.length)
            self._body_at = now
        self.watch(now + LOOK_SECONDS)
        exchange.begin()
        if self._serves(exchange) and self.body is not None and rest:
            self._body(exchange, self.body, rest)
            rest, self._input = self._input, b""
        return rest

    def _serves(self, exchange: Exchange | InsideExchange) -> bool:
        """Whether that one has not ended meanwhile: asked in a method, because types are inferred past calls."""
        return self.exchange is exchange

    def _body(self, exchange: Exchange | InsideExchange, body: CountedBody | ChunkedBody, data: bytes) -> None:
        self._body_at = self.gateway.monotonic()
        try:
            data, rest = body.feed(data)
        except Malformed as malformed:
            exchange.fail(BadRequest(str(malformed)))
            return
        limit = self.gateway.limits.max_body_bytes
        if limit and body.size > limit:
            exchange.fail(BodyTooLarge(f"the body has more than {limit} bytes"))
            return
        if rest is not None:
            self.body = None
            self._input += rest
        if data or self.body is None:
            exchange.body(data)

    # answers of the gateway itself

    def respond(self, error: MaelstromError, head: RequestHead | None, request_id: bytes = b"") -> int:
        """Writes an answer; returns its status. What becomes of the connection is `answered`'s business."""
        self.keep = self.keep and self.body is None
        if not self.transport.is_closing():
            reason, of = self.policy.show_reasons, self.exchange
            additions = of.prepared.route.additions if isinstance(of, Exchange) else None
            self.transport.write(
                answer(error, head, request_id=request_id, reason=reason, keep=self.keep, additions=additions)
            )
        return status_of(error)

    def answer_now(self, error: MaelstromError, head: RequestHead | None) -> None:
        """Answers a request that no exchange was begun for; `head`: None if it could not be read."""
        stats = self.gateway.stats.component("")
        stats.error(code_of(error))
        status = self.respond(error, head)
        stats.count(status, 0.0)
        if self.gateway.access is not None:
            self.gateway.access.refused(self, head, status, code_of(error))
        self._done(head)

    def _health(self, head: RequestHead) -> None:
        self.keep = self.keep and bool(head.flags & F_KEEP) and not head.has_body and not self.final
        if self.listener.draining:
            self.answer_now(Draining("this node is stopping"), head)
        else:
            self._answer_self(OwnAnswer(200, b"OK"), head)

    def _answer_self(self, own: OwnAnswer, head: RequestHead) -> None:
        self.keep = self.keep and bool(head.flags & F_KEEP) and not head.has_body and not self.final
        kind = b"text/plain; charset=utf-8"
        self.transport.write(plain(own.status, kind, own.body, head, extra=own.extra, keep=self.keep))
        self._done(head)

    def _done(self, head: RequestHead | None) -> None:
        now = self.gateway.monotonic()
        if head is None or head.has_body:
            self._linger(now)
        else:
            self.answered(now)
