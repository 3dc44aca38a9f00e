"""What sources need of the rest of the node, as small protocols, so that each part is tested against a fake.

The real ones: `leases.keeper` and `leases.lease`, `registry.view`, `activation.transport`, `sources.aws_…`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from maelstrom.model.errors import MaelstromError
from maelstrom.model.source import AwsSource, EventSource
from maelstrom.model.stored import Snapshot

Spawn = Callable[[Coroutine[Any, Any, Any], str], "asyncio.Task[Any]"]
Random = Callable[[], float]  # in [0, 1)


class Deferrable(Protocol):
    """A slot whose request has brought the promise of a later answer."""

    async def defer(self, task: str, seconds: float) -> bool:
        """It goes on counting, without this node, until `task` is answered or so many seconds are over.

        `give_back` then frees nothing. False if that could not be made sure of: the slot is what it was.
        """
        ...


class Slot(Deferrable, Protocol):
    """One unit of a lease: from the poll to the end of the request that it brought."""

    async def admit(self, seconds: float) -> int:
        """Waits until a request of at most `seconds` may be dispatched; the lease's epoch. Raises LeaseLost."""
        ...

    def give_back(self) -> None:
        """The slot is free again; a second call does nothing."""
        ...


class SlotLease(Protocol):
    """The right of this node to have so many requests of one source open."""

    @property
    def capacity(self) -> int:
        """How many, of the source's limit over the cluster."""
        ...

    @property
    def allowed_seconds(self) -> float:
        """The longest request that may be admitted now; 0: not known yet, no slot is given then."""
        ...

    def take(self) -> Slot | None:
        """A slot for a poll that may bring one item; None while none is free, or none may be used."""
        ...

    async def changed(self) -> None:
        """Until `take` may have another answer."""
        ...

    async def pause(self, seconds: float) -> None:
        """No node polls the source for so long; 0 ends a pause. Raises Unavailable."""
        ...

    def paused_seconds(self) -> float:
        """How long that will last; 0: it does not. `changed` tells of its end."""
        ...

    def unfit(self, reason: str) -> None:
        """A poll, or a start of the component, has failed: to be called each time."""
        ...

    def fit(self) -> None:
        """Polls reach the service, and the component starts."""
        ...


class LeaseDesk(Protocol):
    """Where leases come from."""

    def hold(self, source: EventSource) -> SlotLease:
        """This node's lease of the source: one per source, again with what changed of it. Slots come by themselves."""
        ...

    def drop(self, lease: Any) -> None:
        """No more polls under this lease. What is open, or was brought, may go on."""
        ...


class AnswerDesk(Protocol):
    """Where slots wait that were deferred, of all nodes."""

    async def answered(self, task: str) -> bool:
        """The slot that was deferred under that name is free now; False if there was none. Raises Unavailable."""
        ...


class View(Protocol):
    """This node's copy of the registry."""

    @property
    def snapshot(self) -> Snapshot: ...

    def subscribe(self, callback: Callable[[Snapshot], None]) -> Callable[[], None]:
        """`callback` gets each new snapshot; the result ends that."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a source's AWS service is, as far as the source itself says so; what is empty is as the daemon has it."""

    region: str = ""
    endpoint: str = ""
    rolearn: str = ""

    @classmethod
    def of(cls, source: AwsSource) -> Place:
        return cls(source.region, source.endpoint, source.rolearn)

    @property
    def elsewhere(self) -> Place:
        """The same account and region, for another service: an endpoint is one service's."""
        return Place(self.region, "", self.rolearn)


HERE = Place()


@dataclass(frozen=True, slots=True)
class ActivityTask:
    """One task of a Step Functions activity, handed to this node and to nobody else."""

    token: str
    input: str  # JSON text
    arn: str  # of the activity


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """`error` selects a Retry or Catch; at most 256 and 32,768 characters."""

    error: str
    cause: str


class TaskReports(Protocol):
    """What a task that somebody works on is told. Raises the AWS errors of `model.errors`, and no others."""

    async def succeed(self, token: str, output: str) -> None:
        """Raises TaskGone, InvalidTaskToken, OutputRefused."""
        ...

    async def fail(self, token: str, failure: TaskFailure) -> None:
        """Raises TaskGone, InvalidTaskToken."""
        ...

    async def heartbeat(self, token: str) -> None:
        """Raises TaskGone, InvalidTaskToken."""
        ...


class StepFunctions(TaskReports, Protocol):
    """The calls of AWS Step Functions that a source makes. Raises the AWS errors of `model.errors`, and no others."""

    def at(self, place: Place) -> StepFunctions:
        """The same of another account, region or address."""
        ...

    async def activity(self, name: str) -> str:
        """The activity's ARN: remembered, else looked up, else it is created."""
        ...

    def forget(self, name: str) -> None:
        """Look the activity up anew next time."""
        ...

    async def poll(self, arn: str, worker: str, *, unclaimed: TaskFailure) -> ActivityTask | None:
        """A long poll of up to a minute; None if it brought nothing. Raises ActivityMissing.

        Cancelled, it leaves the poll open, because a poll that is cut may lose a task: what it brings then is reported
        as failed with `unclaimed`.
        """
        ...


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """One message of an SQS queue, hidden from others for a while."""

    queue: str  # its URL
    id: str
    receipt: str  # names this delivery of the message, in all that is said of it
    body: str
    receives: int = 1  # how often it was received, this time included
    sent_at: float = 0.0  # seconds since 1970
    group: str = ""
    attributes: Mapping[str, str | bytes] = field(default_factory=dict)


Told = Sequence[MaelstromError | None]
"""What became of each entry of a batch, in its order: done, or why not."""


class Sqs(Protocol):
    """The calls of SQS that a source makes. Raises the AWS errors of `model.errors`, and no others."""

    def at(self, place: Place) -> Sqs:
        """The same of another account, region or address."""
        ...

    async def find(self, name: str) -> str:
        """The queue's URL. Raises QueueMissing."""
        ...

    async def find_all(self, prefix: str) -> list[str]:
        """The URLs of all queues whose names begin so, in any order."""
        ...

    async def receive(self, queue: str, *, most: int, wait: int, visibility: int) -> Sequence[QueueMessage]:
        """Up to `most` (at most 10) messages; none after `wait` seconds (0 to 20). Raises QueueMissing.

        Cancelled, it leaves the poll open, and gives back at once what that brings.
        """
        ...

    async def delete(self, queue: str, receipts: Sequence[str]) -> Told:
        """At most 10. An entry's error is MessageGone where the receipt does not hold the message any more."""
        ...

    async def hide(self, queue: str, receipts: Sequence[tuple[str, int]]) -> Told:
        """Receipts and the seconds from now until the message is seen by others; 0: at once. At most 10."""
        ...
