"""Work that is answered later, pauses of sources, settled deadlines, fair shares, and rows of named roles."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OLD_RULE = "ck_event_sources_component_unless_removed"
NEW_RULE = "ck_event_sources_component_unless_removed_or_role"

WIDTH = {
    "postgresql": "(definition::json ->> 'concurrencyperpoller')::integer",
    "sqlite": "json_extract(definition, '$.concurrencyperpoller')",
}


def upgrade() -> None:
    op.add_column("leases", sa.Column("task", sa.String))
    there = sa.text("task is not null")
    op.create_index("uq_leases_task", "leases", ["task"], unique=True, postgresql_where=there, sqlite_where=there)
    zero = sa.text("0")
    with op.batch_alter_table("event_sources", copy_from=_event_sources()) as batch:
        batch.add_column(sa.Column("width", sa.Integer))
        batch.add_column(sa.Column("pause_ms", sa.BigInteger, nullable=False, server_default=zero))
        batch.add_column(sa.Column("pause_seq", sa.BigInteger, nullable=False, server_default=zero))
        batch.add_column(sa.Column("settled_ms", sa.BigInteger, nullable=False, server_default=zero))
        batch.drop_constraint(OLD_RULE, type_="check")
        batch.create_check_constraint(NEW_RULE, "removed or component is not null or type = 'role'")
    op.execute("update event_sources set settled_ms = high_ms")
    op.execute(f"update event_sources set width = {WIDTH[op.get_context().dialect.name]} where m is not null")
    op.add_column("sessions", sa.Column("wanting", sa.Text, nullable=False, server_default="[]"))


def _event_sources() -> sa.Table:
    """As it is before: SQLite makes it anew, and would not find all of it by itself."""
    there = sa.text("not removed")
    return sa.Table(
        "event_sources",
        sa.MetaData(),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(always=True), nullable=False),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("full_name", sa.String, nullable=False),
        sa.Column("component", sa.String),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("removed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("modified_at", sa.Double, nullable=False),
        sa.Column("m", sa.Integer),
        sa.Column("epoch", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("rev", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("high_ms", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("max_inflight", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_event_sources"),
        sa.UniqueConstraint("project", "name", name="uq_event_sources_project_name"),
        sa.ForeignKeyConstraint(
            ["project", "component"],
            ["components.project", "components.name"],
            name="fk_event_sources_project_component",
        ),
        sa.CheckConstraint("removed or component is not null", name=OLD_RULE),
        sa.Index("ix_event_sources_component", "project", "component"),
        sa.Index("uq_event_sources_full_name", "full_name", unique=True, postgresql_where=there, sqlite_where=there),
        sqlite_autoincrement=True,
    )
