"""The life of one request, top to bottom: claim, send, pass the answer on, account. No I/O of its own.

A claim comes first and takes a slot in one synchronous step; `_release` gives it back exactly once, however the
exchange ends. Every way out goes through `_end`. It must not know how heads or bodies are read.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Final

from maelstrom.gateway.answers import code_of, connection_line, server_timing
from maelstrom.gateway.fairness import fairness_key
from maelstrom.gateway.first_lines import F_ID, F_IDEMPOTENT
from maelstrom.gateway.heads import AnswerHead
from maelstrom.gateway.http2_containers import link_to
from maelstrom.gateway.stats import CLIENT_GONE
from maelstrom.gateway.tunnel import Tunnel
from maelstrom.model.errors import Deadline, MaelstromError, UpstreamBroken

if TYPE_CHECKING:
    from maelstrom.activation.instance import Instance
    from maelstrom.gateway.client import Client
    from maelstrom.gateway.container import ContainerLink
    from maelstrom.gateway.gateway import Gateway
    from maelstrom.gateway.requests import Prepared

# Why the client is not read: its body waits for a container, the container reads slowly, requests came too far ahead.
NO_CONTAINER, SLOW_CONTAINER, AHEAD = 1, 2, 4
HELD_BODY: Final = 65536  # bytes of a body kept until there is a container to send them to
UNSENT_TRIES: Final = 3  # more, of what was never sent: a container that ends may look alive for a while
GONE_SECONDS: Final = 0.25  # how often a client that is not being read is asked whether it is still there


class Exchange:
    """One request of one client. It is the pool's waiter and the owner of what it was granted."""

    __slots__ = (
        "_body",
        "_connecting",
        "_gateway",
        "_instance",
        "_link",
        "_resendable",
        "_retried",
        "_sent_at",
        "_tunnel",
        "_until",
        "answering",
        "asked",
        "client",
        "code",
        "error",
        "first_byte",
        "moved_at",
        "plain",
        "prepared",
        "queued",
        "received",
        "request_id",
        "sent",
        "started",
        "waited",
    )

    patient = False  # for the pool: somebody waits for the answer

    def __init__(self, client: Client, prepared: Prepared, started: float) -> None:
        self.client = client
        self.prepared = prepared
        self.started = started  # monotonic
        self._gateway: Gateway = client.gateway
        self.asked = asked = prepared.head.flags
        self.plain = prepared.plain and client.keep  # nothing is added to the answer's head, and its body is as it says
        seconds = (
            prepared.target.seconds if prepared.seconds is None else min(prepared.seconds, prepared.target.seconds)
        )
        self._until = started + seconds
        self._instance: Instance | None = None
        self._link: ContainerLink | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._body = b""  # what of the request's body came before there was a container to send it to
        self._resendable = asked & F_IDEMPOTENT != 0
        self._retried = 0  # how often it was sent to another instance
        self.request_id = b""
        self.queued = False  # had to wait for an instance
        self.waited = 0.0  # so many seconds
        self._sent_at = started
        self.first_byte = False  # something of an answer has come
        self.answering = False  # its head has been passed on: no other answer can be given
        self._tunnel: Tunnel | None = None
        self.moved_at = started  # when bytes last went either way, from the answer's head on, or of the request's body
        self.code = 0  # the answer's status
        self.error = ""  # the code of what ended it, if that was not the component's answer
        self.received = 0  # bytes of the request's body
        self.sent = 0  # bytes of the answer

    # the claim

    def claim(self) -> None:
        if self.prepared.seconds == 0.0:
            self._expired()
            return
        try:
            instance = self.prepared.target.pool.claim(self)
        except MaelstromError as error:
            self.fail(error)
            return
        if instance is not None:
            self._instance = instance
            self.prepared.route.in_flight += 1
            self._go(instance)
        else:
            self.queued = True

    def granted(self, instance: Instance) -> None:
        self._instance = instance
        self.prepared.route.in_flight += 1
        now = self._gateway.monotonic()
        self.waited = now - self.started
        if now >= self._until:
            # What cannot make its deadline is not started. Not answered here: giving the slot back grants the next one,
            # and a whole queue of such would be one deep call.
            self._gateway.call_soon(self._too_late)
            return
        self._go(instance)

    def refused(self, error: MaelstromError) -> None:
        self.fail(error)

    def seconds_left(self) -> float:
        return self._until - self._gateway.monotonic()

    def fairness_key(self, by: str) -> bytes:
        return fairness_key(by, self.client, self.prepared.head)

    def _too_late(self) -> None:
        if self._instance is not None and self._link is None:
            self._expired()

    # towards the container

    def _go(self, instance: Instance) -> None:
        idle = instance.idle
        if idle:
            link = idle.pop()
            if self._resendable or self._is_fresh(link):
                link.reused = True
                self._send(link)
                return
            link.drop()
        self._connect(instance)

    def _is_fresh(self, link: ContainerLink) -> bool:
        """What cannot be sent twice is not risked on a connection that the container may just be closing.

        It takes that one's place, not one beside it: some servers serve no second connection while they hold one.
        """
        return self._gateway.monotonic() - link.idle_since < self._gateway.limits.fresh_seconds

    def _connect(self, instance: Instance) -> None:
        link = self._link = link_to(self._gateway, instance)
        link.exchange = self
        if link.connected:
            self._send(link)
            return
        self._connecting = self._gateway.spawn(self._open(link), "gateway: connect")

    async def _open(self, link: ContainerLink) -> None:
        why = await link.connect(self._gateway.limits.connect_seconds)
        if self._link is not link:
            link.drop()
            return
        self._connecting = None
        if why:
            link.drop()
            self._unsent(why)
        else:
            self._send(link)

    def _send(self, link: ContainerLink) -> None:
        self._link = link
        prepared = self.prepared
        target = prepared.target
        if not self.queued and prepared.seconds is None:
            deadline = target.deadline_line
        else:
            left = max(0.0, self._until - self._gateway.monotonic())
            deadline = b"Maelstrom-Deadline: %.3f\r\n\r\n" % left
        if self.asked & F_ID:
            data = prepared.forward + deadline
        else:
            if not self.request_id:
                self.request_id = self._gateway.next_id()
            data = b"%bX-Request-Id: %b\r\n%b" % (prepared.forward, self.request_id, deadline)
        if self._body:
            data += self._body
        if prepared.measured:
            self._sent_at = self.moved_at = self._gateway.monotonic()
        link.exchange = self
        link.transport.write(data)
        if self.client.holds:
            self.client.unhold(NO_CONTAINER)

    def body(self, data: bytes) -> None:
        """More of the request's body, checked."""
        self.received += len(data)
        self.moved_at = self._gateway.monotonic()
        link = self._link
        if link is not None and self._connecting is None:
            self._resendable = False
            self._body = b""
            link.transport.write(data)
            return
        self._body += data
        if len(self._body) > HELD_BODY:
            self.client.hold(NO_CONTAINER)

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
        self._end(self._gateway.monotonic())

    def tunnel_broken(self, why: str) -> None:
        self.fail(UpstreamBroken(why))

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

    def broken(self, link: ContainerLink, why: str, *, untouched: bool) -> None:
        """The connection to the container ended in mid-exchange; `untouched`: before the answer's first byte."""
        if self._link is not link:
            return
        self._link = None
        instance = self._instance
        assert instance is not None
        if untouched and self._connecting is None and link.reused and self._resendable and instance.state == "ready":
            self._connect(instance)  # it had been idle and was just being closed: that is no failure
            return
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
            self._unsent(why)
            return
        self.prepared.target.pool.suspect(instance)
        if untouched and self._resendable and not self._body and self._again():
            return
        self.fail(UpstreamBroken(why))

    def unprocessed(self, link: ContainerLink, why: str) -> None:
        """The container has not begun with the request, and says so: whatever its method, it may be sent again."""
        if self._link is not link:
            return
        self._link = None
        instance = self._instance
        whole = self.received == len(self._body) and not self.answering  # nothing of it is gone yet
        if whole and not self._retried and instance is not None and instance.state == "ready":
            self._retried = 1
            self._connect(instance)
        else:
            self.fail(UpstreamBroken(why))

    def malformed(self, why: str) -> None:
        """The container's answer is none; it may be well otherwise."""
        self._link = None
        self.fail(UpstreamBroken(why))

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

    def _expired(self) -> None:
        seconds = self._until - self.started
        self.fail(Deadline(f"{self.prepared.target.name} did not answer in time ({seconds:g} s in all)"))

    def _unsent(self, why: str) -> None:
        """Nothing of the request was sent: whatever its method, it may go to another instance."""
        self._link = None
        if self._instance is not None:
            self.prepared.target.pool.suspect(self._instance)
        if not self._again(UNSENT_TRIES):
            self.fail(UpstreamBroken(why))

    def _again(self, most: int = 1) -> bool:
        if self._retried >= most:
            return False
        self._retried += 1
        self.prepared.target.stats.retries += 1
        self._release(self._gateway.monotonic())
        self.claim()
        return True

    def _disconnect(self) -> None:
        link, self._link = self._link, None
        task, self._connecting = self._connecting, None
        if task is not None:
            task.cancel()
        if link is not None:
            link.drop()
        if self._tunnel is not None:
            self._tunnel.drop()

    def _release(self, now: float) -> None:
        """Gives back what was claimed, or the place in the queue."""
        instance, self._instance = self._instance, None
        if instance is not None:
            if self._tunnel is not None:
                instance.links.discard(self._tunnel)
            self.prepared.route.in_flight -= 1
            self.prepared.target.pool.release(instance, now)
        elif self.queued:
            self.prepared.target.pool.withdraw(self)

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
