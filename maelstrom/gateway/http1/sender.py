"""A request on its way to a container: it claims a slot, is sent, and again elsewhere where that is safe.

The claim comes first and takes a slot in one synchronous step; `_release` gives it back, exactly once. What a container
may have begun with is sent again only if doing it twice does what doing it once does. This is one half of an exchange
(exchange.py has the other: the answer, and every end). It must not know what an answer is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from maelstrom.gateway.fairness import fairness_key
from maelstrom.gateway.http1.client_connection import NO_CONTAINER
from maelstrom.gateway.http2.containers import link_to
from maelstrom.gateway.wire.first_lines import F_ID
from maelstrom.model.errors import Deadline, MaelstromError, UpstreamBroken

if TYPE_CHECKING:
    from maelstrom.activation.instance import Instance
    from maelstrom.gateway.gateway import Gateway
    from maelstrom.gateway.http1.client import Client
    from maelstrom.gateway.http1.container import ContainerLink
    from maelstrom.gateway.http1.exchange import Exchange
    from maelstrom.gateway.http1.requests import Prepared

HELD_BODY: Final = 65536  # bytes of a body kept until there is a container to send them to
UNSENT_TRIES: Final = 3  # more, of what was never sent: a container that ends may look alive for a while


class Sender:
    """It is the pool's waiter and the owner of what it was granted. All its state is set by `Exchange`, in one call."""

    __slots__ = (
        "_body",
        "_connecting",
        "_gateway",
        "_instance",
        "_link",
        "_resendable",
        "_retried",
        "_sent_at",
        "_until",
        "answering",
        "asked",
        "client",
        "moved_at",
        "prepared",
        "queued",
        "received",
        "request_id",
        "started",
        "waited",
    )

    client: Client
    prepared: Prepared
    asked: int  # flags of the request's head
    started: float  # monotonic
    queued: bool  # had to wait for an instance
    waited: float  # so many seconds
    request_id: bytes  # that it was given here
    received: int  # bytes of the request's body
    answering: bool  # the answer's head has been passed on: no other answer can be given
    moved_at: float  # when bytes last went either way, from the answer's head on, or of the request's body
    _gateway: Gateway
    _until: float  # monotonic
    _instance: Instance | None
    _link: ContainerLink | None
    _connecting: asyncio.Task[None] | None
    _body: bytes  # what of the request's body came before there was a container to send it to
    _resendable: bool  # a container may get it twice
    _retried: int  # how often it was sent to another instance
    _sent_at: float

    patient = False  # for the pool: somebody waits for the answer

    def fail(self, error: MaelstromError) -> None:
        """It cannot be sent, or its answer is none: the other half tells the client."""
        raise NotImplementedError

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

    def _expired(self) -> None:
        seconds = self._until - self.started
        self.fail(Deadline(f"{self.prepared.target.name} did not answer in time ({seconds:g} s in all)"))

    def _release(self, now: float) -> None:
        """Gives back what was claimed, or the place in the queue."""
        instance, self._instance = self._instance, None
        if instance is not None:
            self.prepared.route.in_flight -= 1
            self.prepared.target.pool.release(instance, now)
        elif self.queued:
            self.prepared.target.pool.withdraw(self)

    # towards the container

    def _go(self, instance: Instance) -> None:
        idle = instance.idle
        if idle:
            link: ContainerLink = idle.pop()
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
        link.exchange = cast("Exchange", self)
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
        if not self.queued and prepared.seconds is None:
            deadline = prepared.target.deadline_line
        else:
            left = max(0.0, self._until - self._gateway.monotonic())
            deadline = b"Maelstrom-Deadline: %.3f\r\n\r\n" % left
        if self.asked & F_ID:
            data = prepared.forward + deadline
        else:
            if not self.request_id:
                self.request_id = self._gateway.next_id()
            data = b"".join((prepared.forward, b"X-Request-Id: ", self.request_id, b"\r\n", deadline))
        if self._body:
            data += self._body
        if prepared.measured:
            self._sent_at = self.moved_at = self._gateway.monotonic()
        link.exchange = cast("Exchange", self)
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

    # what the link calls, where it cannot go on

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

    # again, or no more

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
