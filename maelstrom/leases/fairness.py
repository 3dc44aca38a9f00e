"""Shares applied: who is in the deal, what this node may have of each source, and what it tells others for that.

Deals are made anew only when sessions or sources have changed. It must not know of statements, nor decide about limits.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Iterable, Mapping, Sequence

from maelstrom.leases.portion import Portion, Sight
from maelstrom.leases.rows import SourceNow, Word
from maelstrom.leases.share import Party, Stake, deal
from maelstrom.leases.term import NEVER, Term
from maelstrom.leases.watch import SeenSession

PATIENCE_BEATS = 2.5  # until what is free counts as wanted by nobody: others look once a beat
AT_ONCE = 5_000  # parties x sources; a larger deal takes longer than the loop may stand still
OUT = "*"  # in place of the list of sources that a session is unfit for: it works none, or does not know yet


class Fairness:
    """Of one node."""

    def __init__(self, beat_seconds: float) -> None:
        self._patience = PATIENCE_BEATS * beat_seconds
        self._portions: dict[int, Portion] = {}
        self._absent: dict[int, float] = {}  # sources that are there and that this node does not work: since when
        self._dealt: object = None
        self._shares: dict[int, int] = {}
        self._wanting: frozenset[int] = frozenset()
        self._takes_part = False

    def holds(self, source: int) -> bool:
        """This node works the source from now on. True if others are to be told: until now it was out of all deals."""
        before, self._takes_part = self._takes_part, True
        return self._absent.pop(source, NEVER) == NEVER or not before

    def drops(self, source: int) -> None:
        self._absent[source] = NEVER

    def word(self, now: float, unfit: Iterable[int]) -> Word:
        """What others are to know; `unfit`: sources that this node cannot work for now."""
        if not self._takes_part:
            return Word(OUT)
        absent = (source for source, since in self._absent.items() if now - since >= self._patience)
        return Word(_text({*unfit, *absent}), _text(self._wanting))

    async def saw(
        self,
        now: float,
        me: str | None,
        sessions: Sequence[SeenSession],
        sources: Sequence[SourceNow],
        terms: Mapping[int, Term],
    ) -> None:
        """One look: what each of this node's terms may have."""
        alive = [session for session in sessions if session.alive]
        own = next((session for session in alive if session.id == me), None)
        if own is not None:
            await self._deal(own.node, alive, sources)
        wanted = frozenset[int]().union(*(_ids(session.wanting) for session in alive if session.id != me))
        wanting = set()
        for source in sources:
            if not source.width:
                continue
            term = terms.get(source.id)
            if term is None or term.closing:
                if source.works:
                    self._absent.setdefault(source.id, now)
                continue
            self._absent.pop(source.id, None)
            portion = self._portions.get(source.id)
            if portion is None:
                portion = self._portions[source.id] = Portion(self._patience)
            portion.share = self._shares.get(source.id, 0)
            if portion.saw(now, Sight(source.limit, source.total, term.capacity, source.id in wanted)):
                wanting.add(source.id)
            term.dealt = portion.allowed
        self._wanting = frozenset(wanting)
        self._forget({source.id for source in sources})

    async def _deal(self, node: str, alive: Iterable[SeenSession], sources: Iterable[SourceNow]) -> None:
        parties = [(s.node, s.unfit) for s in alive if not s.leaving and s.unfit != OUT]
        stakes = [(s.id, s.limit, s.width) for s in sources if s.works and s.width]
        if (parties, stakes) == self._dealt:
            return
        dealt = functools.partial(
            deal, [Party(name, _ids(unfit)) for name, unfit in parties], [Stake(*stake) for stake in stakes]
        )
        found = dealt() if len(parties) * len(stakes) <= AT_ONCE else await asyncio.to_thread(dealt)
        self._shares = found.of(node)
        self._dealt = parties, stakes
        for portion in self._portions.values():
            portion.begin_anew()

    def _forget(self, there: set[int]) -> None:
        if self._portions.keys() - there or self._absent.keys() - there:
            self._portions = {source: portion for source, portion in self._portions.items() if source in there}
            self._absent = {source: since for source, since in self._absent.items() if source in there}


def _text(sources: Iterable[int]) -> str:
    return json.dumps(sorted(sources), separators=(",", ":"))


@functools.lru_cache(maxsize=256)
def _ids(text: str) -> frozenset[int]:
    return frozenset() if text == OUT else frozenset(json.loads(text))
