"""How the library for HTTP/2 is used: frames and the states of streams; bounded where its own bounds are not ours.

What heads may say is checked in `heads.py`, which has to look at every field anyway.
"""

from __future__ import annotations

from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import InformationalResponseReceived, RequestReceived, ResponseReceived
from hyperframe.frame import Frame, SettingsFrame

from maelstrom.gateway.http2.frames import PREFACE
from maelstrom.gateway.http2.packing import Packer, Unpacker

Headed = RequestReceived | ResponseReceived | InformationalResponseReceived
HEADED: Final = frozenset((RequestReceived, ResponseReceived, InformationalResponseReceived))

MAX_HEADER_LIST: Final = 65_536  # told to peers; what is over it by less than twice is answered in order
TABLE: Final = 4096  # bytes of a header table, whatever a peer allows: what we send fills it
_FIRST_WINDOW: Final = 65_535  # of a connection (RFC 9113, 6.9.2)

# The library writes down each frame that comes, with all of its body, for a log that is off.
Frame.__repr__ = object.__repr__  # type: ignore[method-assign]


class Library(H2Connection):
    """One connection's frames, header compression and streams' states."""

    MAX_CLOSED_STREAMS = 1024
    DEFAULT_MAX_HEADER_LIST_SIZE = 2 * MAX_HEADER_LIST

    def __init__(self, *, client_side: bool) -> None:
        super().__init__(
            H2Configuration(
                client_side=client_side,
                header_encoding=None,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
                # What we send has been checked as HTTP/1.1, and is in small letters already.
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.encoder = Packer()
        self.decoder = Unpacker(self.DEFAULT_MAX_HEADER_LIST_SIZE)
        self._bodies: list[bytes | memoryview] = []  # what goes out before what the library has

    def begin(self, settings: dict[int, int], window: int) -> bytes:
        """What the connection begins with. The peer is told these settings; the library goes by its own."""
        self.initiate_connection()
        self.clear_outbound_data_buffer()
        self.increment_flow_control_window(window - _FIRST_WINDOW)
        preface = PREFACE if self.config.client_side else b""
        return preface + SettingsFrame(0, settings=settings).serialize() + self.data_to_send()

    def send_body(self, stream_id: int, data: bytes | memoryview, *, end: bool) -> None:
        """One frame, as far as windows allow. One that ends nothing changes only these, and is not copied for it."""
        if end:
            self.send_data(stream_id, data, end_stream=True)
            return
        self.outbound_flow_control_window -= len(data)
        self.streams[stream_id].outbound_flow_control_window -= len(data)
        head = len(data).to_bytes(3, "big") + b"\0\0" + stream_id.to_bytes(4, "big")
        self._bodies += (self.data_to_send(), head, data)

    def to_send(self) -> bytes:
        """All that is to be written now."""
        data = self.data_to_send()
        if self._bodies:
            data = b"".join((*self._bodies, data))
            self._bodies.clear()
        return data

    def bound_table(self) -> None:
        """After a peer has changed its settings."""
        if self.encoder.header_table_size > TABLE:
            self.encoder.header_table_size = TABLE
