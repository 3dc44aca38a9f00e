"""Keeps this node's leases: one session, what it may do for each source, and the passes that keep all of it true.

`run` does two things side by side: it writes (the own session's statements, one at a time) and it observes (what other
nodes' rows say). Sources `hold` leases and use them without asking; the keeper grants what is free, gives up what is
too much, and wakes them when something changes. It must not know what a source does with a slot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncEngine

import maelstrom
from maelstrom.leases.dialects import statements_over
from maelstrom.leases.fairness import Fairness
from maelstrom.leases.history import Forgetful, History, Memory
from maelstrom.leases.lease import Lease
from maelstrom.leases.loops import Loops
from maelstrom.leases.namesake import await_name
from maelstrom.leases.observer import Observer
from maelstrom.leases.role import Role
from maelstrom.leases.session import Identity, boot_id
from maelstrom.leases.sqlite import SqliteStatements
from maelstrom.leases.statements import Audit, SessionInfo, Statements, Word
from maelstrom.leases.term import Term
from maelstrom.leases.writer import Writer
from maelstrom.model.clock import Clock
from maelstrom.model.errors import NotFound
from maelstrom.model.source import EventSource
from maelstrom.registry.listen import Listener

CHANNEL = "leases"
TIMEOUTS_PER_TTL = 5  # so many statements in a row may go unanswered before the session is taken for dead


class LeaseKeeper:
    """One per process. `state_dir_id` names the state directory, which this process must have locked.

    `listen_url`: where PostgreSQL's notices come from; without it, and on SQLite, changes are seen at the next beat.
    `lost_commits_seconds`: how old a commit must be so that no failover loses it; 0: none can be lost.
    `memory`: what outlives this process of what it knows of the database.
    """

    def __init__(
        self,
        database: AsyncEngine | Statements,
        *,
        node: str,
        state_dir_id: str,
        beat_seconds: float,
        ttl_seconds: float,
        clock: Clock,
        listen_url: str | None = None,
        lost_commits_seconds: float = 60.0,
        memory: Memory | None = None,
    ) -> None:
        self.clock = clock
        self.patience_seconds = ttl_seconds
        self._leases: dict[int, Lease] = {}
        self._roles: dict[str, Role] = {}
        self._fairness = Fairness(beat_seconds)
        self._beat_seconds = beat_seconds
        self._identity = Identity(node, state_dir_id, boot_id(), maelstrom.__version__)
        self._statements = statements_over(database, ttl_seconds / TIMEOUTS_PER_TTL)
        self._writer = Writer(
            self._statements,
            self._identity,
            self._terms,
            self._word,
            History(memory or Forgetful()),
            clock=clock,
            beat_seconds=beat_seconds,
            ttl_seconds=ttl_seconds,
        )
        self._observer = self._new_observer(ttl_seconds, lost_commits_seconds)
        self.later = self._writer.later
        self._writer.session.lossless = not lost_commits_seconds
        self._loops = self._new_loops(beat_seconds)
        look = self._loops.news.set
        self._listener = Listener(listen_url, {CHANNEL: lambda _: look()}, on_gap=look) if listen_url else None

    def _new_observer(self, ttl_seconds: float, lost_commits_seconds: float) -> Observer:
        return Observer(
            self._statements,
            self._terms,
            self._writer.session,
            self._writer.later,
            self._fairness,
            clock=self.clock,
            ttl_seconds=ttl_seconds,
            settle_seconds=0.0 if isinstance(self._statements, SqliteStatements) else lost_commits_seconds,
        )

    def _new_loops(self, beat_seconds: float) -> Loops:
        return Loops(
            self._writer,
            self._observer,
            prepare=self._find_roles,
            tell=self._tell,
            trusted=lambda: self.trusted,
            beat_seconds=beat_seconds,
        )

    # the life of the process

    async def start(self) -> None:
        """Opens the session. A former one of this state directory is over at once: its process is gone.

        Raises StateInUse if another live node has the name (seen by its beats, which takes up to its ttl), Unavailable.
        """
        await await_name(self._statements, self._identity, self.clock, self._beat_seconds)
        while self._writer.session.me is None:
            await self._writer.step()

    async def run(self) -> None:
        """Until `stop`. No failure of the database ends it; what else is raised is a defect."""
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._listener.run(), name="lease-notices") if self._listener else None
            writing = group.create_task(self._loops.write(), name="lease-writer")
            observing = group.create_task(self._loops.observe(), name="lease-observer")
            await asyncio.wait((writing, observing))
            if listening is not None:
                listening.cancel()

    def leave(self) -> None:
        """This node is about to stop: it asks for no more capacity and polls no more; others are told."""
        self._writer.leave()
        for lease in self._leases.values():
            lease.term.closing = True
            lease.tell()
        self.wake()

    async def stop(self) -> None:
        """Leaves, releases what has drained and ends the session, so that a successor waits for nothing.

        Raises Unavailable where the database does not confirm that; others then wait for the ttl. What is still in
        flight is waited out by them in any case. Afterwards nothing is admitted any more.
        """
        self.leave()
        self._loops.halt.set()
        self._loops.news.set()
        try:
            await self._writer.end()
        finally:
            self._writer.session.history.keep()
            self._tell()

    @property
    def stopped(self) -> bool:
        return self._loops.halt.is_set()

    @property
    def trusted(self) -> bool:
        """Whether nobody can have taken this node for dead yet."""
        return self.trusts(self.clock.monotonic())

    def trusts(self, now: float) -> bool:
        return self._writer.session.trust.holds(now)

    # leases

    def hold(self, source: EventSource) -> Lease:
        """The lease of a source, one per source; again with what changed of it. Capacity comes, and goes, by itself."""
        lease = self._leases.get(source.id)
        if lease is None:
            term = Term(source.id, source.maxconcurrency or 0)
            term.dealt = 0  # until the first look
            lease = self._leases[source.id] = Lease(source.key.full_name, term, self)
        lease.dropped = False
        if self._fairness.holds(source.id):
            self.speak()
        term = lease.term
        term.limit = source.maxconcurrency or 0
        term.works = source.enabled
        term.told = self.clock.monotonic()
        term.closing = self._writer.session.leaving
        term.seeks = True
        lease.tell()
        self.wake()
        if source.enabled:
            self._loops.news.set()
        return lease

    def drop(self, lease: Lease) -> None:
        """No more polls; its capacity is given up as it drains. What is there may still be admitted."""
        lease.dropped = lease.term.closing = True
        lease.tell()
        self._fairness.drops(lease.term.source)
        self.speak()

    def role(self, name: str) -> Role:
        """A role of that name, one per name: what one process of the cluster does at a time."""
        role = self._roles.get(name)
        if role is None:
            role = self._roles[name] = Role(name, self)
            self._loops.news.set()
        return role

    async def answered(self, task: str) -> bool:
        """Ends a task that was deferred on any node: its capacity is free. False if it was not there.

        Raises Unavailable where the database does not confirm that; it is then told again by itself.
        """
        name = self.later.answer(task)
        self.later.over.add(name)  # until that is confirmed
        found = await self._statements.answered([name])
        self.later.over.discard(name)
        return bool(found)

    async def pause(self, term: Term, seconds: float) -> None:
        """See `Lease.pause`."""
        term.paused_until = self.clock.monotonic() + seconds
        try:
            await self._statements.pause(term.source, round(seconds * 1000))
        finally:
            term.told = self.clock.monotonic()
            self._loops.news.set()

    def wake(self) -> None:
        self._loops.work.set()

    def speak(self) -> None:
        self._writer.speak()
        self.wake()

    # for people

    async def audit(self, source_id: int) -> Audit:
        """Limit, leases and the most ever in flight of one source, over all nodes; others' part is at most a beat old.

        Raises NotFound, Unavailable.
        """
        found = await self._statements.audit(source_id)
        if found is None:
            raise NotFound(f"there is no event source with the id {source_id}")
        own = self._leases.get(source_id)
        if own is None:
            return found
        row, now = own.term.row, own.in_flight
        leases = tuple(
            replace(item, inflight=min(now, item.capacity)) if item.id == row else item for item in found.leases
        )
        inflight = sum(item.inflight for item in leases)
        peak = sum(own.term.peak if item.id == row else item.inflight for item in leases)  # since the last beat
        return replace(found, leases=leases, inflight=inflight, max_inflight=max(found.max_inflight, peak))

    async def in_flight(self) -> dict[int, int]:
        """Requests in flight by source id, over all nodes; other nodes' part is at most a beat old."""
        others = await self._statements.in_flight(self._session() or "")
        for id, lease in self._leases.items():
            others[id] = others.get(id, 0) + lease.in_flight
        return others

    async def sessions(self) -> list[SessionInfo]:
        """The newest session of each node, by name."""
        newest = {row.node: row for row in await self._statements.sessions()}
        return [SessionInfo(row.node, row.state, row.version, row.age_seconds) for row in newest.values()]

    # below: not for others

    def _word(self) -> Word:
        now = self.clock.monotonic()
        return self._fairness.word(now, (id for id, lease in self._leases.items() if lease.fitness.unfit(now)))

    def _terms(self) -> Iterator[Term]:
        return iter([lease.term for lease in self._leases.values()])

    def _session(self) -> str | None:
        me = self._writer.session.me
        return None if me is None else me.session

    def _tell(self) -> None:
        for id, lease in list(self._leases.items()):
            if lease.dropped and lease.term.row is None and not lease.busy:
                del self._leases[id]
            lease.tell()

    async def _find_roles(self) -> None:
        """A role's row is made by whoever asks for it first."""
        for role in self._roles.values():
            if role.lease is None and (id := await self._statements.role(role.name)) is not None:
                term = Term(id, 1)
                term.closing = self._writer.session.leaving
                role.give(self._leases.setdefault(id, Lease(f"role {role.name}", term, self)))
