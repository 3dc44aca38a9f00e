"""Connections as sockets: how much waits to be written, how one ends at once, and whether the other side has left."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final

HIGH_WATER: Final = 65536  # bytes waiting to be written before the other side is paused
_CLOSED_STATES: Final = frozenset((7, 8))  # TCP_CLOSE, TCP_CLOSE_WAIT: the peer has ended its side, or all of it


def reset(transport: asyncio.Transport) -> None:
    """Ends a connection with RST, so that what was sent of a message cannot be taken for all of it."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def has_left(transport: asyncio.Transport) -> bool:
    """Whether the other side has ended its input, asked of the system because nobody reads now.

    An orderly end that stands behind more than the system's buffers hold is not seen: then the deadline counts.
    """
    sock = transport.get_extra_info("socket")
    if sock is None or not hasattr(socket, "TCP_INFO"):
        return False
    state: bytes = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    return state[0] in _CLOSED_STATES
