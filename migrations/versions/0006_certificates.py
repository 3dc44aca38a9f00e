"""Automatic certificates: the account they are ordered by, what hosts have, and what authorities ask meanwhile."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "acme_accounts",
        sa.Column("directory", sa.String, nullable=False),
        sa.Column("email", sa.String, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("uri", sa.String, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("directory", name="pk_acme_accounts"),
    )
    op.create_table(
        "certificates",
        sa.Column("host", sa.String, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("chain", sa.Text, nullable=False, server_default=""),
        sa.Column("key", sa.Text, nullable=False, server_default=""),
        sa.Column("not_after", sa.Double, nullable=False, server_default=sa.text("0")),
        sa.Column("renew_at", sa.Double, nullable=False, server_default=sa.text("0")),
        sa.Column("failures", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("retry_at", sa.Double, nullable=False, server_default=sa.text("0")),
        sa.Column("error", sa.Text, nullable=False, server_default=""),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("host", name="pk_certificates"),
    )
    op.create_table(
        "acme_challenges",
        sa.Column("token", sa.String, nullable=False),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("token", name="pk_acme_challenges"),
    )
