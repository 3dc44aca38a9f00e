"""One pass over what all nodes have written: bury who is silent, free what the dead held, learn the limits.

Every node does so for itself; that two do the same at once is harmless, each change is bound to what was seen. It must
not know of the own session's statements, nor when the next pass is due.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from maelstrom.leases.fairness import Fairness
from maelstrom.leases.later import Later
from maelstrom.leases.session import OwnSession
from maelstrom.leases.statements import Held, SourceNow, Statements
from maelstrom.leases.term import NEVER, Term
from maelstrom.leases.watch import Pauses, SeenDeadline, SeenPause, Settling, WaitOut, Watch
from maelstrom.model.clock import Clock

log = logging.getLogger("maelstrom.leases")


class Observer:
    """`session`: the own one. `terms`: all leases of this node."""

    def __init__(
        self,
        statements: Statements,
        terms: Callable[[], Iterable[Term]],
        session: OwnSession,
        later: Later,
        fairness: Fairness,
        *,
        clock: Clock,
        ttl_seconds: float,
        settle_seconds: float,
    ) -> None:
        self._statements = statements
        self._terms = terms
        self._session = session
        self._clock = clock
        self._watch = Watch(ttl_seconds)
        self._later = later
        self._fairness = fairness
        self._waits = WaitOut()
        self._pauses = Pauses()
        self._settling = Settling(settle_seconds)

    @property
    def soonest(self) -> float:
        """Seconds from the last pass until a wait, or a pause, is over that was not."""
        return min(self._waits.soonest, self._pauses.soonest)

    async def look(self) -> bool:
        """One pass. True if it changed rows, so that another one at once may find more to do."""
        terms = {term.source: term for term in self._terms()}
        held = [Held(term.source, term.epoch if term.row is not None else None) for term in terms.values()]
        tasks = self._later.names
        flushed = self._session.history.flushed
        sent = self._clock.monotonic()
        view = await self._statements.view(held, tasks)
        received = self._clock.monotonic()
        me = self._session.me
        bury, forget = self._watch.saw(
            received, view.era, view.sessions, me.session if me is not None else None, self._session.last_success
        )
        self._session.looked(view.era, view.flushed, flushed)
        over, rest = self._waits.saw(received, view.era, view.orphans)
        self._later.seen(sent, view.era, frozenset(tasks), view.tasks)
        fresh = [term for term in terms.values() if term.told <= sent]
        self._learn(fresh, {source.id: source for source in view.sources})
        await self._fairness.saw(received, me.session if me else None, view.sessions, view.sources, terms)
        for session in bury:
            if await self._statements.bury(session.id, session.beat):
                log.warning("a session was silent for its whole ttl, it is over", extra={"session": session.id})
        if forget:
            await self._statements.forget(forget)
        if rest:
            await self._statements.write_back(rest)
        await self._settle(received, view.era, fresh, view.sources)
        await self._rest(received, fresh, view.sources)
        freed = await self._statements.waited_out(over) if over else 0
        if freed:
            log.info("leases of the dead were waited out", extra={"leases": freed})
        return bool(bury or freed or rest)  # a wait that was written back is to be seen at once: it goes on from there

    async def _rest(self, received: float, terms: Iterable[Term], sources: Iterable[SourceNow]) -> None:
        seen = [SeenPause(source.id, source.pause_ms, source.pause_seq) for source in sources]
        until, rests = self._pauses.saw(received, seen)
        for term in terms:
            term.paused_until = until.get(term.source, NEVER)
        if rests:
            await self._statements.rested(rests)

    async def _settle(self, received: float, era: str, terms: Iterable[Term], sources: Iterable[SourceNow]) -> None:
        seen = [SeenDeadline(source.id, source.high_ms, source.settled_ms) for source in sources]
        allowed, due = self._settling.saw(received, era, seen)
        for term in terms:
            if term.source in allowed:
                term.allowed = allowed[term.source] / 1000
        if due:
            await self._statements.settle(due)

    def _learn(self, terms: Iterable[Term], sources: dict[int, SourceNow]) -> None:
        """A source that is not there any more, or is switched off, gets no polls."""
        for term in terms:
            source = sources.get(term.source)
            term.works = source is not None and source.works
            if source is None:
                continue
            term.limit = source.limit
            term.ahead = source.ahead
            if source.total < source.limit:
                term.seeks = True
