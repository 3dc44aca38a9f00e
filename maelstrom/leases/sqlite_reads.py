"""What is read of sessions and leases on SQLite: plain functions over a synchronous connection in one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from maelstrom.leases.sqlite_steps import FLUSHED, LIVE, NOW, own_lease, prepared
from maelstrom.leases.sqlite_tasks import there
from maelstrom.leases.statements import Audit, AuditLease, Held, Own, SessionRow, SourceNow, View
from maelstrom.leases.watch import SeenLease, SeenSession
from maelstrom.registry.tables import ROLE


def own(db: Connection, session: str) -> Own | None:
    row = db.execute(
        prepared("select s.beat, s.alive and s.era = e.val live from sessions s, era e where s.id = :session"),
        {"session": session},
    ).first()
    if row is None:
        return None
    leases = db.execute(prepared("select id, source, capacity, epoch from leases where session = :id"), {"id": session})
    return Own(row.beat, bool(row.live), tuple(own_lease(found) for found in leases))


def view(db: Connection, held: Sequence[Held], tasks: Sequence[str] = ()) -> View:
    sessions = db.execute(
        prepared(
            "select s.id, s.beat, s.ttl_ms, s.alive and s.era = e.val live, s.node, s.leaving, s.unfit, s.wanting,"
            " (select count(*) from leases l where l.session = s.id) leases from sessions s, era e"
        )
    ).all()
    orphans = db.execute(prepared(f"select l.id, l.busy_ms, l.busy_seq from leases l where not {LIVE}")).all()
    sources = db.execute(
        prepared(
            "with held as materialized"
            " (select json_extract(value, '$[0]') id, json_extract(value, '$[1]') epoch from json_each(:held)),"
            " wanted as (select id, epoch from held union all select s.id, null from event_sources s"
            f" where s.m is not null and s.enabled and not s.removed and s.type <> '{ROLE}'"
            " and s.id not in (select id from held))"
            " select s.id, coalesce(s.m, 0) m, s.enabled and not s.removed works,"
            " coalesce(sum(l.capacity), 0) total,"
            " coalesce(sum(l.capacity) filter (where l.epoch < h.epoch or l.task is not null), 0)"
            " ahead, s.high_ms, s.settled_ms, s.pause_ms, s.pause_seq,"
            f" case when s.type = '{ROLE}' or s.m is null then 0 else max(1, coalesce(s.width, 1)) end width"
            " from wanted h join event_sources s on s.id = h.id left join leases l on l.source = s.id group by s.id"
        ),
        {"held": json.dumps([(item.source, item.epoch) for item in held])},
    ).all()
    era = db.execute(prepared(f"select val, {FLUSHED} flushed from era")).first()
    return View(
        era.val if era is not None else "",
        tuple(
            SeenSession(s.id, s.beat, s.ttl_ms, bool(s.live), s.leases, s.node, bool(s.leaving), s.unfit, s.wanting)
            for s in sessions
        ),
        tuple(SeenLease(row.id, row.busy_ms, row.busy_seq) for row in orphans),
        tuple(_source(row) for row in sources),
        era.flushed if era is not None else 0,
        there(db, tasks) if tasks else frozenset(),
    )


def _source(s: Row[Any]) -> SourceNow:
    deadlines, pause = (s.high_ms, s.settled_ms), (s.pause_ms, s.pause_seq)
    return SourceNow(s.id, s.m, bool(s.works), s.total, s.ahead, *deadlines, *pause, s.width)


def session_rows(db: Connection) -> list[SessionRow]:
    rows = db.execute(
        prepared(
            "select s.id, s.node, s.state_dir, s.version, s.beat, s.ttl_ms, s.alive and s.era = e.val live, s.leaving,"
            f" max(0, {NOW} - s.opened_at) age from sessions s, era e order by s.node, s.opened_at"
        )
    )
    return [
        SessionRow(
            row.id,
            row.node,
            row.state_dir,
            row.version,
            row.beat,
            row.ttl_ms,
            bool(row.live),
            bool(row.leaving),
            row.age,
        )
        for row in rows
    ]


def audit(db: Connection, source: int) -> Audit | None:
    head = db.execute(prepared("select m, max_inflight from event_sources where id = :id"), {"id": source}).first()
    if head is None:
        return None
    rows = db.execute(
        prepared(
            "select l.id, coalesce(s.node, '') node, l.capacity, l.in_flight, l.epoch, "
            f" max(0, {NOW} - l.granted_at) age"
            " from leases l left join sessions s on s.id = l.session where l.source = :id order by l.epoch"
        ),
        {"id": source},
    )
    leases = tuple(AuditLease(row.node, row.capacity, row.in_flight, row.epoch, row.age, row.id) for row in rows)
    return Audit(head.m, sum(lease.inflight for lease in leases), head.max_inflight, leases)


def in_flight(db: Connection, without: str) -> dict[int, int]:
    rows = db.execute(
        prepared("select source, sum(in_flight) n from leases where session is not :session group by source"),
        {"session": without},
    )
    return {row.source: row.n for row in rows}
