"""The tables of the leases, on the registry's metadata. The statements over them are in `postgres` and `sqlite`.

Ids are random: a row that comes back with a restored database is never taken for another. No time in any row decides
anything; `opened_at` and `granted_at` are the database's own clock, for people.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    String,
    Table,
    Text,
    Uuid,
    false,
    text,
    true,
)

from maelstrom.registry.tables import metadata

# One row. A database that went back in time gets a new value: whatever was known under the old one is void.
era = Table(
    "era",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("val", Uuid, nullable=False),
    Column("server", String, nullable=False),  # system identifier and timeline of the server that the era began on
    CheckConstraint("id = 1", name="one_row"),
)

# One row per start of a process, and per new begin of one that was taken for dead.
sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("node", String, nullable=False),
    Column("state_dir", String, nullable=False),  # who has this directory has it alone: a former session of it is over
    Column("boot", String, nullable=False),
    Column("version", String, nullable=False),
    Column("era", Uuid, nullable=False),
    Column("beat", BigInteger, nullable=False, server_default=text("0")),  # rises with each statement of the session
    Column("ttl_ms", BigInteger, nullable=False),
    Column("alive", Boolean, nullable=False, server_default=true()),
    Column("leaving", Boolean, nullable=False, server_default=false()),
    Column("unfit", Text, nullable=False, server_default="[]"),  # JSON: ids of sources that it cannot work for now
    # JSON: ids of sources of which it has less than its share for a while, with nothing free
    Column("wanting", Text, nullable=False, server_default="[]"),
    Column("opened_at", Double, nullable=False),
    Index(
        "uq_sessions_node",
        "node",
        unique=True,
        postgresql_where=text("alive"),
        sqlite_where=text("alive"),
    ),
    postgresql_with={"fillfactor": 50},
)

# A row counts against its source's limit until it is deleted. `session` has no foreign key: rows outlive sessions.
leases = Table(
    "leases",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("source", BigInteger, nullable=False, index=True),
    Column("session", Uuid, index=True),  # NULL: nobody's, to be waited out
    Column("capacity", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    # No request admitted under the row is open later than busy_ms after the write that set it and raised busy_seq.
    Column("busy_ms", BigInteger, nullable=False, server_default=text("0")),
    Column("busy_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("in_flight", BigInteger, nullable=False, server_default=text("0")),  # as of the holder's last report
    Column("granted_at", Double, nullable=False),
    # Number of the last unit that it gave to a task: told again it gives nothing, also when the task's row is gone.
    Column("given", BigInteger, nullable=False, server_default=text("0")),
    Column("task", String),  # of work that is answered later: SHA-256 of its token; such a row is nobody's
    CheckConstraint("capacity >= 0", name="capacity"),
    Index(
        "uq_leases_task",
        "task",
        unique=True,
        postgresql_where=text("task is not null"),
        sqlite_where=text("task is not null"),
    ),
    postgresql_with={"fillfactor": 50},
)
