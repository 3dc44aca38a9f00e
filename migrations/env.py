"""Alembic's way in: runs on the connection that `maelstrom/registry/migrate.py` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
    render_as_batch=True,  # SQLite alters a table by making it anew
)
context.run_migrations()
