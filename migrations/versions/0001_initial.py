"""Projects, components, event sources, their history, and what nodes report."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    meta = op.create_table(
        "meta",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("revision", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_meta"),
        sa.CheckConstraint("id = 1", name="ck_meta_one_row"),
    )
    op.bulk_insert(meta, [{"id": 1, "revision": 0}])
    _projects_and_components()
    _event_sources()
    _history_and_reports()


def _projects_and_components() -> None:
    op.create_table(
        "projects",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("modified_at", sa.Double, nullable=False),
        sa.Column("author", sa.String, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("name", name="pk_projects"),
    )
    op.create_table(
        "components",
        sa.Column("project", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("full_name", sa.String, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("modified_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("project", "name", name="pk_components"),
        sa.UniqueConstraint("full_name", name="uq_components_full_name"),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name="fk_components_project"),
    )


def _event_sources() -> None:
    op.create_table(
        "event_sources",
        sa.Column("id", ROW_ID, sa.Identity(always=True), nullable=False),
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
        sa.CheckConstraint("removed or component is not null", name="ck_event_sources_component_unless_removed"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_sources_component", "event_sources", ["project", "component"])
    op.create_index(
        "uq_event_sources_full_name",
        "event_sources",
        ["full_name"],
        unique=True,
        postgresql_where=sa.text("not removed"),
        sqlite_where=sa.text("not removed"),
    )


def _history_and_reports() -> None:
    op.create_table(
        "revisions",
        sa.Column("project", sa.String, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("definition", sa.Text),
        sa.Column("versions", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("project", "number", name="pk_revisions"),
    )
    op.create_table(
        "node_reports",
        sa.Column("node", sa.String, nullable=False),
        sa.Column("session", sa.String, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("node", name="pk_node_reports"),
    )
