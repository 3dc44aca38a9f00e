"""What cron needs of the rest of the node: the right to plan, and the ledger. The real ones: `leases.keeper.role` and
`registry.cron`. And what who plans tells this node.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from maelstrom.model.cron import Anchor, Ended, Followed, Opened, OpenRun, Tick
from maelstrom.model.source import EventSource


class Role(Protocol):
    """A right that one node of the cluster has at a time."""

    @property
    def held(self) -> bool:
        """Whether this node has it, and nobody else can have taken it yet."""
        ...

    @property
    def epoch(self) -> int:
        """Higher than that of all who had it before."""
        ...

    def seek(self) -> None:
        """This process wants it; until then, and after `rest`, it leaves it to others."""
        ...

    def rest(self) -> None: ...

    async def changed(self) -> None:
        """Until `held` may be another."""
        ...


class Ledger(Protocol):
    """See `registry.cron`; raises the errors of `model.errors`."""

    async def clock(self) -> float: ...

    async def lead(self, epoch: int) -> None: ...

    async def follow(self, wanted: Sequence[Followed], now: int, epoch: int) -> dict[int, Anchor]: ...

    async def rest(self, sources: Collection[int], epoch: int) -> None: ...

    async def open(self, ticks: Sequence[Tick], epoch: int, now: float) -> list[Opened]: ...

    async def open_manual(self, tick: Tick, now: float) -> Opened: ...

    async def attempt(self, run: str, number: int, promise_ms: int) -> bool: ...

    async def close(self, ended: Sequence[Ended]) -> None: ...

    async def to_cancel(self) -> set[str]: ...

    async def open_runs(self) -> list[OpenRun]: ...

    async def give_up(self, runs: Iterable[OpenRun], now: float) -> None: ...

    async def bury_former(self, now: float) -> int: ...

    async def failing(self) -> dict[int, str]: ...

    async def prune(self, now: float, sources: Collection[int] = ()) -> None: ...


@dataclass(frozen=True, slots=True)
class Tell:
    """Who is told. `begin`: a run of the source is ours, or was skipped; since when (steady clock) it is promised.
    `judge`: the reasons of last runs that failed, by source; None when this node plans no more.
    `planned`: the source is planned now, or why it cannot be.
    """

    begin: Callable[[EventSource, Opened, float], None]
    judge: Callable[[dict[int, str] | None], None]
    planned: Callable[[EventSource, str], None]
