"""The life of one request, top to bottom: claim, send, pass the answer on, account. No I/O of its own.

Claiming and sending are sender.py's half. Every way out goes through `_end`, which gives back what was claimed. It must
not know how heads or bodies are read.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING

from maelstrom.gateway.answers import code_of, connection_line, server_timing
from maelstrom.gateway.http1.client_connection import SLOW_CONTAINER
from maelstrom.gateway.http1.sender import Sender
from maelstrom.gateway.http1.tunnel import Tunnel
from maelstrom.gateway.stats import CLIENT_GONE
from maelstrom.gateway.wire.answer_heads import AnswerHead
from maelstrom.gateway.wire.first_lines import F_IDEMPOTENT
from maelstrom.model.errors import MaelstromError, UpstreamBroken

if TYPE_CHECKING:
    from maelstrom.gateway.http1.client import Client
    from maelstrom.gateway.http1.requests import Prepared


class Exchange(Sender):
    """One request of one client, until it is answered, cut or given up."""

    __slots__ = ("_tunnel", "code", "error", "first_byte", "plain", "sent")

    def __init__(self, client: Client, prepared: Prepared, started: float) -> None:
        self.client = client
        self.prepared = prepared
        self.asked = asked = prepared.head.flags
        self.started = self.moved_at = self._sent_at = started
        seconds = prepared.target.seconds
        self._until = started + (seconds if prepared.seconds is None else min(prepared.seconds, seconds))
        self._gateway = client.gateway
        self._instance = None
        self._link = None
        self._connecting = None
        self._body = b""
        self._resendable = asked & F_IDEMPOTENT != 0
        self._retried = 0
        self.queued = False
        self.waited = 0.0
        self.request_id = b""
        self.received = 0
        self.answering = False
        self.plain = prepared.plain and client.keep  # nothing is added to the answer's head, and its body is as it says
        self.first_byte = False  # something of an answer has come
        self.code = 0  # the answer's status
        self.error = ""  # the code of what ended it, if that was not the component's answer
        self.sent = 0  # bytes of the answer
        self._tunnel: Tunnel | None = None

    # towards the client

    def begin(self, code: int) -> None:
        """The answer's head goes out now."""
        self.code = code
        self.answering = True
        self._body = b""
        if self.prepared.measured:
            self.moved_at = self._gateway.monotonic()

    def pass_on(self, data: bytes) -> None:
        self.sent += len(data)
        self.client.transport.write(data)

    def answer_lines(self, *, last: bool) -> bytes:
        """What is added to the answer's head; `last`: the connection ends with this answer."""
        client = self.client
        if last:
            client.keep = False
        lines = connection_line(self.prepared.head, keep=client.keep)
        return lines + self._server_timing() if self.prepared.timing else lines

    def with_additions(self, head: AnswerHead) -> AnswerHead:
        """The same head with what the project adds to it."""
        additions = self.prepared.route.additions
        if additions is None:
            return head
        return AnswerHead(head.end, head.code, head.flags, head.length, additions.headed(head.head), False)

    def _server_timing(self) -> bytes:
        upstream = self._gateway.monotonic() - self._sent_at
        instance = self._instance
        if instance is None or instance.ready_at <= self.started:
            return server_timing(self.waited, 0.0, upstream)
        start = min(self.waited, instance.ready_at - self.started)  # that was waited for
        return server_timing(self.waited - start, start, upstream, instance.receipt.phases, woken=instance.woken)

    def open_tunnel(self, container: asyncio.Transport, head: bytes) -> None:
        """The container has switched protocols; `head`: its answer, and what came after it."""
        client = self.client
        assert self._instance is not None
        self._link = None
        self.begin(101)
        ahead = client.take_input()
        self._tunnel = Tunnel(self, client.transport, container, client.connection_lost)
        self._instance.links.add(self._tunnel)
        self.pass_on(head)
        if ahead:
            self.passed(ahead, from_client=True)
            container.write(ahead)

    def passed(self, data: bytes, *, from_client: bool) -> None:
        self.moved_at = self._gateway.monotonic()
        if from_client:
            self.received += len(data)
        else:
            self.sent += len(data)

    def tunnel_ended(self) -> None:
        self._leave_tunnel()
        now = self._gateway.monotonic()
        self._end(now)
        self.client.answered(now)  # it may still have to read what was sent last

    def tunnel_broken(self, why: str) -> None:
        self.fail(UpstreamBroken(why))

    def _leave_tunnel(self) -> None:
        tunnel, self._tunnel = self._tunnel, None
        if tunnel is not None and self._instance is not None:
            self._instance.links.discard(tunnel)

    # back-pressure

    def client_slow(self) -> None:
        if self._link is not None and self._link.connected:
            self._link.pause()

    def client_ready(self) -> None:
        if self._link is not None and self._link.connected:
            self._link.resume()

    def container_slow(self) -> None:
        self.client.hold(SLOW_CONTAINER)

    def container_ready(self) -> None:
        self.client.unhold(SLOW_CONTAINER)

    # ends

    def complete(self, now: float) -> None:
        """The answer has been passed on to its end."""
        client = self.client
        self._link = None
        self._end(now)
        client.answered(now)

    def fail(self, error: MaelstromError) -> None:
        """The gateway answers itself; if an answer has begun it can only be cut."""
        client = self.client
        self._disconnect()
        self.error = code_of(error)
        self.prepared.target.stats.error(self.error)
        now = self._gateway.monotonic()
        if self.answering:
            client.cut()
            self._end(now)
            return
        self.code = client.respond(error, self.prepared.head, self.request_id)
        self._end(now)
        client.answered(now)

    def abandon(self) -> None:
        """The client is gone: whatever was taken for it is given back."""
        self._disconnect()
        if not self.answering:
            self.code = CLIENT_GONE
        self._end(self._gateway.monotonic())

    def due(self, now: float) -> float:
        """When to look next; acts if a time has passed (see Timers)."""
        target = self.prepared.target
        end = self._until
        if self.answering:
            if target.idle_seconds is not None:
                end = self.moved_at + target.idle_seconds
        elif self._link is not None and self._connecting is None and target.first_byte_seconds is not None:
            end = min(end, max(self.moved_at, self._sent_at) + target.first_byte_seconds)
        if now >= end:
            self._expired()
            return inf
        return end

    def _disconnect(self) -> None:
        super()._disconnect()
        if self._tunnel is not None:
            self._tunnel.drop()
            self._leave_tunnel()

    def _end(self, now: float) -> None:
        self.client.exchange = None
        stats = self.prepared.target.stats
        seconds = now - self.started
        stats.count(self.code, seconds)
        stats.bytes_in += self.received
        stats.bytes_out += self.sent
        if self.queued:
            if self._instance is None:
                self.waited = seconds  # it ended in the queue
            stats.waited(self.waited)
        stats.busy_seconds += seconds
        self._release(now)
        access = self._gateway.access
        if access is not None:
            access.finished(self, seconds)
