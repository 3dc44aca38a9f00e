"""One open poll of a source, and what it has taken for what it may bring."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from maelstrom.model.source import EventSource
from maelstrom.sources.seats import Seat


@dataclass(eq=False, slots=True)
class Fetch:
    """One open poll, and the seats for what it may bring; a stray may have lent them."""

    source: EventSource
    seats: list[Seat]
    number: int
    begun: float
    stray: bool = False  # where items come from has changed since
    task: asyncio.Task[None] | None = field(default=None, repr=False)
