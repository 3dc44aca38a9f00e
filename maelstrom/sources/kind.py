"""What one kind of pulled source does differently from the others: the steps between which `poller` goes.

    fetch    a poll that may bring items                   GetActivityTask              ReceiveMessage
    request  what the component gets for an item
    keep     keeps an item from being given to others      SendTaskHeartbeat            ChangeMessageVisibility
    settle   tells the service the outcome, exactly once   SendTaskSuccess, -Failure    DeleteMessage

It must not know of leases, slots and components: the poller brings those together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeVar

from maelstrom.activation.work import WorkAnswer, WorkRequest
from maelstrom.model.source import EventSource
from maelstrom.sources.ports import Deferrable
from maelstrom.sources.record import SourceRecord

Item = TypeVar("Item")

INTERNAL = "Maelstrom.Internal"
"""The error of a refusal that is a fault of ours."""

Pause = Callable[[float], Awaitable[None]]
"""Waits so many seconds, or less if there is no time left."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The component, or the gateway in its place, has answered."""

    answer: WorkAnswer


@dataclass(frozen=True, slots=True)
class Refused:
    """The work was not done, or not to its end. `error` is a name that a Retry can match."""

    error: str
    reason: str


Outcome = Answered | Refused

NOT_NOW = Refused("Maelstrom.NotNow", "its source was disabled, or rests and the node stops")


class NotNow(Exception):
    """An item came of a poll that was open when its source was disabled: it is left to whoever polls later."""


class Settled(Enum):
    """What became of an item."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    GONE = "gone"  # the service had given it up
    DEFERRED = "deferred"  # the component will answer later; its slot waits for that


class Kind(Protocol[Item]):
    """Has no state of its own per source: everything is in what it is handed."""

    gives_back: bool
    """Whether what was fetched can come again; what cannot is worked also where its source is disabled by then."""

    def batch(self, source: EventSource) -> int:
        """Items that one fetch may bring at most."""
        ...

    def most_fetches(self, source: EventSource) -> int:
        """Fetches that may be open at once, however many slots are free."""
        ...

    def idle_fetches(self, source: EventSource) -> int:
        """Fetches that stay open where nothing comes."""
        ...

    def width(self, source: EventSource) -> int:
        """Slots of one poller, by which fetches are numbered."""
        ...

    def place(self, source: EventSource) -> Hashable:
        """Where items come from: what an open fetch brings after an edit of it still belongs to the old definition."""
        ...

    async def fetch(self, source: EventSource, wanted: int, poller: int) -> Sequence[Item]:
        """Up to `wanted` items, as soon as there are any; none after a while. Raises MaelstromError."""
        ...

    def in_order(self, items: Sequence[Item]) -> Sequence[Sequence[Item]]:
        """The items of one fetch; those of one series are worked one after the other, series beside one another."""
        ...

    def goes_on(self, source: EventSource, item: Item, outcome: Outcome) -> bool:
        """Whether the next item of a series may follow this outcome. If not, it and those behind it are refused."""
        ...

    def pause(self, outcome: Outcome) -> float:
        """Seconds for which the component wants no more; 0: it did not say so."""
        ...

    def resumed(self, source: EventSource) -> None:
        """A pause was asked for: the fetches after it begin anew."""
        ...

    def request(self, source: EventSource, item: Item, epoch: int) -> WorkRequest: ...

    async def keep(self, source: EventSource, item: Item, record: SourceRecord) -> None:
        """Until cancelled; returns only when the service has given the item up."""
        ...

    async def defer(
        self, source: EventSource, item: Item, outcome: Outcome, slot: Deferrable, record: SourceRecord
    ) -> Settled | Refused | None:
        """What became of a promise to answer later, or of one that could not be taken; None: the outcome is none."""
        ...

    async def settle(
        self, source: EventSource, item: Item, outcome: Outcome, record: SourceRecord, pause: Pause
    ) -> Settled:
        """Until the service has taken the outcome; only cancellation ends it before."""
        ...
