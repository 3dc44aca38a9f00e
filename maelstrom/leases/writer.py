"""What this node asks of the database for its leases: all that waits goes together into the next statement.

One statement at a time, and all of them through the own session. It must not know of waiting or of what leases are used
for; when to call `step` is the keeper's business.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from uuid import uuid4

from maelstrom.leases.history import History
from maelstrom.leases.later import Later
from maelstrom.leases.session import Identity, OwnSession
from maelstrom.leases.statements import OwnLease, Statements, Want, Word
from maelstrom.leases.term import NEVER, Term, busy_milliseconds
from maelstrom.model.clock import Clock
from maelstrom.model.errors import Unavailable

log = logging.getLogger("maelstrom.leases")

LAST_TRIES = 4  # to end the session: an unknown outcome costs one


class Writer:
    """Sends the statements of the own session. `terms`: all leases of this node, in any state.

    `word`: what others are to know of this node.
    """

    def __init__(
        self,
        statements: Statements,
        identity: Identity,
        terms: Callable[[], Iterable[Term]],
        word: Callable[[], Word],
        history: History,
        *,
        clock: Clock,
        beat_seconds: float,
        ttl_seconds: float,
    ) -> None:
        self.session = OwnSession(statements, identity, self, history, clock=clock, ttl_seconds=ttl_seconds)
        self._statements = statements
        self._terms = terms
        self._word = word
        self._told: tuple[str, Word] | None = None  # by which session, what others know
        self.spoke = False  # others know something new
        self._clock = clock
        self._beat_seconds = beat_seconds
        self._turn = asyncio.Lock()
        self._ended = False
        self._strays: set[str] = set()  # own rows that no lease uses
        self._last_beat = NEVER
        self._kinds = deque((self._ask, self._grant, self._release, self._defer, self._clear))
        self.later = Later()

    def beat_due_in(self) -> float:
        """Seconds until a beat is to be sent."""
        return max(0.0, self._last_beat + self._beat_seconds - self._clock.monotonic())

    def due_in(self) -> float:
        """Seconds until there may be something to send."""
        me = self.session.me
        soonest = self.later.soonest(me.era if me is not None else "")
        return min(self.beat_due_in(), max(0.0, soonest - self._clock.monotonic()))

    def speak(self) -> None:
        """What the session says of itself has changed: its next beat is due now."""
        self._last_beat = NEVER

    def leave(self) -> None:
        """The next statement, sent at once, says that this node is leaving; no more capacity is asked for."""
        self.session.leaving = True
        self.speak()

    async def step(self) -> bool:
        """Sends what is most urgent. False if there was nothing to send.

        Raises what the registry raises (the outcome is then unknown), StateInUse if another node has the name.
        """
        async with self._turn:
            if self._ended:
                return False
            return await self.session.recover() or await self._tell() or await self._work() or await self._beat()

    async def end(self) -> None:
        """Releases what has drained and ends the session.

        Raises Unavailable where the database does not confirm that; others then wait for the ttl.
        """
        async with self._turn:
            self._ended = True
            failure = Unavailable("the session could not be ended")
            for _ in range(LAST_TRIES):
                if self.session.me is None:
                    return
                try:
                    if self.session.unsure:
                        await self.session.recover()
                    else:
                        drained = [term.row for term in self._terms() if term.row is not None and not term.in_flight]
                        await self.session.end([*drained, *self._strays])
                except Unavailable as error:
                    failure = error
            if self.session.me is not None:
                raise failure

    # what the session tells

    def are(self, rows: Sequence[OwnLease]) -> None:
        """Each lease has one row, that which it knew if it is there; the rest is released."""
        by_source: dict[int, list[OwnLease]] = {}
        for row in rows:
            by_source.setdefault(row.source, []).append(row)
        self._strays.clear()
        for term in self._terms():
            found = by_source.pop(term.source, [])
            known = next((row for row in found if row.id in (term.row, term.last_row)), found[0] if found else None)
            if known is None:
                term.forfeited()
                continue
            term.reread(known.id, known.capacity, known.epoch)
            self._strays.update(row.id for row in found if row is not known)
        self._strays.update(row.id for found in by_source.values() for row in found)

    def lost(self) -> None:
        self._strays.clear()
        for term in self._terms():
            term.forfeited()

    def promises(self, now: float) -> dict[int, int]:
        return {term.source: busy_milliseconds(term.need(now)) for term in self._terms() if term.in_flight}

    # the statements

    async def _tell(self) -> bool:
        """A beat out of turn: what was in flight is reported before the capacity for it goes to others."""
        giving = [*self.later.givers(), *(term for term in self._terms() if term.excess or term.spent)]
        if not any(term.untold for term in giving):
            return False
        self.speak()
        return await self._beat()

    async def _work(self) -> bool:
        for _ in range(len(self._kinds)):
            kind = self._kinds[0]
            self._kinds.rotate(-1)
            if await kind():
                return True
        return False

    async def _ask(self) -> bool:
        due = self.beat_due_in() <= 0
        sent = self._clock.monotonic()
        terms = [t for t in self._terms() if t.wants or (t.excess and not t.spent) or (due and t.idle(sent))]
        if not terms:
            return False
        asks = [term.ask(sent) for term in terms]
        done = await self.session.send(lambda me: self._statements.ask(me, asks))
        if done is None:
            return True
        confirmed = {item.lease: item for item in done[1]}
        for term in terms:
            item = confirmed.get(term.row or "")
            if item is None:
                self.session.unsure = True  # the row is not ours any more: look
            else:
                term.answered(sent, item.lease, item.capacity, item.limit, item.fits)
        return True

    async def _grant(self) -> bool:
        terms = {term.source: term for term in self._terms() if term.missing}
        if not terms or self.session.leaving:
            return False
        wants = [Want(term.source, term.missing, term.row or uuid4().hex) for term in terms.values()]
        for term in terms.values():
            term.seeks = False
        done = await self.session.send(lambda me: self._statements.grant(me, wants))
        if done is not None:
            self._granted(done[1])
        return True

    def _granted(self, rows: Sequence[OwnLease]) -> None:
        """What was asked for may have been dropped meanwhile, and even be held again."""
        terms = {term.source: term for term in self._terms()}
        for row in rows:
            term = terms.get(row.source)
            if term is None or term.row not in (None, row.id):
                self._strays.add(row.id)
                continue
            term.granted(row.id, row.capacity, row.epoch)
            log.info("lease granted", extra={"source": row.source, "capacity": row.capacity, "epoch": row.epoch})

    async def _release(self) -> bool:
        spent = [term for term in self._terms() if term.spent]
        rows = [*(term.row for term in spent if term.row is not None), *self._strays]
        if not rows:
            return False
        for term in spent:
            term.forfeited()
            term.seeks = False
        if await self.session.send(lambda me: self._statements.release(me, rows)) is not None:
            self._strays.difference_update(rows)
        return True

    async def _defer(self) -> bool:
        me = self.session.me
        assert me is not None, "only a session sends"
        sent = self._clock.monotonic()
        tasks = self.later.due(sent, me.era)
        if not tasks:
            return False
        done = await self.session.send(lambda me: self._statements.defer(me, [item for _, item in tasks]))
        if done is not None:
            self.later.told(sent, me.era, tasks, done[1])
        return True

    async def _clear(self) -> bool:
        """By now whatever may have made such a row has taken effect, or never will."""
        over = sorted(self.later.over)
        if not over:
            return False
        await self._statements.answered(over)
        self.later.over.difference_update(over)
        return True

    async def _beat(self) -> bool:
        if self.beat_due_in() > 0:
            return False
        self._last_beat = self._clock.monotonic()
        taken = [(term, note) for term in self._terms() if (note := term.note()) is not None]
        notes = [note for _, note in taken]
        missed: set[int] | None = None
        assert self.session.me is not None, "only a session beats"
        word = self.session.me.session, self._word()
        new = None if word == self._told else word[1]
        self._told = None if new else self._told  # until it is answered, others may know this one or the one before
        try:
            done = await self.session.send(
                lambda me: self._statements.beat(me, notes, leaving=self.session.leaving, word=new)
            )
            if done is not None:
                missed, self._told = set(done[1]), word
                self.spoke = self.spoke or new is not None
        finally:
            for term, note in taken:
                if missed is None or note.source in missed:
                    term.unnoted(note)
        return True
