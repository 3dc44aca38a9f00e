"""How a name that somebody gives finds its rows: with the project's prefix or without, and prefixes as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, and_, func, literal, or_, true

from maelstrom.model.errors import AmbiguousName, NotFound


def starts_with(column: ColumnElement[str], prefix: str | None) -> ColumnElement[bool]:
    """No LIKE: it has wildcards (`_` is in every full name) and ignores case on SQLite."""
    if not prefix:
        return true()
    return func.substr(column, 1, len(prefix)) == prefix


def has_prefix(table: Table, prefix: str | None) -> ColumnElement[bool]:
    """The name begins so, or the full name does and the whole of its project's prefix was given."""
    if not prefix:
        return true()
    prefix = prefix.lower()
    given = and_(func.length(table.c.project) < len(prefix), starts_with(table.c.full_name, prefix))
    return or_(starts_with(table.c.name, prefix), given)


def is_named(column: ColumnElement[str], project: ColumnElement[str], name: str) -> ColumnElement[bool]:
    """The name is that one, with its project's prefix or without."""
    return or_(column == name.lower(), project + literal("_") + column == name.lower())


def the_one(noun: str, name: str, rows: Sequence[Row[Any]]) -> Row[Any]:
    """Of the rows that `is_named` found: the one with that full name, else the only one.

    Raises NotFound, or AmbiguousName with the full names.
    """
    for row in rows:
        if row.full_name == name.lower():
            return row
    if not rows:
        raise NotFound(f"there is no {noun} {name[:100]!r}")
    if len(rows) > 1:
        candidates = sorted(row.full_name for row in rows)
        raise AmbiguousName(f"several projects have {noun} {name!r}: {', '.join(candidates)}", candidates=candidates)
    return rows[0]
