"""The real gateway between two recorded wires, without sockets: bytes go in, and what it wrote is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.gateway import Gateway, Listener, Policy, Route
from maelstrom.gateway.http1.client import Client
from maelstrom.gateway.http1.container import ContainerLink
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.plan.routes import RouteEntry, RouteTable


class Wire(asyncio.Transport):
    """A transport that records. `end`: empty while open, else `closed`, `reset` or `half`."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 4711), "sockname": ("192.0.2.2", 80)})
        self.written = b""
        self.end = ""
        self.protocol: Any = None

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        assert not self.end, f"written after the end ({self.end})"
        self.written += bytes(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.end = self.end or "half"

    def close(self) -> None:
        self.end = "closed" if self.end in ("", "half") else self.end

    def abort(self) -> None:
        self.end = "reset"

    def is_closing(self) -> bool:
        return self.end in ("closed", "reset")

    def pause_reading(self) -> None:
        """The fuzzer sends on: more than it must."""

    def resume_reading(self) -> None: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...


SPARE = 4  # more than one piece of input can use up


class Wires:
    """One gateway with one component. `ask` is a client's whole connection, `answer` a container's."""

    def __init__(self) -> None:
        self.gateway = Gateway(find=lambda name: None, spawn=_never)
        component = Component(ComponentKey("p", "c"), 1, 1, ComponentDefinition(image="x", maxconcurrency=1000))
        self.pool = Pool(component, lambda pool: None, lambda pool: None)
        self.instance = Instance("i", component.key, 1, "f", 1000)
        self.instance.state = "ready"
        self.pool.instances.append(self.instance)
        self.gateway.set_routes(
            RouteTable.build(
                [
                    RouteEntry(hostname="", pathprefix="/", stripprefix=False, target=Route(self.pool)),
                    *_hosts(self.pool),
                ]
            )
        )
        self.listener = Listener(self.gateway, Policy(name="public"))
        self.links: list[ContainerLink] = []

    def connect(self) -> tuple[Client, Wire]:
        self.links = []
        self.instance.idle = []
        self._spare()
        self.instance.suspect = False
        client, wire = Client(self.listener), Wire()
        wire.protocol = client
        client.connection_made(wire)
        return client, wire

    def ask(self, pieces: list[bytes]) -> tuple[list[bytes], int]:
        """(what each container connection was sent, how many requests the gateway has read to their end)."""
        client, wire = self.connect()
        before = self._answered
        for piece in pieces:
            if wire.is_closing():
                break
            wire.protocol.data_received(piece)
            self._answer_all(client)
        self._answer_all(client)
        wire.protocol.connection_lost(None)
        sent = [written for link in self.links if (written := _wire(link).written)]
        assert not self.pool.in_flight
        return sent, self._answered - before

    @property
    def _answered(self) -> int:
        codes = self.gateway.stats.component("p_c").codes
        return codes[200].count if 200 in codes else 0

    def _answer_all(self, client: Client) -> None:
        """The container answers each request that has come to it as a whole."""
        self._spare()
        while (exchange := client.exchange) is not None and client.body is None:
            link = next(link for link in self.links if link.exchange is exchange)
            link.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            assert client.exchange is not exchange
            self._spare()

    def answer(self, request: bytes, pieces: list[bytes], *, reset: bool) -> Wire:
        """What a client of this one request gets if its container sends these pieces and ends."""
        client, wire = self.connect()
        client.data_received(request)
        container = _wire(next(link for link in self.links if link.exchange is client.exchange))
        for piece in pieces:
            if container.is_closing():
                break
            container.protocol.data_received(piece)
        if not container.is_closing():
            if not reset:
                container.protocol.eof_received()
            container.protocol.connection_lost(ConnectionResetError() if reset else None)
        wire.protocol.connection_lost(None)  # whether it was answered, or is just being tried again elsewhere
        assert not self.pool.in_flight
        return wire

    def _spare(self) -> None:
        """Idle connections to the container never run out: nothing can be connected here."""
        while len(self.instance.idle) < SPARE:
            link = ContainerLink(self.gateway, self.instance)
            wire = Wire()
            wire.protocol = link
            link.connection_made(wire)
            link.idle_since = self.gateway.monotonic()
            self.links.append(link)
            self.instance.idle.append(link)


def _never(work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
    """A task that does not get anywhere: there is nothing to connect to."""
    work.close()
    return asyncio.ensure_future(asyncio.Event().wait())


def _wire(link: ContainerLink) -> Wire:
    assert isinstance(link.transport, Wire)
    return link.transport


def _hosts(pool: Pool) -> Iterator[RouteEntry[Route]]:
    """`OPTIONS *` has no path: it is routed by its host."""
    for host in ("a", "b", "a.test"):
        yield RouteEntry(hostname=host, pathprefix="", stripprefix=False, target=Route(pool))
