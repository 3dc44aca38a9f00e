"""Components: listed, found by name, restarted. Functions over a connection; the transaction is the caller's."""

from __future__ import annotations

from sqlalchemy import select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from maelstrom.model.component import Component, ComponentKey
from maelstrom.model.errors import MaelstromError, NotFound
from maelstrom.registry.changes import announce, lock
from maelstrom.registry.names import has_prefix, is_named, the_one
from maelstrom.registry.records import component_of
from maelstrom.registry.tables import components


async def listed(connection: AsyncConnection, project: str | None, prefix: str | None) -> list[Component]:
    """By project and name; what cannot be read is left out."""
    of_project = components.c.project == project.lower() if project else true()
    rows = await connection.execute(select(components).where(of_project, has_prefix(components, prefix)))
    found = [component for row in rows if (component := component_of(row)) is not None]
    return sorted(found, key=lambda component: component.key)


async def found(connection: AsyncConnection, name: str, project: str | None) -> Component:
    """Raises NotFound, AmbiguousName."""
    of_project = components.c.project == project.lower() if project else true()
    named = is_named(components.c.name, components.c.project, name)
    rows = (await connection.execute(select(components).where(of_project, named))).all()
    row = the_one("component", name, rows)
    return _readable(component_of(row), ComponentKey(row.project, row.name))


async def restart(connection: AsyncConnection, key: ComponentKey) -> Component:
    """The next generation: all its containers are replaced. Raises NotFound."""
    await lock(connection)
    this = components.c.project == key.project, components.c.name == key.name
    statement = update(components).where(*this).values(generation=components.c.generation + 1)
    row = (await connection.execute(statement.returning(*components.c))).first()
    if row is None:
        raise NotFound(f"there is no component {key.full_name!r}")
    await announce(connection)
    return _readable(component_of(row), key)


def _readable(component: Component | None, key: ComponentKey) -> Component:
    if component is None:
        raise MaelstromError(
            f"what is stored of component {key.full_name} cannot be read", hint="put its project again"
        )
    return component
