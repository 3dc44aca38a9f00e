"""Reads the requests of one client and finds their ways, and remembers the last: the next one is most often like it.

A head that comes again is only compared; one that differs in ids and cookies is only looked at where it does. It must
not know of exchanges, nor of what is done with a body.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from maelstrom.gateway.http1.forwarded import forwarded_lines, forwarded_lines_of_proxy
from maelstrom.gateway.http1.requests import Prepared, Way
from maelstrom.gateway.wire.first_lines import F_NO_HOST
from maelstrom.gateway.wire.heads import REMEMBERED_HEAD, RequestHead, request_head
from maelstrom.gateway.wire.lines import COMPONENT, DEADLINE
from maelstrom.gateway.wire.patterns import Pattern
from maelstrom.model.errors import BadRequest, Disabled, NoRoute

if TYPE_CHECKING:
    from maelstrom.activation.pool import Pool
    from maelstrom.gateway.gateway import Gateway
    from maelstrom.gateway.http1.client_connection import ClientConnection
    from maelstrom.gateway.route import Route

_SECONDS: Final = re.compile(rb"-?[0-9]{1,9}(?:\.[0-9]{1,9})?")


class RequestReader:
    """One per connection."""

    __slots__ = ("_client", "_forwarded", "_gateway", "_host", "_last", "_pattern", "_shared", "_way")

    def __init__(self, client: ClientConnection) -> None:
        self._client = client
        self._gateway: Gateway = client.gateway
        self._last: Prepared | None = None
        self._pattern: Pattern | None = None
        self._shared = False  # others' requests may be under way with what is remembered: it is not written over
        self._way: Way | None = None
        self._host: bytes | None = None
        self._forwarded = b""  # the forwarding headers for `_host`

    def again(self, data: bytes) -> Prepared | None:
        """The last request, where `data` begins with its head, or with one that differs only as the pattern allows."""
        last = self._last
        if last is None or last.way.epoch != self._gateway.epoch or last.target.pool.closed:
            return None
        if data.startswith(last.raw):
            return last
        pattern = self._pattern
        if pattern is None or last.head is not pattern.head or self._shared or not pattern.again(last, data):
            return None
        return last

    def read(self, data: bytes) -> RequestHead | None:
        """The head that `data` begins with; None if it is not complete yet. Raises Malformed."""
        head = self._pattern.read(data) if self._pattern is not None else None
        if head is None:
            head = request_head(data)
            if head is not None:
                # The second head that differs from the one before, or fits the pattern no more.
                anew = self._pattern is None and self._last is not None and head.end <= REMEMBERED_HEAD
                self._pattern = Pattern.of(data[: head.end], head) if anew else None
        return head

    def prepare(self, head: RequestHead, raw: bytes) -> Prepared:
        """Raises NoRoute, Disabled, BadRequest; OwnAnswer where the gateway answers itself."""
        way = self._way
        if (
            way is None
            or way.first is not head.first
            or way.host != head.host
            or not head.host
            or head.special is not None
            or way.epoch != self._gateway.epoch
            or way.target.pool.closed
        ):
            way = self._find_way(head)
        prepared = Prepared(raw, head, way)
        if head.special is not None and self._client.policy.by_name:
            prepared.seconds = _seconds(head)
        short = head.end <= REMEMBERED_HEAD  # else an idle connection could keep hundreds of KiB
        self._last = prepared if short else None
        self._way = way if short and head.special is None else None  # what such lines said is part of it
        return prepared

    def follow(self, other: RequestReader) -> None:
        """Remembers what that one does, of another connection of the same client."""
        self._shared = other._shared = True
        self._last, self._pattern, self._way = other._last, other._pattern, other._way
        self._host, self._forwarded = other._host, other._forwarded

    def _find_way(self, head: RequestHead) -> Way:
        client, gateway = self._client, self._gateway
        if client.listener.front is not None:
            client.listener.front.look(client, head)
        first = head.first
        path = first.target
        route: Route | None = None
        pool = self._named(head) if client.policy.by_name else None
        if pool is None:
            match = gateway.routes.lookup(head.host, first.path)
            if match is None:
                if gateway.routes.is_disabled(head.host, first.path):
                    raise Disabled("the http source of this host and path is disabled")
                raise NoRoute("no enabled http source matches this host and path")
            route = match.target
            pool = route.pool
            if match.strip:
                path = path[len(match.strip) :]
                if not path.startswith(b"/"):
                    path = b"/" + path
        if pool.closed:
            raise NoRoute("the component has been removed")
        if client.policy.by_name:
            gateway.doorkeeper.check(client, pool)
        target = gateway.target(pool)
        host_line = b"Host: %b\r\n" % client.local if head.flags & F_NO_HOST else b""
        before = b"%b %b HTTP/1.1\r\n%b" % (first.method, path, host_line)
        return Way(head, gateway.epoch, target, route or target.direct, before, self._forwarding(head) + target.line)

    def _named(self, head: RequestHead) -> Pool | None:
        """Of the component that the caller names, if it does."""
        name = _only(head, COMPONENT)
        if name is None:
            return None
        pool = self._gateway.find(name.decode("latin-1"))
        if pool is None:
            raise NoRoute(f"there is no component {name.decode('latin-1')!r}")
        return pool

    def _forwarding(self, head: RequestHead) -> bytes:
        """The lines that say who asks."""
        client = self._client
        if client.trusted:
            return forwarded_lines_of_proxy(client.peer, head.host, client.listener.scheme, head.special or {})
        if head.host != self._host:
            self._host = head.host
            self._forwarded = forwarded_lines(client.peer, head.host, client.listener.scheme)
        return self._forwarded


def _seconds(head: RequestHead) -> float | None:
    text = _only(head, DEADLINE)
    if text is None:
        return None
    if not _SECONDS.fullmatch(text):
        raise BadRequest("Maelstrom-Deadline is not a number of seconds")
    return max(0.0, float(text))


def _only(head: RequestHead, kind: int) -> bytes | None:
    values = head.special.get(kind) if head.special else None
    if values is None:
        return None
    if len(values) > 1:
        raise BadRequest("a Maelstrom header stands there twice")
    return values[0]
