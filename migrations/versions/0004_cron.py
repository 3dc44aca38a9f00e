"""How far each cron source is planned, and the ledger of its runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cron_sources",
        sa.Column("source", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("schedule", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("anchor", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("pruned", sa.Text, nullable=False, server_default="[]"),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_cron_sources"),
    )
    _runs()


def _runs() -> None:
    op.create_table(
        "cron_runs",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("source", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("planned", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("node", sa.String, nullable=False),
        sa.Column("home", sa.String, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("promise_ms", sa.BigInteger, nullable=False),
        sa.Column("cancel", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("began_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("status", sa.Integer),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_cron_runs"),
    )
    planned, running = sa.text("kind = 'planned'"), sa.text("state = 'running'")
    op.create_index(
        "uq_cron_runs_planned",
        "cron_runs",
        ["source", "planned"],
        unique=True,
        postgresql_where=planned,
        sqlite_where=planned,
    )
    op.create_index("ix_cron_runs_source", "cron_runs", ["source", "began_at"])
    op.create_index("ix_cron_runs_began_at", "cron_runs", ["began_at"])
    op.create_index("ix_cron_runs_running", "cron_runs", ["source"], postgresql_where=running, sqlite_where=running)
