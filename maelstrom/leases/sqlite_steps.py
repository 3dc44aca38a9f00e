"""The statements in SQLite's words: plain functions over a synchronous connection inside one BEGIN IMMEDIATE.

The guard comes first. There is one writer at a time: what a step reads is what is there.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, text

from maelstrom.leases.statements import (
    ALL_CAPACITY,
    NEW_SOURCES,
    Confirmed,
    Ground,
    Me,
    NewSession,
    OwnLease,
    Want,
    Word,
    blocking_ms,
    no_era,
)
from maelstrom.leases.term import Ask, Note
from maelstrom.leases.watch import SeenLease
from maelstrom.registry.tables import ROLE

prepared = functools.cache(text)  # parsed once

SERVER = "sqlite"  # a file has no identity that a copy would not have
FLUSHED = "(select coalesce(sum(epoch), 0) from event_sources)"  # what matters of its log: the grants
NOW = "(julianday('now') - 2440587.5) * 86400.0"
LIVE = "exists (select 1 from sessions s, era e where s.id = l.session and s.alive and s.era = e.val)"
DEAD_LEASE = f"id = :id and busy_seq = :seq and id in (select l.id from leases l where not {LIVE})"


def own_lease(row: Row[Any]) -> OwnLease:
    return OwnLease(row.id, row.source, row.capacity, row.epoch)


def guard(db: Connection, me: Me, *, leaving: bool = False, ending: bool = False) -> bool:
    """Whether the sender may: then the session's beat is one higher."""
    found = db.execute(
        prepared(
            "update sessions set beat = beat + 1, leaving = leaving or :leaving, alive = not :ending"
            " where id = :session and beat = :beat and alive and era = :era"
            " and exists (select 1 from era where val = :era and server = :server)"
        ),
        asdict(me) | {"leaving": leaving, "ending": ending, "server": SERVER},
    )
    return found.rowcount == 1


def ground(db: Connection) -> Ground:
    row = db.execute(prepared(f"select val, server, {FLUSHED} flushed from era")).first()
    if row is None:
        raise no_era()
    return Ground(row.val, row.server == SERVER, durable=True, writable=True, server=SERVER, flushed=row.flushed)


def raise_era(db: Connection, seen: str, ttl_ms: int, lost: bool = True) -> None:
    raised = db.execute(
        prepared("update era set val = :val, server = :server where val = :seen"), _new_era() | {"seen": seen}
    )
    if not raised.rowcount:
        return
    db.execute(prepared("update event_sources set epoch = epoch + 1"))
    longest_ttl = db.execute(
        prepared("select max(:ttl_ms, coalesce(max(ttl_ms), 0)) from sessions"), {"ttl_ms": ttl_ms}
    )
    high_ms = {row.id: row.high_ms for row in db.execute(prepared("select id, high_ms from event_sources"))}
    for source, busy in blocking_ms(high_ms, longest_ttl.scalar_one(), lost=lost).items():
        db.execute(
            prepared(
                "insert into leases (id, source, capacity, epoch, busy_ms, granted_at) values (:id, :source, :capacity,"
                f" coalesce((select epoch from event_sources where id = :source), 0), :busy, {NOW})"
            ),
            {"id": uuid4().hex, "source": source, "capacity": ALL_CAPACITY, "busy": busy},
        )
    db.execute(prepared("update sessions set alive = 0 where alive"))


def open_session(db: Connection, new: NewSession, era: str) -> bool:
    db.execute(
        prepared(
            "update sessions set alive = 0 where alive and (state_dir = :dir or era <> :era)"
            " and exists (select 1 from era where val = :era)"
        ),
        {"dir": new.state_dir, "era": era},
    )
    opened = db.execute(
        prepared(
            "insert or ignore into sessions (id, node, state_dir, boot, version, era, ttl_ms, unfit, opened_at)"
            f" select :id, :node, :state_dir, :boot, :version, val, :ttl_ms, '*', {NOW} from era"
            " where val = :era and server = :server"
        ),
        asdict(new) | {"era": era, "server": SERVER},
    )
    return opened.rowcount == 1


def beat(db: Connection, me: Me, notes: Sequence[Note], leaving: bool, word: Word | None = None) -> list[int] | None:
    if not guard(db, me, leaving=leaving):
        return None
    if word is not None:
        db.execute(
            prepared("update sessions set unfit = :unfit, wanting = :wanting where id = :id"),
            asdict(word) | {"id": me.session},
        )
    for note in notes:
        values = asdict(note) | {"session": me.session}
        db.execute(
            prepared("update leases set in_flight = :in_flight where id = :lease and session = :session"), values
        )
        db.execute(
            prepared(
                "update event_sources set max_inflight = max(max_inflight, :peak + coalesce("
                "(select sum(in_flight) from leases where source = :source and id <> :lease), 0)) where id = :source"
            ),
            values,
        )
    return []


