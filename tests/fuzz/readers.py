"""How other parsers read a stream of messages: h11, and llhttp (which Node has) by way of httptools."""

from __future__ import annotations

from dataclasses import dataclass, field

import h11
import httptools


class Disagrees(AssertionError):
    """A parser does not read what the gateway has passed on."""


@dataclass
class Read:
    """One message as a parser reads it. `start`: method and target, or the status."""

    start: tuple[str, ...] = ()
    hosts: list[bytes] = field(default_factory=list)
    body: bytes = b""
    complete: bool = False
    headers: list[tuple[bytes, bytes]] = field(default_factory=list, compare=False)  # by h11 only, as the trailers
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list, compare=False)


# llhttp knows these methods and no others.
KNOWN_METHODS = frozenset(
    b"DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND"
    b" UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE NOTIFY SUBSCRIBE UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK UNLINK"
    b" QUERY".split()
)


def requests_by_h11(data: bytes) -> list[Read]:
    conn = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    got: list[Read] = []
    try:
        conn.receive_data(data)
        while (event := conn.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Request):
                hosts = [value for name, value in event.headers if name == b"host"]
                start = (event.method.decode(), event.target.decode())
                got.append(Read(start, hosts, headers=list(event.headers)))
            elif isinstance(event, h11.Data):
                got[-1].body += event.data
            elif isinstance(event, h11.EndOfMessage):
                got[-1].complete = True
                got[-1].trailers = list(event.headers)
                conn.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                conn.send(h11.EndOfMessage())
                conn.start_next_cycle()
            else:
                raise Disagrees(f"h11 reads {event!r}")
    except h11.ProtocolError as error:
        raise Disagrees(f"h11: {error}") from error
    return got


class _Llhttp:
    def __init__(self) -> None:
        self.got: list[Read] = []
        self._url = b""
        self.parser: httptools.HttpRequestParser | httptools.HttpResponseParser

    def on_message_begin(self) -> None:
        self.got.append(Read())
        self._url = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"host":
            self.got[-1].hosts.append(value)

    def on_headers_complete(self) -> None:
        if isinstance(self.parser, httptools.HttpRequestParser):
            self.got[-1].start = (self.parser.get_method().decode(), self._url.decode())
        else:
            self.got[-1].start = (str(self.parser.get_status_code()),)

    def on_body(self, data: bytes) -> None:
        self.got[-1].body += data

    def on_message_complete(self) -> None:
        self.got[-1].complete = True


def requests_by_llhttp(data: bytes) -> list[Read]:
    reader = _Llhttp()
    while data:
        reader.parser = httptools.HttpRequestParser(reader)
        try:
            reader.parser.feed_data(data)
            break
        except httptools.HttpParserUpgrade as upgrade:
            data = data[upgrade.args[0] :]  # the answer was no 101: what follows is the next request
        except httptools.HttpParserError as error:
            raise Disagrees(f"llhttp: {error!r}") from error
    return reader.got


def answers_by_h11(request: bytes, data: bytes, *, ended: bool) -> list[Read]:
    """`request`: what was asked. `ended`: the connection was closed in order after `data`."""
    method, target, _ = request.split(b" ", 2)
    conn = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    conn.send(h11.Request(method=method, target=target, headers=[("Host", "a"), *_upgrade(request)]))
    conn.send(h11.EndOfMessage())
    got: list[Read] = []
    try:
        conn.receive_data(data)
        if ended:
            conn.receive_data(b"")
        while (event := conn.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.InformationalResponse | h11.Response):
                final = isinstance(event, h11.Response)
                got.append(Read((str(event.status_code),), complete=not final))
            elif isinstance(event, h11.Data):
                got[-1].body += event.data
            elif isinstance(event, h11.EndOfMessage):
                got[-1].complete = True
            elif isinstance(event, h11.ConnectionClosed):
                break
            else:
                raise Disagrees(f"h11 reads {event!r}")
        rest = conn.trailing_data[0]
    except h11.ProtocolError as error:
        raise Disagrees(f"h11: {error}") from error
    if rest and got[-1].start != ("101",):
        raise Disagrees(f"h11 sees {rest!r} after the answer")
    return got


def answers_by_llhttp(data: bytes) -> list[Read]:
    reader = _Llhttp()
    reader.parser = httptools.HttpResponseParser(reader)
    try:
        reader.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise Disagrees(f"llhttp: {error!r}") from error
    return reader.got


def _upgrade(request: bytes) -> list[tuple[str, str]]:
    return [("Connection", "Upgrade"), ("Upgrade", "chat")] if b"Upgrade:" in request else []
