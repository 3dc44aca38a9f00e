"""Sessions of nodes, their leases, and the era of the database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Who the server is: a copy has the same identity, but a promoted one goes on in another timeline.
SERVER = {
    "postgresql": "(select system_identifier::text from pg_control_system())"
    " || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8)",
    "sqlite": "'sqlite'",
}
RANDOM_ID = {"postgresql": "gen_random_uuid()", "sqlite": "lower(hex(randomblob(16)))"}

# Rows that change with every beat find room for their next version on the same page.
ROOM = {"postgresql_with": {"fillfactor": 50}}


def upgrade() -> None:
    op.create_table(
        "era",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("val", sa.Uuid, nullable=False),
        sa.Column("server", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_era"),
        sa.CheckConstraint("id = 1", name="ck_era_one_row"),
    )
    # The first era begins with the tables, so that whoever finds them without one knows that they are not new.
    dialect = op.get_context().dialect.name
    op.execute(f"insert into era (id, val, server) values (1, {RANDOM_ID[dialect]}, {SERVER[dialect]})")
    _sessions()
    _leases()


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("node", sa.String, nullable=False),
        sa.Column("state_dir", sa.String, nullable=False),
        sa.Column("boot", sa.String, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("era", sa.Uuid, nullable=False),
        sa.Column("beat", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("ttl_ms", sa.BigInteger, nullable=False),
        sa.Column("alive", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("leaving", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("unfit", sa.Text, nullable=False, server_default="[]"),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        **ROOM,
    )
    alive = sa.text("alive")
    op.create_index("uq_sessions_node", "sessions", ["node"], unique=True, postgresql_where=alive, sqlite_where=alive)


def _leases() -> None:
    op.create_table(
        "leases",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("source", sa.BigInteger, nullable=False),
        sa.Column("session", sa.Uuid),
        sa.Column("capacity", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("busy_ms", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("busy_seq", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("in_flight", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("granted_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_leases"),
        sa.CheckConstraint("capacity >= 0", name="ck_leases_capacity"),
        **ROOM,
    )
    op.create_index("ix_leases_source", "leases", ["source"])
    op.create_index("ix_leases_session", "leases", ["session"])
