"""A connection from a client: reads one request at a time, checked, and hands it to an exchange.

Pipelined requests wait in `_input` until the one before is answered. While an exchange runs, the end of the client's
input means that the client is gone: a closed and a half-closed socket look alike. Other protocols take over where the
connection becomes a tunnel, or only lingers. It must not know of pools or of containers.
"""

from __future__ import annotations

import asyncio
import re
from math import inf
from typing import TYPE_CHECKING, Final, cast

from maelstrom.gateway.answers import answer, code_of, plain, status_of
from maelstrom.gateway.bodies import ChunkedBody, CountedBody
from maelstrom.gateway.compiled import mypyc_attr
from maelstrom.gateway.container import REMEMBERED_HEAD
from maelstrom.gateway.container_connection import HIGH_WATER
from maelstrom.gateway.exchange import GONE_SECONDS, Exchange
from maelstrom.gateway.first_lines import F_CHUNKED, F_KEEP
from maelstrom.gateway.forwarded import forwarded_lines, forwarded_lines_of_proxy
from maelstrom.gateway.front import OwnAnswer
from maelstrom.gateway.heads import RequestHead, request_head
from maelstrom.gateway.inside import InsideExchange
from maelstrom.gateway.lines import REQUEST_LINES, Malformed
from maelstrom.gateway.lingering import Lingering
from maelstrom.gateway.origin import Origin, Spoken
from maelstrom.gateway.patterns import Pattern
from maelstrom.gateway.requests import Prepared, Way, prepare
from maelstrom.gateway.sender import AHEAD
from maelstrom.gateway.sockets import has_left, reset
from maelstrom.model.errors import (
    BadRequest,
    BodyTooLarge,
    Draining,
    HeadTooLarge,
    MaelstromError,
    RequestTimeout,
)

if TYPE_CHECKING:
    from maelstrom.gateway.doorkeeper import Host
    from maelstrom.gateway.inside import Inside
    from maelstrom.gateway.listener import Listener
    from maelstrom.model.component import ComponentKey

INPUT_AHEAD: Final = 65536  # bytes of pipelined requests read while another one is answered
LOOK_SECONDS: Final = 5.0  # a connection with a request is looked at at least so often
CLOSE_SECONDS: Final = 30.0  # for what is still to be written when a connection is closed

_EMPTY_LINES: Final = re.compile(rb"(?:\r\n){1,1000}")  # in large steps: what is left is copied with each


