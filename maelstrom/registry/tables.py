"""The tables, as SQLAlchemy sees them. What they look like in a database is made by migrations/, step by step.

`leases` adds its own tables to the same `metadata`. Names are lower case and without the project's prefix; `full_name`
has it, so that the database itself refuses two projects with one full name. Definitions are JSON text.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ROLE = "role"  # the type of rows that are no sources: what one process of the cluster does at a time; never shown
SETTLED_AT_FIRST_MS = 300_000  # of a new source's longest deadline so much may be used at once

RowId = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER counts up by itself there

meta = Table(
    "meta",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # Rises with each committed change: who has seen it has seen all before it. Its row is also the writers' lock.
    Column("revision", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("id = 1", name="one_row"),
)

projects = Table(
    "projects",
    metadata,
    Column("name", String, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("modified_at", Double, nullable=False),  # s since 1970, for people
    Column("author", String, nullable=False, server_default=""),
    Column("answers", Text),  # what it says of its answers, JSON; NULL: nothing
)

components = Table(
    "components",
    metadata,
    Column("project", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("full_name", String, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False, server_default=text("0")),
    Column("definition", Text, nullable=False),
    Column("modified_at", Double, nullable=False),
    UniqueConstraint("full_name"),
    ForeignKeyConstraint(["project"], ["projects.name"]),
)

event_sources = Table(
    "event_sources",
    metadata,
    Column("id", RowId, Identity(always=True), primary_key=True),  # the key of its leases, never used twice
    Column("project", String, nullable=False),
    Column("name", String, nullable=False),
    Column("full_name", String, nullable=False),
    Column("component", String),  # NULL once removed
    Column("type", String, nullable=False),
    Column("definition", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=true()),
    # A removed source stays, unseen, until its leases are gone; a put of the same name takes the row up again.
    Column("removed", Boolean, nullable=False, server_default=false()),
    Column("modified_at", Double, nullable=False),
    # What the leases go by.
    Column("m", Integer),  # the limit over the cluster; NULL: not polled
    Column("width", Integer),  # of one of its pollers, for fair shares; NULL: 1
    Column("epoch", BigInteger, nullable=False, server_default=text("0")),  # rises with each grant
    Column(
        "rev", BigInteger, nullable=False, server_default=text("0")
    ),  # rises with each change that holders must learn
    Column("high_ms", BigInteger, nullable=False, server_default=text("0")),  # the longest deadline ever allowed
    Column("max_inflight", BigInteger, nullable=False, server_default=text("0")),
    # Polls rest for pause_ms from when an observer first sees this pause_seq.
    Column("pause_ms", BigInteger, nullable=False, server_default=text("0")),
    Column("pause_seq", BigInteger, nullable=False, server_default=text("0")),
    # The longest deadline that may be used: that of commits which cannot be lost any more, never above high_ms.
    Column("settled_ms", BigInteger, nullable=False, server_default=text("0")),
    UniqueConstraint("project", "name"),
    ForeignKeyConstraint(["project", "component"], ["components.project", "components.name"]),
    CheckConstraint(f"removed or component is not null or type = '{ROLE}'", name="component_unless_removed_or_role"),
    Index("ix_event_sources_component", "project", "component"),
    Index(
        "uq_event_sources_full_name",
        "full_name",
        unique=True,
        postgresql_where=text("not removed"),
        sqlite_where=text("not removed"),
    ),
    sqlite_autoincrement=True,
)

revisions = Table(
    "revisions",
    metadata,
    Column("project", String, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("author", String, nullable=False),
    Column("definition", Text),  # NULL: the project was removed
    # The last version of each component there ever was: a version never comes back with another definition.
    Column("versions", Text, nullable=False),
)

node_reports = Table(
    "node_reports",
    metadata,
    Column("node", String, primary_key=True),
    Column("session", String, nullable=False),
    Column("version", String, nullable=False),
    Column("seq", BigInteger, nullable=False),  # rises with each report: whether a node still reports, without clocks
    Column("at", Double, nullable=False),
    Column("report", Text, nullable=False),
)