def grant(db: Connection, me: Me, wants: Sequence[Want]) -> list[OwnLease] | None:
    if not guard(db, me):
        return None
    granted = []
    for want in wants:
        values = asdict(want) | {"session": me.session, "new": NEW_SOURCES}
        free = db.execute(
            prepared(
                "select min(:capacity, s.m - coalesce((select sum(capacity) from leases where source = s.id"
                " or (source = :new and s.epoch = 0)), 0)) from event_sources s where s.id = :source and not s.removed"
            ),
            values,
        ).scalar()
        if not free or free < 0:
            continue
        db.execute(prepared("update event_sources set epoch = epoch + 1 where id = :source"), values)
        row = db.execute(
            prepared(
                "insert into leases (id, source, session, capacity, epoch, granted_at)"
                f" select :lease, id, :session, :free, epoch, {NOW} from event_sources where id = :source"
                " on conflict (id) do update set capacity = capacity + excluded.capacity"
                " where leases.session = excluded.session returning id, source, capacity, epoch"
            ),
            values | {"free": free},
        ).first()
        if row is not None:
            granted.append(own_lease(row))
    return granted


def ask(db: Connection, me: Me, asks: Sequence[Ask]) -> list[Confirmed] | None:
    if not guard(db, me):
        return None
    told = json.dumps([(item.lease, item.busy_ms, item.capacity, item.in_flight) for item in asks])
    rows = db.execute(
        prepared(
            "with w as materialized (select json_extract(value, '$[0]') lease, json_extract(value, '$[1]') busy,"
            " json_extract(value, '$[2]') c, json_extract(value, '$[3]') n from json_each(:told))"
            " update leases set busy_ms = coalesce(w.busy, busy_ms), busy_seq = busy_seq + (w.busy is not null),"
            " capacity = min(capacity, coalesce(w.c, capacity)), in_flight = w.n"
            " from w where leases.id = w.lease and leases.session = :session"
            " returning leases.id, leases.source, leases.capacity"
        ),
        {"told": told, "session": me.session},
    ).all()
    given = db.execute(
        prepared(
            "select s.id, coalesce(s.m, 0) m, coalesce((select sum(capacity) from leases where source = s.id), 0) total"
            " from json_each(:sources) x join event_sources s on s.id = x.value"
        ),
        {"sources": json.dumps([row.source for row in rows])},
    )
    by_source = {source.id: source for source in given}
    return [
        Confirmed(row.id, row.capacity, source.m, source.total <= source.m)
        for row in rows
        if (source := by_source.get(row.source)) is not None
    ]


def release(db: Connection, me: Me, leases: Sequence[str], end: bool) -> bool | None:
    if not guard(db, me, ending=end):
        return None
    for lease in leases:
        db.execute(
            prepared("delete from leases where id = :id and session = :session"), {"id": lease, "session": me.session}
        )
    return True


def adopt(db: Connection, me: Me, formers: Sequence[str], busy_ms: dict[int, int]) -> bool | None:
    if not guard(db, me):
        return None
    for former in formers:
        rows = db.execute(prepared("select id, source from leases where session = :id"), {"id": former}).all()
        for row in rows:
            db.execute(
                prepared(
                    "update leases set session = :session, busy_ms = :busy, busy_seq = busy_seq + 1 where id = :id"
                ),
                {"session": me.session, "busy": busy_ms.get(row.source, 0), "id": row.id},
            )
    return True


def bury(db: Connection, session: str, beat: int) -> bool:
    buried = db.execute(
        prepared("update sessions set alive = 0 where id = :id and beat = :beat and alive"),
        {"id": session, "beat": beat},
    )
    return buried.rowcount == 1


def forget(db: Connection, sessions: Sequence[str]) -> None:
    for session in sessions:
        db.execute(
            prepared(
                "delete from sessions where id = :id and not alive"
                " and not exists (select 1 from leases where session = :id)"
            ),
            {"id": session},
        )


def waited_out(db: Connection, leases: Sequence[SeenLease]) -> int:
    gone = 0
    for lease in leases:
        values = {"id": lease.id, "seq": lease.busy_seq}
        gone += db.execute(prepared(f"delete from leases where {DEAD_LEASE}"), values).rowcount
    return gone


def write_back(db: Connection, rests: Sequence[tuple[SeenLease, int]]) -> None:
    for lease, rest in rests:
        db.execute(
            prepared(f"update leases set busy_ms = :rest, busy_seq = busy_seq + 1 where {DEAD_LEASE}"),
            {"id": lease.id, "seq": lease.busy_seq, "rest": rest},
        )


def role(db: Connection, name: str) -> int | None:
    db.execute(
        prepared(
            "insert into event_sources (project, name, full_name, type, definition, version, modified_at, m)"
            f" values ('', :name, '_' || :name, '{ROLE}', '{{}}', 1, {NOW}, 1) on conflict do nothing"
        ),
        {"name": name},
    )
    found = db.execute(prepared("select id from event_sources where project = '' and name = :name"), {"name": name})
    return int(found.scalar_one())


def _new_era() -> dict[str, str]:
    return {"val": uuid4().hex, "server": SERVER}
