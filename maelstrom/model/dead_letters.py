"""Dead letter queues as values: where failed messages go, one such message, how far a redrive has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DeadLetterQueue:
    """One queue of a source. `dead_letters` is empty where it has none; `messages` are approximate, as SQS counts."""

    queue: str
    dead_letters: str = ""
    max_receives: int = 0  # after so many receives a message goes there
    messages: int = 0
    in_flight: int = 0  # received by somebody just now: not to be seen


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message. `receives` counts those of the dead letter queue as well, each look at it too."""

    queue: str  # the dead letter queue
    id: str
    body: str
    truncated: bool = False  # the body was cut
    size: int = 0  # characters of the whole body
    receives: int = 0
    sent_at: float = 0.0  # seconds since 1970
    group: str = ""
    origin: str = ""  # the queue it came from, where SQS says so
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Redrive:
    """How far one dead letter queue has been emptied into `to`; empty: each message to the queue it came from."""

    queue: str
    to: str
    moved: int
    total: int  # approximate
    state: str  # running, done
    by: str  # `task`: moved by SQS itself; `copy`: sent and deleted one by one
