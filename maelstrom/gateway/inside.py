"""What this node answers itself on the internal listener: requests under `/_maelstrom/`, each with a small whole body.

To a `Client` it is an exchange like any other, only without a container: the body is collected, a handler is asked, and
its outcome is the answer. It must not know what is asked for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

from maelstrom.gateway.answers import answer, code_of, done, status_of
from maelstrom.gateway.stats import CLIENT_GONE
from maelstrom.gateway.wire.first_lines import F_EXPECT
from maelstrom.model.errors import BodyTooLarge, MaelstromError, Unavailable

if TYPE_CHECKING:
    from maelstrom.gateway.http1.client import Client
    from maelstrom.gateway.wire.heads import RequestHead

log = logging.getLogger("maelstrom.gateway")

MAX_BODY: Final = 1 << 20  # bytes
MAX_HELD: Final = 32 << 20  # bytes of all such bodies together: any container may send some, on many connections
SECONDS: Final = 30.0  # for the whole of it; a handler has shorter times of its own


@dataclass(frozen=True, slots=True)
class InsideRequest:
    """One request as it came, checked: `path` still percent-encoded, `lines` the header lines that meant nothing."""

    method: str
    path: bytes
    lines: bytes
    body: bytes


Inside = Callable[[InsideRequest], Awaitable[None]]
"""Does what a request asks for; it is answered with 204, or with the MaelstromError that this raises."""


class InsideExchange:
    """One such request. It has the face of `exchange.Exchange` that a client looks at."""

    def __init__(self, client: Client, head: RequestHead, handler: Inside, started: float) -> None:
        self.client = client
        self.answering = False
        self.plain = False
        self._head = head
        self._handler = handler
        self._started = started
        self._until = started + SECONDS
        self._body: list[bytes] = []
        self._size = 0
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """The head was read; what there is of the body follows."""
        if self._head.length > MAX_BODY:
            self.fail(_too_large())
        elif self.client.body is None:
            self._run()
        elif self._head.flags & F_EXPECT:
            self.client.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def body(self, data: bytes) -> None:
        self._body.append(data)
        self._size += len(data)
        self.client.gateway.held_inside += len(data)
        if self._size > MAX_BODY:
            self.fail(_too_large())
        elif self.client.gateway.held_inside > MAX_HELD:
            self.fail(Unavailable("too many requests to this node are open"))
        elif self.client.body is None:
            self._run()

    def _run(self) -> None:
        self._task = self.client.gateway.spawn(self._ask(), "gateway: a request to this node")

    async def _ask(self) -> None:
        head = self._head
        request = InsideRequest(head.first.method.decode(), head.first.path, head.lines, b"".join(self._body))
        self._body.clear()
        error: MaelstromError | None = None
        try:
            await self._handler(request)
        except MaelstromError as refusal:
            error = refusal
        except Exception:
            log.exception("a request to this node failed")
            error = Unavailable("an internal error of the node; its log has more")
        finally:
            self._free()
        self._task = None
        self._answer(error)

    # what a client calls

    def fail(self, error: MaelstromError) -> None:
        self._cancel()
        self._answer(error)

    def abandon(self) -> None:
        """The client is gone. What the handler has begun is left to its end: it may be half done."""
        self.client.exchange = None
        self._count(CLIENT_GONE, "")

    def client_slow(self) -> None:
        """Its answer is small and comes at once."""

    def client_ready(self) -> None:
        """Nothing was waiting for that."""

    def due(self, now: float) -> float:
        if now >= self._until:
            self.fail(Unavailable(f"this took more than {SECONDS:g} s"))
            return inf
        return self._until

    # ends

    def _cancel(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    def _free(self) -> None:
        self.client.gateway.held_inside -= self._size
        self._size = 0

    def _answer(self, error: MaelstromError | None) -> None:
        client = self.client
        if client.exchange is not self:
            return  # it has gone, or was told of the time-out
        client.exchange = None
        client.keep = client.keep and client.body is None
        if not client.transport.is_closing():
            keep = client.keep
            client.transport.write(
                done(self._head, keep=keep) if error is None else answer(error, self._head, reason=True, keep=keep)
            )
        self._count(204 if error is None else status_of(error), "" if error is None else code_of(error))
        client.answered(client.gateway.monotonic())

    def _count(self, status: int, code: str) -> None:
        """Not in the access log: these paths hold secrets."""
        if self._task is None:  # else it has the body, and ends later
            self._free()
        stats = self.client.gateway.stats.component("")
        stats.count(status, self.client.gateway.monotonic() - self._started)
        if code:
            stats.error(code)


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"the body has more than {MAX_BODY} bytes")
