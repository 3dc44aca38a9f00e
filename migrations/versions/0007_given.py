"""The last unit of a lease that went to a task which is answered later."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("leases", sa.Column("given", sa.BigInteger, nullable=False, server_default=sa.text("0")))
