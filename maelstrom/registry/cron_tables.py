"""The tables of cron: how far each source is planned, and the ledger of its runs."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    String,
    Table,
    Text,
    false,
    text,
    true,
)

from maelstrom.registry.tables import metadata

# One row per source, by the id of its event_sources row. It is also the lock under which its runs are decided.
cron_sources = Table(
    "cron_sources",
    metadata,
    Column("source", BigInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    Column("schedule", Text, nullable=False),  # another one begins anew
    Column("active", Boolean, nullable=False, server_default=true()),
    Column("anchor", BigInteger, nullable=False),  # s since 1970, as all planned times: `@every` counts from here
    Column("since", BigInteger, nullable=False),  # nothing planned at or before it is made up for
    Column("pruned", Text, nullable=False, server_default="[]"),  # planned times whose runs are not kept: `cron_spans`
    Column("epoch", BigInteger, nullable=False),  # of the one who plans: older ones decide nothing any more
)

_PLANNED = text("kind = 'planned'")
_RUNNING = text("state = 'running'")

cron_runs = Table(
    "cron_runs",
    metadata,
    Column("id", String, primary_key=True),
    Column("source", BigInteger, nullable=False),
    Column("kind", String, nullable=False),  # planned, manual
    Column("planned", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("node", String, nullable=False),
    Column("home", String, nullable=False),  # the node's state directory: a former process of it is gone
    Column("owner", String, nullable=False),  # the process
    Column("attempt", Integer, nullable=False),
    Column("promise_ms", BigInteger, nullable=False),  # open no longer than that after the last change of the row
    Column("cancel", Boolean, nullable=False, server_default=false()),  # its owner is to end it
    Column("began_at", Double, nullable=False),  # for people, as all that follows
    Column("ended_at", Double),
    Column("status", Integer),
    Column("reason", Text, nullable=False, server_default=""),
    # A planned time becomes one run, whoever plans it.
    Index(
        "uq_cron_runs_planned",
        "source",
        "planned",
        unique=True,
        postgresql_where=_PLANNED,
        sqlite_where=_PLANNED,
    ),
    Index("ix_cron_runs_source", "source", "began_at"),
    Index("ix_cron_runs_began_at", "began_at"),
    Index("ix_cron_runs_running", "source", postgresql_where=_RUNNING, sqlite_where=_RUNNING),
)
