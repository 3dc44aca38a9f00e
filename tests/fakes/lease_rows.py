"""Sessions, leases and sources in memory: what the statements of `maelstrom.leases` do, without a database.

It passes the contract suite of the real ones (tests/contract/leases), and is quick enough for hundreds of thousands of
simulated runs. Each method is one transaction, at one instant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast
from uuid import uuid4

from maelstrom.leases.rows import (
    ALL_CAPACITY,
    NEW_SOURCES,
    Audit,
    AuditLease,
    Confirmed,
    Defer,
    Deferred,
    Ground,
    Held,
    Me,
    NewSession,
    Own,
    OwnLease,
    SessionRow,
    SourceNow,
    View,
    Want,
    Word,
    blocking_ms,
    no_era,
)
from maelstrom.leases.statements import Statements
from maelstrom.leases.term import Ask, Note
from maelstrom.leases.watch import SeenLease, SeenSession

ROLE = "role"


class Record:
    """A row that can be copied."""

    __slots__: tuple[str, ...] = ()

    def copy(self) -> Any:
        cls = type(self)
        new = cls.__new__(cls)
        for name in cls.__slots__:
            setattr(new, name, getattr(self, name))
        return new


class Session(Record):
    __slots__ = (
        "alive",
        "beat",
        "era",
        "id",
        "leaving",
        "node",
        "opened_at",
        "state_dir",
        "ttl_ms",
        "unfit",
        "version",
        "wanting",
    )

    def __init__(self, new: NewSession, era: str, now: float) -> None:
        self.id, self.node, self.state_dir, self.version = new.id, new.node, new.state_dir, new.version
        self.ttl_ms, self.era, self.opened_at = new.ttl_ms, era, now
        self.beat, self.alive, self.leaving = 0, True, False
        self.unfit, self.wanting = "*", "[]"


class Lease(Record):
    __slots__ = (
        "busy_ms",
        "busy_seq",
        "capacity",
        "epoch",
        "given",
        "granted_at",
        "id",
        "in_flight",
        "session",
        "source",
        "task",
    )

    def __init__(self, id: str, source: int, session: str | None, capacity: int, epoch: int, now: float) -> None:
        self.id, self.source, self.session, self.capacity, self.epoch = id, source, session, capacity, epoch
        self.busy_ms = self.busy_seq = self.in_flight = self.given = 0
        self.granted_at = now
        self.task: str | None = None


class Source(Record):
    __slots__ = (
        "enabled",
        "epoch",
        "high_ms",
        "id",
        "m",
        "max_inflight",
        "name",
        "pause_ms",
        "pause_seq",
        "removed",
        "settled_ms",
        "type",
        "width",
    )

    def __init__(self, id: int, m: int | None, **values: Any) -> None:
        self.id, self.m, self.name, self.type = id, m, "", "awsstepfunc"
        self.enabled, self.removed = True, False
        self.width: int | None = None
        self.epoch = self.max_inflight = self.pause_ms = self.pause_seq = 0
        self.high_ms = self.settled_ms = 0
        for name, value in values.items():
            setattr(self, name, value)


Image = tuple[str, str, dict[str, Session], dict[str, Lease], dict[int, Source]]


class LeaseRows:
    """`now`: the database's wall clock; nothing may depend on it. `server`: who it is."""

    def __init__(self, now: Callable[[], float] = lambda: 0.0, server: str = "memory/1") -> None:
        self._now = now
        self.server = server
        self.era: str | None = uuid4().hex
        self.era_server = server
        self.sessions_by_id: dict[str, Session] = {}
        self.leases: dict[str, Lease] = {}
        self.sources: dict[int, Source] = {}

    # what tests do to it

    def add_source(self, m: int | None, **values: Any) -> int:
        id = len(self.sources) + 1
        self.sources[id] = Source(id, m, **values)
        return id

    def snapshot(self) -> Image:
        return (
            self.era or "",
            self.era_server,
            {id: row.copy() for id, row in self.sessions_by_id.items()},
            {id: row.copy() for id, row in self.leases.items()},
            {id: row.copy() for id, row in self.sources.items()},
        )

    def restore(self, image: Image) -> None:
        self.era, self.era_server, sessions, leases, sources = image
        self.sessions_by_id = {id: row.copy() for id, row in sessions.items()}
        self.leases = {id: row.copy() for id, row in leases.items()}
        self.sources = {id: row.copy() for id, row in sources.items()}

    def total(self, source: int) -> int:
        return sum(row.capacity for row in self.leases.values() if row.source == source)

    def live(self, session: str | None) -> bool:
        found = self.sessions_by_id.get(session or "")
        return found is not None and found.alive and found.era == self.era

    # of a process that has no session yet

    def ground(self) -> Ground:
        if self.era is None:
            raise no_era()
        same = self.era_server == self.server
        return Ground(self.era, same, durable=True, writable=True, server=self.server, flushed=self._flushed())

    def raise_era(self, seen: str, ttl_ms: int, *, lost: bool = True) -> None:
        if self.era != seen:
            return
        self.era, self.era_server = uuid4().hex, self.server
        high_ms = {}
        for source in self.sources.values():
            source.epoch += 1
            high_ms[source.id] = source.high_ms
        longest = max([ttl_ms, *(session.ttl_ms for session in self.sessions_by_id.values())])
        for id, busy in blocking_ms(high_ms, longest, lost=lost).items():
            epoch = self.sources[id].epoch if id in self.sources else 0
            row = self._insert(Lease(uuid4().hex, id, None, ALL_CAPACITY, epoch, self._now()))
            row.busy_ms = busy
        for session in self.sessions_by_id.values():
            session.alive = False

    def open_session(self, new: NewSession, era: str) -> bool:
        if self.era != era:
            return False
        for session in self.sessions_by_id.values():
            if session.alive and (session.state_dir == new.state_dir or session.era != era):
                session.alive = False
        taken = any(session.alive and session.node == new.node for session in self.sessions_by_id.values())
        if taken or self.era_server != self.server or new.id in self.sessions_by_id:
            return False
        self.sessions_by_id[new.id] = Session(new, era, self._now())
        return True

    # of a session

    def own(self, session: str) -> Own | None:
        found = self.sessions_by_id.get(session)
        if found is None:
            return None
        rows = tuple(_own(row) for row in self.leases.values() if row.session == session)
        return Own(found.beat, found.alive and found.era == self.era, rows)

    def beat(
        self, me: Me, notes: Sequence[Note] = (), *, leaving: bool = False, word: Word | None = None
    ) -> list[int] | None:
        session = self._guard(me)
        if session is None:
            return None
        session.leaving |= leaving
        if word is not None:
            session.unfit, session.wanting = word.unfit, word.wanting
        for note in notes:
            row = self._owned(note.lease, me)
            if row is not None:
                row.in_flight = note.in_flight
            source = self.sources.get(note.source)
            if source is not None:
                others = (x.in_flight for x in self.leases.values() if x.source == note.source and x.id != note.lease)
                source.max_inflight = max(source.max_inflight, note.peak + sum(others))
        return []

    def grant(self, me: Me, wants: Sequence[Want]) -> list[OwnLease] | None:
        if self._guard(me) is None:
            return None
        granted = []
        for want in wants:
            source = self.sources.get(want.source)
            free = 0 if source is None or source.removed else self._free(source)
            if source is None or (free := min(want.capacity, free)) <= 0:
                continue
            source.epoch += 1
            row = self.leases.get(want.lease)
            if row is None:
                row = self._insert(Lease(want.lease, source.id, me.session, free, source.epoch, self._now()))
            elif row.session == me.session:
                row.capacity += free
            else:
                continue
            granted.append(_own(row))
        return granted

    def ask(self, me: Me, asks: Sequence[Ask]) -> list[Confirmed] | None:
        if self._guard(me) is None:
            return None
        found = []
        for item in asks:
            row = self._owned(item.lease, me)
            if row is None:
                continue
            if item.busy_ms is not None:
                row.busy_ms = item.busy_ms
                row.busy_seq += 1
            if item.capacity is not None:
                row.capacity = min(row.capacity, item.capacity)
            row.in_flight = item.in_flight
            source = self.sources.get(row.source)
            if source is not None:
                limit = source.m or 0
                found.append(Confirmed(row.id, row.capacity, limit, self.total(source.id) <= limit))
        return found

    def release(self, me: Me, leases: Sequence[str], *, end: bool = False) -> bool | None:
        session = self._guard(me)
        if session is None:
            return None
        session.alive = not end
        for id in leases:
            if self._owned(id, me) is not None:
                del self.leases[id]
        return True

    def adopt(self, me: Me, formers: Sequence[str], busy_ms: dict[int, int]) -> bool | None:
        if self._guard(me) is None:
            return None
        for row in self.leases.values():
            if row.session in formers:
                row.session = me.session
                row.busy_ms = busy_ms.get(row.source, 0)
                row.busy_seq += 1
        return True

    def defer(self, me: Me, defers: Sequence[Defer]) -> list[Deferred] | None:
        if self._guard(me) is None:
            return None
        found = []
        for item in defers:
            source = self.sources.get(item.source)
            if source is None:
                continue
            source.epoch += 1
            giver = self._owned(item.lease, me)
            if giver is None or giver.given < item.number:
                self._give(item, giver, source)
            found.append(Deferred(item.task, None if giver is None else giver.capacity))
        return found

    def _give(self, item: Defer, giver: Lease | None, source: Source) -> None:
        made = item.row not in self.leases and not any(row.task == item.task for row in self.leases.values())
        if made:
            row = self._insert(Lease(item.row, source.id, None, 1, source.epoch, self._now()))
            row.busy_ms, row.in_flight, row.task = item.busy_ms, 1, item.task
        if giver is not None:
            giver.capacity = max(0, giver.capacity - made)
            giver.in_flight = max(0, giver.in_flight - made)
            giver.given = item.number

    # of anybody

    def answered(self, tasks: Sequence[str]) -> list[str]:
        rows = [row for row in self.leases.values() if row.task in tasks]
        for row in rows:
            del self.leases[row.id]
        return [cast(str, row.task) for row in rows]

    def pause(self, source: int, milliseconds: int) -> None:
        row = self.sources[source]
        row.pause_ms = milliseconds
        row.pause_seq += 1

    # of an observer

    def view(self, held: Sequence[Held], tasks: Sequence[str] = ()) -> View:
        era = self.era
        counts = dict.fromkeys(self.sessions_by_id, 0)
        dead = {s.id for s in self.sessions_by_id.values() if not s.alive or s.era != era}
        orphans, there = [], []
        for row in self.leases.values():
            session = row.session
            if session in counts:
                counts[session] += 1
            if session not in counts or session in dead:
                orphans.append(SeenLease(row.id, row.busy_ms, row.busy_seq))
            if row.task is not None and row.task in tasks:
                there.append(row.task)
        sessions = tuple(
            SeenSession(
                s.id,
                s.beat,
                s.ttl_ms,
                s.id not in dead,
                counts[s.id],
                s.node,
                s.leaving,
                s.unfit,
                s.wanting,
            )
            for s in self.sessions_by_id.values()
        )
        epochs = {item.source: item.epoch for item in held}
        sources = tuple(
            self._now_of(source, epochs.get(source.id))
            for source in self.sources.values()
            if source.id in epochs
            or (source.m is not None and source.enabled and not source.removed and source.type != ROLE)
        )
        return View(era or "", sessions, tuple(orphans), sources, self._flushed(), frozenset(there))

    def bury(self, session: str, beat: int) -> bool:
        found = self.sessions_by_id.get(session)
        if found is None or found.beat != beat or not found.alive:
            return False
        found.alive = False
        return True

    def forget(self, sessions: Sequence[str]) -> None:
        held = {row.session for row in self.leases.values()}
        for id in sessions:
            if id not in held and id in self.sessions_by_id and not self.sessions_by_id[id].alive:
                del self.sessions_by_id[id]

    def waited_out(self, leases: Sequence[SeenLease]) -> int:
        rows = list(self._as_seen(leases))
        for row, _ in rows:
            del self.leases[row.id]
        return len(rows)

    def write_back(self, rests: Sequence[tuple[SeenLease, int]]) -> None:
        left = dict(rests)
        for row, seen in self._as_seen(list(left)):
            row.busy_ms = left[seen]
            row.busy_seq += 1

    def rested(self, rests: Sequence[tuple[int, int, int]]) -> None:
        for source, seq, rest in rests:
            row = self.sources.get(source)
            if row is not None and row.pause_seq == seq:
                row.pause_ms = rest
                row.pause_seq += 1

    def role(self, name: str) -> int | None:
        found = (source.id for source in self.sources.values() if source.type == ROLE and source.name == name)
        id = next(found, None)
        return self.add_source(1, name=name, type=ROLE) if id is None else id

    def settle(self, deadlines: Sequence[tuple[int, int]]) -> None:
        for id, high in deadlines:
            source = self.sources.get(id)
            if source is not None and source.high_ms == high:
                source.settled_ms = high

    # for people

    def sessions(self) -> list[SessionRow]:
        rows = sorted(self.sessions_by_id.values(), key=lambda s: (s.node, s.opened_at))
        return [
            SessionRow(
                s.id,
                s.node,
                s.state_dir,
                s.version,
                s.beat,
                s.ttl_ms,
                s.alive and s.era == self.era,
                s.leaving,
                max(0.0, self._now() - s.opened_at),
            )
            for s in rows
        ]

    def audit(self, source: int) -> Audit | None:
        found = self.sources.get(source)
        if found is None:
            return None
        rows = sorted((row for row in self.leases.values() if row.source == source), key=lambda row: row.epoch)
        leases = tuple(
            AuditLease(
                self._node(row.session),
                row.capacity,
                row.in_flight,
                row.epoch,
                max(0.0, self._now() - row.granted_at),
                row.id,
            )
            for row in rows
        )
        return Audit(found.m, sum(lease.inflight for lease in leases), found.max_inflight, leases)

    def in_flight(self, without: str) -> dict[int, int]:
        found: dict[int, int] = {}
        for row in self.leases.values():
            if row.session != without:
                found[row.source] = found.get(row.source, 0) + row.in_flight
        return found

    def _flushed(self) -> int:
        return sum(source.epoch for source in self.sources.values())

    def _guard(self, me: Me) -> Session | None:
        session = self.sessions_by_id.get(me.session)
        if session is None or session.beat != me.beat or not session.alive or session.era != me.era:
            return None
        if self.era != me.era or self.era_server != self.server:
            return None
        session.beat += 1
        return session

    def _owned(self, lease: str, me: Me) -> Lease | None:
        row = self.leases.get(lease)
        return row if row is not None and row.session == me.session else None

    def _free(self, source: Source) -> int:
        new = self.total(NEW_SOURCES) if source.epoch == 0 else 0
        return (source.m or 0) - self.total(source.id) - new

    def _insert(self, row: Lease) -> Lease:
        self.leases[row.id] = row
        return row

    def _now_of(self, source: Source, epoch: int | None) -> SourceNow:
        total = ahead = 0
        for row in self.leases.values():
            if row.source == source.id:
                total += row.capacity
                if row.task is not None or (epoch is not None and row.epoch < epoch):
                    ahead += row.capacity
        return SourceNow(
            source.id,
            source.m or 0,
            source.enabled and not source.removed,
            total,
            ahead,
            source.high_ms,
            source.settled_ms,
            source.pause_ms,
            source.pause_seq,
            0 if source.type == ROLE or source.m is None else max(1, source.width or 1),
        )

    def _as_seen(self, leases: Sequence[SeenLease]) -> Iterator[tuple[Lease, SeenLease]]:
        for seen in leases:
            row = self.leases.get(seen.id)
            if row is not None and row.busy_seq == seen.busy_seq and not self.live(row.session):
                yield row, seen

    def _node(self, session: str | None) -> str:
        found = self.sessions_by_id.get(session or "")
        return "" if found is None else found.node


class Direct:
    """`Statements` over such rows: each answers at once."""

    def __init__(self, rows: LeaseRows) -> None:
        self._rows = rows

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._rows, name)

        async def call(*values: Any, **named: Any) -> Any:
            return method(*values, **named)

        return call


def _own(row: Lease) -> OwnLease:
    return OwnLease(row.id, row.source, row.capacity, row.epoch)


def direct(rows: LeaseRows) -> Statements:
    return cast(Statements, Direct(rows))
