"""What stands in for work that goes on without a holder, in SQLite's words: tasks that are answered later, pauses, and
longer deadlines that are about to be allowed.

Plain functions over a synchronous connection inside one BEGIN IMMEDIATE.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from maelstrom.leases.sqlite_steps import NOW, guard, prepared
from maelstrom.leases.statements import Defer, Deferred, Me


def defer(db: Connection, me: Me, defers: Sequence[Defer]) -> list[Deferred] | None:
    if not guard(db, me):
        return None
    return [found for item in defers if (found := _defer(db, me, item)) is not None]


def _defer(db: Connection, me: Me, item: Defer) -> Deferred | None:
    values = asdict(item) | {"session": me.session}
    epoch = db.execute(
        prepared("update event_sources set epoch = epoch + 1 where id = :source returning epoch"), values
    ).scalar()
    if epoch is None:
        return None
    own = "select capacity from leases where id = :lease and session = :session"
    if db.execute(prepared(f"{own} and given >= :number"), values).scalar() is None:
        _give(db, values | {"epoch": epoch})
    return Deferred(item.task, db.execute(prepared(own), values).scalar())


def _give(db: Connection, values: dict[str, Any]) -> None:
    made = db.execute(
        prepared(
            "insert into leases (id, source, capacity, epoch, busy_ms, in_flight, granted_at, task)"
            f" values (:row, :source, 1, :epoch, :busy_ms, 1, {NOW}, :task) on conflict do nothing"
        ),
        values,
    )
    db.execute(
        prepared(
            "update leases set capacity = max(0, capacity - :made), in_flight = max(0, in_flight - :made),"
            " given = :number where id = :lease and session = :session"
        ),
        values | {"made": made.rowcount},
    )


def answered(db: Connection, tasks: Sequence[str]) -> list[str]:
    found = []
    for task in tasks:
        gone = db.execute(prepared("delete from leases where task = :task"), {"task": task})
        if gone.rowcount:
            found.append(task)
    return found


def there(db: Connection, tasks: Sequence[str]) -> frozenset[str]:
    rows = db.execute(
        prepared("select task from leases where task in (select value from json_each(:tasks))"),
        {"tasks": json.dumps(list(tasks))},
    )
    return frozenset(row.task for row in rows)


def pause(db: Connection, source: int, milliseconds: int) -> None:
    db.execute(
        prepared("update event_sources set pause_ms = :ms, pause_seq = pause_seq + 1 where id = :id"),
        {"id": source, "ms": milliseconds},
    )


def rested(db: Connection, rests: Sequence[tuple[int, int, int]]) -> None:
    for source, seq, rest in rests:
        db.execute(
            prepared(
                "update event_sources set pause_ms = :rest, pause_seq = pause_seq + 1"
                " where id = :id and pause_seq = :seq"
            ),
            {"id": source, "seq": seq, "rest": rest},
        )


def settle(db: Connection, deadlines: Sequence[tuple[int, int]]) -> None:
    for source, high in deadlines:
        db.execute(
            prepared("update event_sources set settled_ms = high_ms where id = :id and high_ms = :high"),
            {"id": source, "high": high},
        )
