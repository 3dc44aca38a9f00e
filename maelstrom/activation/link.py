"""Connections to containers for work that sources deliver: one request at a time, its answer read whole.

Some requests may share connections, one after the other: those that do no harm if they are sent twice, as a kept
connection may be closed by the container just as a request is sent on it. It is kept for a moment only, and not where
requests are served one at a time: some servers serve nobody else while a connection is open. How an answer is read is
handed in; this must not know what it is for.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Protocol, cast

from maelstrom.activation.instance import Instance
from maelstrom.model.errors import UpstreamBroken
from maelstrom.runtime.http2_request import Broken, NotConnected

CONNECT_SECONDS = 15.0
KEEP_SECONDS = 0.3  # between two bursts of a busy source


class Reader(Protocol):
    """Reads one answer; `gateway.answer_reader`."""

    body: bytes
    size: int
    keep: bool

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> dict[str, str]: ...

    def feed(self, data: bytes) -> bool:
        """Whether this was the answer's end. Raises UpstreamBroken where it is none."""
        ...

    def ended(self) -> bool:
        """The connection has ended, in order: whether the answer is whole."""
        ...


class WorkLink(asyncio.Protocol):
    """One connection to one instance; in its `links` as long as it is open."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.is_open = False
        self.untouched = True  # nothing has come since the last request
        self.on_end: Callable[[WorkLink], None] | None = None  # while it is idle
        self._transport: asyncio.Transport | None = None
        self._reader: Reader | None = None
        self._answer: asyncio.Future[None] | None = None

    async def connect(self) -> None:
        """Raises NotConnected."""
        address = self.instance.address
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await asyncio.get_running_loop().create_connection(lambda: self, address.host, address.port)
        except TimeoutError as error:
            raise NotConnected(f"no connection within {CONNECT_SECONDS:g} s") from error
        except OSError as error:
            raise NotConnected(os.strerror(error.errno) if error.errno else str(error)) from error

    async def ask(self, message: bytes, reader: Reader) -> None:
        """Until `reader` has the whole answer. Raises Broken; UpstreamBroken: what came is none, or nothing will."""
        if self._transport is None or not self.is_open:
            raise Broken("the connection has ended")
        self._reader, self.untouched = reader, True
        self._answer = asyncio.get_running_loop().create_future()
        try:
            self._transport.write(message)
            await self._answer
        finally:
            self._answer = self._reader = None

    def close(self) -> None:
        """At once: whoever works at a request sees that nobody waits for its answer."""
        self._ended()
        if self._transport is not None:
            self._transport.abort()

    def lost(self) -> None:
        """The instance is gone."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(UpstreamBroken(f"{self.instance.component.full_name} ended while it worked"))
        self.close()

    # what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self.is_open = True
        self.instance.links.add(self)

    def data_received(self, data: bytes) -> None:
        self.untouched = False
        if self._answer is None or self._reader is None or self._answer.done():
            self.close()  # nobody asked: whatever it is, it answers no request
            return
        try:
            if self._reader.feed(data):
                self._answer.set_result(None)
        except UpstreamBroken as error:
            self._answer.set_exception(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended()
        if self._answer is None or self._reader is None or self._answer.done():
            return
        if exc is None and self._reader.ended():
            self._answer.set_result(None)
        else:
            self._answer.set_exception(Broken("it closed the connection before its answer was complete"))

    def _ended(self) -> None:
        self.is_open = False
        self.instance.links.discard(self)
        if self.on_end is not None:
            self.on_end(self)


class KeptLinks:
    """Open connections between two requests, by instance; the one that was used last is taken first."""

    def __init__(self) -> None:
        self._idle: dict[Instance, dict[WorkLink, asyncio.TimerHandle]] = {}

    def take(self, instance: Instance) -> WorkLink | None:
        links = self._idle.get(instance)
        if not links:
            return None
        link = next(reversed(links))
        self._forget(link)
        return link

    def keep(self, link: WorkLink) -> None:
        if link.is_open and link.instance.state == "ready" and link.instance.limit > 1:
            timer = asyncio.get_running_loop().call_later(KEEP_SECONDS, link.close)
            self._idle.setdefault(link.instance, {})[link] = timer
            link.on_end = self._forget
        else:
            link.close()

    def close(self) -> None:
        for link in [link for links in self._idle.values() for link in links]:
            link.close()

    def _forget(self, link: WorkLink) -> None:
        link.on_end = None
        links = self._idle[link.instance]
        links.pop(link).cancel()
        if not links:
            del self._idle[link.instance]
