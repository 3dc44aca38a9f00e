"""How much of one source this node may have, by what it sees: its share, and what nobody else takes. Pure.

Shares alone would leave capacity unused where the one whose share it is does not take it: a node that has no poller for
the source, or sees other nodes than we do. So capacity that stays free for a while is taken by whoever can use it. And
who has less than its share for a while, with nothing free, says so (`wanting`): then all others go back to their
shares. It must not know how the share was dealt, nor how others are told.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sight:
    """A source as one pass of the observer found it."""

    limit: int
    total: int  # of the capacities given out
    own: int  # of the own row
    wanted: bool  # another node says that it has less than its share


class Portion:
    """Of one source on one node. `patience` in seconds: longer than others need to take what is theirs."""

    def __init__(self, patience: float) -> None:
        self.share: int | None = None  # as dealt; None: not yet
        self._patience = patience
        self._free_since: float | None = None
        self._short_since: float | None = None
        self._takes_all = False

    @property
    def allowed(self) -> int | None:
        """The capacity to have at most; None: all that is free."""
        return None if self._takes_all else self.share or 0

    def begin_anew(self) -> None:
        """Pollers were dealt anew: for a while much is free on its way from one node to another."""
        self._free_since = self._short_since = None
        self._takes_all = False

    def saw(self, now: float, sight: Sight) -> bool:
        """Whether others are to be told that this node is wanting."""
        share = self.share or 0
        free, short = sight.limit > sight.total, sight.own < share
        self._free_since = _since(self._free_since, now, free and not short)
        self._short_since = _since(self._short_since, now, short and not free)
        if sight.wanted or (self._takes_all and not free and sight.own <= share):
            self._takes_all = False
        elif self._lasts(self._free_since, now):
            self._takes_all = True
        return self._lasts(self._short_since, now)

    def _lasts(self, since: float | None, now: float) -> bool:
        return since is not None and now - since >= self._patience


def _since(before: float | None, now: float, so: bool) -> float | None:
    if not so:
        return None
    return now if before is None else before
