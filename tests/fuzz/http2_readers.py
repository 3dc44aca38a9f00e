"""How others read the two ends of an HTTP/2 connection: the library as it is by itself, and frames by their heads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    InformationalResponseReceived,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import H2Error
from hpack import Decoder

from maelstrom.gateway.http2.frames import PREFACE
from maelstrom.gateway.http2.library import MAX_HEADER_LIST
from tests.support.http2 import Headers
from tests.support.http2_noise import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    RST,
    SETTINGS,
    WINDOW,
)


@dataclass
class Asked:
    """A request as the library reads it."""

    fields: Headers
    body: bytes = b""
    trailers: Headers = field(default_factory=list)
    complete: bool = False

    def __getitem__(self, name: bytes) -> bytes:
        return next((value for given, value in self.fields if given == name), b"")

    @property
    def whole(self) -> bool:
        """Ended, or as long as it says: that is all of it in HTTP/1.1, where nothing says more."""
        length = self[b"content-length"]
        return self.complete or (length.isdigit() and int(length) == len(self.body))

    @property
    def host(self) -> bytes:
        return self[b":authority"] or self[b"host"]


@dataclass
class Answered:
    """What one stream was answered."""

    heads: list[Headers] = field(default_factory=list)
    body: bytes = b""
    ended: bool = False
    reset: int | None = None

    @property
    def whole(self) -> bool:
        """Ended, or as long as it says, as `Asked.whole`."""
        length = dict(self.heads[-1]).get(b"content-length", b"") if self.heads else b""
        return self.ended or (length.isdigit() and int(length) == len(self.body))

    @property
    def status(self) -> int:
        return int(dict(self.heads[-1 if len(self.heads) < 2 or not self.body else 0])[b":status"]) if self.heads else 0


def frames_of(data: bytes) -> Iterator[bytes]:
    """The last one may be unfinished."""
    at = 0
    while at < len(data):
        end = at + 9 + int.from_bytes(data[at : at + 3], "big")
        yield data[at:end]
        at = end


def requests_by_h2(data: bytes) -> tuple[dict[int, Asked], int]:
    """(requests by streams, up to which byte: the end of the frame that the library refuses, else of all)."""
    asked: dict[int, Asked] = {}
    connection = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    connection.local_settings.max_concurrent_streams = 10_000
    connection.local_settings.acknowledge()
    connection.decoder.max_header_list_size = 2 * MAX_HEADER_LIST
    connection.initiate_connection()
    at, in_block = len(PREFACE), False
    try:
        connection.receive_data(data[:at])
        for one in frames_of(data[at:]):
            at += len(one)
            if len(one) >= 17 and one[3] == GOAWAY and not in_block and one[5:9] == bytes(4):
                continue  # what it says of streams is about others; those that run go on
            if len(one) >= 9 and one[3] in (HEADERS, CONTINUATION):
                in_block = not one[4] & END_HEADERS
            for event in connection.receive_data(one):
                _take(asked, event)
    except H2Error:
        pass
    return asked, at


def _take(asked: dict[int, Asked], event: Event) -> None:
    if isinstance(event, RequestReceived):
        asked[event.stream_id] = Asked(list(event.headers))
    elif isinstance(event, DataReceived):
        asked[event.stream_id].body += event.data
    elif isinstance(event, TrailersReceived):
        asked[event.stream_id].trailers = list(event.headers)
    elif isinstance(event, StreamEnded):
        asked[event.stream_id].complete = True


def answer_by_h2(asked: bytes, data: bytes) -> tuple[Answered, int]:
    """(the answer on stream 1 to a request of this method, up to which byte: as `requests_by_h2`)."""
    answer = Answered()
    connection = H2Connection(H2Configuration(client_side=True, header_encoding=None))
    connection.decoder.max_header_list_size = 2 * MAX_HEADER_LIST
    connection.local_settings.enable_push = 0
    connection.local_settings.acknowledge()
    connection.initiate_connection()
    head = [(b":method", asked), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")]
    connection.send_headers(1, head, end_stream=True)
    at, in_block = 0, False
    try:
        for one in frames_of(data):
            at += len(one)
            if len(one) >= 17 and one[3] == GOAWAY and not in_block and one[5:9] == bytes(4):
                continue
            if len(one) >= 9 and one[3] in (HEADERS, CONTINUATION):
                in_block = not one[4] & END_HEADERS
            for event in connection.receive_data(one):
                if getattr(event, "stream_id", 0) != 1 or answer.reset is not None:
                    continue
                if isinstance(event, ResponseReceived | InformationalResponseReceived):
                    answer.heads.append(list(event.headers))
                elif isinstance(event, DataReceived):
                    answer.body += event.data
                elif isinstance(event, StreamEnded):
                    answer.ended = True
                elif isinstance(event, StreamReset):
                    answer.reset = int(event.error_code)
    except H2Error:
        pass
    return answer, at


def answers_by_frames(data: bytes) -> dict[int, Answered]:
    """Raises AssertionError for what no peer would take."""
    answered: dict[int, Answered] = {}
    decoder = Decoder(1 << 20)
    decoder.max_allowed_table_size = 1 << 32
    over, block = False, b""
    for one in frames_of(data):
        kind, flags, stream, payload = one[3], one[4], int.from_bytes(one[5:9], "big"), one[9:]
        assert len(one) == 9 + int.from_bytes(one[:3], "big") <= 9 + 16384, "a frame that is not whole, or too long"
        assert not over, "a frame after the last GOAWAY"
        assert (kind in (SETTINGS, PING, GOAWAY)) == (stream == 0) or kind == WINDOW
        over = kind == GOAWAY
        if kind not in (HEADERS, CONTINUATION, DATA, RST):
            continue
        answer = answered.setdefault(stream, Answered())
        assert answer.reset is None or kind == RST, "a frame after the reset"
        assert kind in (RST, CONTINUATION) or not answer.ended, "a frame after the end"
        if kind == RST:
            answer.reset = int.from_bytes(payload, "big")
        elif kind == DATA:
            answer.body += payload
        else:
            block += payload
            if flags & END_HEADERS:
                answer.heads.append([(name, value) for name, value in decoder.decode(block, raw=True)])  # type: ignore[misc]
                block = b""
        answer.ended = answer.ended or (kind in (HEADERS, DATA) and bool(flags & END_STREAM))
    return answered
