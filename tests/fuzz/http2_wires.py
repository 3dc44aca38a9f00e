"""A client's HTTP/2 connection to the real gateway without sockets, and containers that say what they were asked."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from math import inf
from typing import Any

from maelstrom.gateway.http1.client import Client
from maelstrom.gateway.http1.container import ContainerLink
from maelstrom.gateway.http2.clients import MAX_STREAMS, Http2
from maelstrom.gateway.http2.trunks import Trunk
from maelstrom.model.instance import Address
from tests.fuzz.readers import Read, requests_by_h11
from tests.fuzz.wires import Wire, Wires
from tests.support.http2 import Headers

SPARE = MAX_STREAMS


class Http2Wires(Wires):
    """As Wires. A container answers with the digest of the request that it has read."""

    def __init__(self) -> None:
        super().__init__()
        self._later: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self.gateway.call_soon = lambda call, *arguments, **_: self._later.append((call, arguments))  # type: ignore[assignment,func-returns-value,return-value]

    def talk(self, pieces: list[bytes], dice: random.Random) -> tuple[Wire, list[bytes]]:
        """(what the client was sent, what each container's connection was)."""
        self.instance.idle = [link for link in self.instance.idle if not _written(link)]
        self.links = list(self.instance.idle)
        self.instance.suspect = False
        self._spare()
        connection, wire = Http2(self.listener), Wire()
        connection.connection_made(wire)
        for piece in pieces:
            if wire.is_closing():
                break
            connection.data_received(piece)
            assert len(connection.streams) <= MAX_STREAMS
            self._turn()
            self._spare()
            self._answer(dice, 0.7)
        self._answer(dice, 0.9)
        connection.connection_lost(None)
        self._turn()
        self._look_clean(connection)
        return wire, [written for link in self.links if (written := _written(link))]

    def answered(self, request: bytes, pieces: list[bytes]) -> Wire:
        """What a client of HTTP/1.1 gets where the component speaks HTTP/2, sends these pieces, and ends."""
        self.instance.idle, self.instance.suspect = [], False
        self.instance.address = Address("192.0.2.9", 80, http2=True)
        trunk, inner, wire = Trunk(self.gateway, self.instance), Wire(), Wire()
        trunk.connection_made(inner)
        client = Client(self.listener)
        wire.protocol = client
        client.connection_made(wire)
        client.data_received(request)
        self._turn()
        for piece in pieces:
            if not inner.is_closing():
                trunk.data_received(piece)
                self._turn()
        trunk.eof_received()
        trunk.connection_lost(None)
        self._turn()
        wire.protocol.connection_lost(None)
        assert not self.pool.in_flight, "a slot is not given back"
        assert not trunk.streams
        assert trunk not in self.instance.links
        return wire

    def _look_clean(self, connection: Http2) -> None:
        assert not self.pool.in_flight, "a slot is not given back"
        assert not connection.streams
        assert not connection.waiting
        assert not self.listener.connections
        watched = [one for slot in self.gateway.timers._slots.values() for one in slot]
        assert all(isinstance(one, ContainerLink) for one in watched), "a client is still watched"

    def _turn(self) -> None:
        """What the loop would do before it reads again."""
        while self._later:
            later, self._later = self._later, []
            for call, arguments in later:
                call(*arguments)

    def _answer(self, dice: random.Random, share: float) -> None:
        for link in list(self.links):
            exchange = link.exchange
            if exchange is None or dice.random() > share:
                continue
            if exchange.client.body is None:
                request = requests_by_h11(_written(link))[-1]
                assert request.complete, "the gateway has read the end of a request, and the container has not"
                _say(link, request, dice)
            elif dice.random() < 0.1:
                link.data_received(b"HTTP/1.1 403 Early\r\nContent-Length: 5\r\n\r\nearly")
            self._turn()
            self._spare()

    def _spare(self) -> None:
        while len(self.instance.idle) < SPARE:
            link, wire = ContainerLink(self.gateway, self.instance), Wire()
            wire.protocol = link
            link.connection_made(wire)
            link.idle_since = inf  # never too long ago
            self.links.append(link)
            self.instance.idle.insert(0, link)


def digest(start: tuple[str, ...], hosts: list[bytes], body: bytes, fields: Headers, trailers: Headers) -> bytes:
    """Of all that a component may go by, as far as it passes unchanged."""
    own = [[field for field in of if field[0].startswith(b"x-f") and len(field[0]) < 8] for of in (fields, trailers)]
    cookies = b"; ".join(value for name, value in fields if name == b"cookie")
    text = repr((start, hosts, body, own, cookies))
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest().encode()


def digest_of(request: Read) -> bytes:
    return digest(request.start, request.hosts, request.body, request.headers, request.trailers)


def _say(link: ContainerLink, request: Read, dice: random.Random) -> None:
    body, kind = digest_of(request), dice.random()
    if dice.random() < 0.05:
        link.data_received(b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n")
    if request.start[0] == "HEAD":
        link.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n")
    elif kind < 0.6:
        link.data_received(b"HTTP/1.1 200 OK\r\nX-N: %d\r\nContent-Length: 40\r\n\r\n%b" % (dice.randrange(3), body))
    elif kind < 0.9:
        link.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n%b" % body[:20])
        link.data_received(b"\r\n14\r\n%b\r\n0\r\nX-T: 1\r\n\r\n" % body[20:])
    else:
        link.data_received(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        link.eof_received()


def _written(link: ContainerLink) -> bytes:
    assert isinstance(link.transport, Wire)
    return link.transport.written