@mypyc_attr(allow_interpreted_subclasses=True)
class Client(Spoken):
    """One connection. `keep`: it serves another request after this one."""

    __slots__ = (
        "_body_at",
        "_forwarded",
        "_host",
        "_in_head",
        "_input",
        "_lingering",
        "_pattern",
        "_processing",
        "_remembered",
        "_slow",
        "_until",
        "body",
        "caller",
        "exchange",
        "gateway",
        "holds",
        "keep",
        "listener",
        "local",
        "peer",
        "policy",
        "transport",
        "trusted",
        "watched_at",
        "way",
    )

    transport: asyncio.Transport

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.gateway = listener.gateway
        self.policy = listener.policy
        self.exchange: Exchange | InsideExchange | None = None
        self.keep = True
        self.body: CountedBody | ChunkedBody | None = None  # the request's, while something of it is to come
        self.final = False  # no request is begun after the current one
        self.origin: Origin | None = None
        self.peer = b""
        self.local = b""
        self.trusted = False
        self.caller: ComponentKey | Host | None = None  # on the internal listener
        self.watched_at = inf
        self._input = b""  # read, not yet used
        self._remembered: Prepared | None = None
        self._pattern: Pattern | None = None
        self.way: Way | None = None
        self._host: bytes | None = None
        self._forwarded = b""  # the forwarding headers for `_host`
        self.holds = 0
        self._slow = False  # it reads too slowly
        self._in_head = False  # a part of a head has come
        self._processing = False
        self._body_at = 0.0  # monotonic; when something of the body last came
        self._until = 0.0  # monotonic: end of waiting for a head, of idling or of closing
        self._lingering: Lingering | None = None

    # what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        if not self.listener.admit(self):
            return
        transport.set_write_buffer_limits(HIGH_WATER)
        address, self.local = self.origin or Origin.seen(transport)
        self.peer = address.encode()
        self.trusted = self.policy.trusts(address)
        self._until = self.gateway.monotonic() + self.gateway.limits.head_seconds
        self.gateway.timers.watch(self, self._until)
        if self.policy.by_name:
            self.gateway.doorkeeper.introduce(self, address)

    def connection_lost(self, exc: Exception | None) -> None:
        self.listener.forget(self)
        self.gateway.timers.forget(self)
        if self.exchange is not None:
            self.exchange.abandon()

    def eof_received(self) -> bool:
        exchange = self.exchange
        if exchange is not None:
            exchange.abandon()
            self.transport.abort()
        return False

    def pause_writing(self) -> None:
        self._slow = True
        if self.exchange is not None:
            self.exchange.client_slow()

    def resume_writing(self) -> None:
        self._slow = False
        if self.exchange is not None:
            self.exchange.client_ready()
        elif self.keep:
            self.unhold(AHEAD)
            if self._input:
                self._process(b"")

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

    # requests

    def _process(self, data: bytes) -> None:
        """Begins the requests that are there, one after the other as long as each is answered at once."""
        if self._input:
            data = self._input + data
            self._input = b""
        self._processing = True
        while data and self.exchange is None and self.keep and not self._slow:
            prepared = self._remembered
            if (
                prepared is None
                or not data.startswith(prepared.raw)
                or prepared.way.epoch != self.gateway.epoch
                or prepared.target.pool.closed
            ):
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
        last = self._remembered
        if last is not None and self._pattern is not None and self._again(self._pattern, last, data):
            return last, last.head.end
        if data.startswith(b"\r\n"):  # empty lines before a request have no meaning (RFC 9112, 2.2)
            empty = _EMPTY_LINES.match(data)
            return None, 2 if empty is None else empty.end()
        try:
            head = self._read_head(data)
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
            prepared = prepare(self, head, data[: head.end])
        except OwnAnswer as own:
            self._answer_self(own, head)
            return None, head.end
        except MaelstromError as error:
            self.keep = self.keep and bool(head.flags & F_KEEP) and not head.has_body
            self.answer_now(error, head)
            return None, head.end
        short = head.end <= REMEMBERED_HEAD  # else an idle connection could keep hundreds of KiB
        self._remembered, self.way = (prepared, self.way) if short else (None, None)
        return prepared, head.end

    def _again(self, pattern: Pattern, last: Prepared, data: bytes) -> bool:
        """Whether `last` now stands for `data`, which differs from it only as the pattern allows."""
        return (
            last.head is pattern.head
            and last.way.epoch == self.gateway.epoch
            and not last.target.pool.closed
            and pattern.again(last, data)
        )

    def _read_head(self, data: bytes) -> RequestHead | None:
        head = self._pattern.read(data) if self._pattern is not None else None
        if head is None:
            head = request_head(data)
            if head is not None:
                # The second head that differs from the one before, or fits the pattern no more.
                anew = self._pattern is None and self._remembered is not None and head.end <= REMEMBERED_HEAD
                self._pattern = Pattern.of(data[: head.end], head) if anew else None
        return head

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

    def forwarded(self, head: RequestHead) -> bytes:
        """The lines that say who asks."""
        if self.trusted:
            return forwarded_lines_of_proxy(self.peer, head.host, self.listener.scheme, head.special or {})
        if head.host != self._host:
            self._host = head.host
            self._forwarded = forwarded_lines(self.peer, head.host, self.listener.scheme)
        return self._forwarded

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

    # what the exchange calls

    def answered(self, now: float) -> None:
        """The request is done with: on to the next one, or the end."""
        if self.holds:
            self.unhold(self.holds)
        if self.body is not None:
            self._linger(now)
            return
        if not self.keep:
            self._close(now)
            return
        if self.final:
            self._until = now + self.gateway.limits.drain_idle_seconds
            self.watch(self._until)
        else:
            self._until = now + self.gateway.limits.keepalive_seconds
        if self._input and not self._processing and not self._slow:
            self._process(b"")

    def cut(self) -> None:
        """Ends the connection so that the answer is seen to be incomplete."""
        self.keep = False
        reset(self.transport)

    def take_input(self) -> bytes:
        """What was sent ahead; the connection now belongs to somebody else."""
        self.keep = False
        self.holds = 0
        data, self._input = self._input, b""
        return data

    def hold(self, why: int) -> None:
        """Reads no more until `unhold`; that it leaves is then noticed by looking."""
        if not self.holds:
            self.transport.pause_reading()
            self.watch(self.gateway.monotonic() + GONE_SECONDS)
        self.holds |= why

    def unhold(self, why: int) -> None:
        if self.holds & why:
            self.holds &= ~why
            if not self.holds and not self.transport.is_closing():
                self.transport.resume_reading()

    # ends and deadlines

    def drain(self, now: float) -> None:
        """The node stops: this connection's current request is its last, an idle one may bring one more."""
        self.final = True
        exchange = self.exchange
        if self._lingering is not None:
            self._lingering.hurry(now, self.gateway.limits.drain_idle_seconds)
        elif exchange is None:
            if not self._in_head:
                self._until = min(self._until, now + self.gateway.limits.drain_idle_seconds)
                self.watch(self._until)
        elif not exchange.answering:
            self.keep = exchange.plain = False

    def watch(self, at: float) -> None:
        if at < self.watched_at:
            self.gateway.timers.watch(self, at)

    def due(self, now: float) -> float:
        exchange = self.exchange
        if exchange is None:
            if now >= self._until:
                self._out_of_time(now)
            return self._until
        look = exchange.due(now)
        if self.exchange is exchange and self.body is not None and not self.holds:
            end = self._body_at + self.gateway.limits.body_seconds
            if now >= end:
                exchange.fail(RequestTimeout("the request's body stands still"))
            look = min(look, end)
        if self.exchange is not exchange:
            return self._until if self.exchange is None else now
        if self.holds:
            self._body_at = now
            look = min(look, now + GONE_SECONDS)
            if has_left(self.transport):
                exchange.abandon()
                self.transport.abort()
                return inf
        return min(look, now + LOOK_SECONDS)

    def _out_of_time(self, now: float) -> None:
        if not self.keep or self._slow:
            self.keep = False
            self._until = inf
            self.transport.abort()
        elif self._in_head:
            self.keep = False
            self.answer_now(RequestTimeout("the request's head did not come in time"), None)
        else:
            self._close(now)

    def _close(self, now: float) -> None:
        """Ends the connection when all has been written, or has not for too long."""
        self.keep = False
        self._until = now + CLOSE_SECONDS
        self.watch(self._until)
        self.transport.close()

    def _linger(self, now: float) -> None:
        """The answer was the last, and the client may still be sending."""
        self.keep = False
        self._until = inf
        quiet = self.gateway.limits.linger_seconds
        self._lingering = Lingering(self.transport, self.gateway.timers, now, quiet, self.connection_lost)
