"""Projects: put, removed, read, and their history. Functions over a connection; the transaction is the caller's.

A put or removal first takes the writers' lock (`changes.lock`), so that two of them never see the same state; the rows
of sources are then locked in the order of their ids, as the leases do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from maelstrom.model.errors import Conflict, MaelstromError, NotFound
from maelstrom.model.project import ProjectDefinition, PutResult
from maelstrom.model.project_answers import ProjectAnswers
from maelstrom.model.stored import ProjectSummary, Revision, StoredProject
from maelstrom.registry.changes import announce, lock
from maelstrom.registry.difference import Difference, changed_fields, difference
from maelstrom.registry.names import starts_with
from maelstrom.registry.records import Unreadable, answers_of, definition_of, text_of
from maelstrom.registry.removed import prune
from maelstrom.registry.tables import components, event_sources, projects, revisions

KEPT_REVISIONS = 500  # of each project

_AT_ONCE = 400  # names in one statement: below every database's limit of parameters


async def put(
    connection: AsyncConnection,
    project: ProjectDefinition,
    *,
    expected_revision: int | None,
    diff_only: bool,
    author: str,
    now: float,
) -> PutResult:
    """Raises Conflict: stale `expected_revision`, or a full name of another project's."""
    if not diff_only:
        await lock(connection)
    name = project.name
    current = await _current_revision(connection, name)
    _check_expected(name, expected_revision, current)
    await _refuse_taken(connection, components, name, project.components)
    await _refuse_taken(connection, event_sources, name, _source_names(project))
    number, versions = await _last(connection, name)
    found = await _difference(connection, name, project, versions)
    fields = changed_fields(await _answers(connection, name), project.answers)
    if diff_only or not (found or fields):
        return PutResult(name, current, found.components, found.eventsources, fields)
    stored = {"name": name, "revision": number + 1, "modified_at": now, "author": author}
    stored["answers"] = text_of(project.answers) if project.answers else None
    if current:
        await connection.execute(update(projects).where(projects.c.name == name).values(stored))
    else:
        await connection.execute(insert(projects).values(stored))
    await _apply(connection, name, found, now)
    await _record(connection, name, number + 1, versions, found, text_of(project), author, now)
    await announce(connection)
    return PutResult(name, number + 1, found.components, found.eventsources, fields)


async def remove(
    connection: AsyncConnection, name: str, *, expected_revision: int | None, author: str, now: float
) -> PutResult:
    """The history stays. Raises NotFound, Conflict."""
    await lock(connection)
    current = await _current_revision(connection, name)
    if not current:
        raise _unknown(name)
    _check_expected(name, expected_revision, current)
    number, versions = await _last(connection, name)
    found = await _difference(connection, name, None, versions)
    await _apply(connection, name, found, now)
    await connection.execute(delete(projects).where(projects.c.name == name))
    await _record(connection, name, number + 1, versions, found, None, author, now)
    await announce(connection)
    return PutResult(name, number + 1, found.components, found.eventsources)


async def get(connection: AsyncConnection, name: str) -> StoredProject:
    """Raises NotFound."""
    row = (await connection.execute(select(projects).where(projects.c.name == name))).first()
    if row is None:
        raise _unknown(name)
    return await at_revision(connection, name, row.revision)


async def at_revision(connection: AsyncConnection, name: str, number: int) -> StoredProject:
    """As it was then. Raises NotFound: no such revision, or it was the removal, or too long ago."""
    query = select(revisions).where(revisions.c.project == name, revisions.c.number == number)
    row = (await connection.execute(query)).first()
    if row is None or row.definition is None:
        raise NotFound(f"there is no revision {number} of project {name}", hint="see the project's history")
    try:
        definition = definition_of(ProjectDefinition, row.definition)
    except Unreadable as error:
        raise MaelstromError(f"revision {number} of project {name} cannot be read: {error}") from error
    return StoredProject(name, number, definition, row.at, row.author)


async def summaries(connection: AsyncConnection, prefix: str) -> list[ProjectSummary]:
    """By name."""
    of_components = _count(components, components.c.project == projects.c.name)
    of_sources = _count(event_sources, event_sources.c.project == projects.c.name, ~event_sources.c.removed)
    query = select(projects, of_components.label("components"), of_sources.label("eventsources"))
    rows = await connection.execute(query.where(starts_with(projects.c.name, prefix)))
    found = [ProjectSummary(row.name, row.revision, row.components, row.eventsources, row.modified_at) for row in rows]
    return sorted(found, key=lambda summary: summary.name)


async def history(connection: AsyncConnection, name: str) -> list[Revision]:
    """Newest first, also of a project that is removed. Raises NotFound if there never was one."""
    columns = (
        revisions.c.number,
        revisions.c.at,
        revisions.c.author,
        revisions.c.definition.is_(None).label("removed"),
    )
    query = select(*columns).where(revisions.c.project == name).order_by(revisions.c.number.desc())
    found = [Revision(row.number, row.at, row.author, bool(row.removed)) for row in await connection.execute(query)]
    if not found:
        raise _unknown(name)
    return found


async def _current_revision(connection: AsyncConnection, name: str) -> int:
    found = (await connection.execute(select(projects.c.revision).where(projects.c.name == name))).scalar()
    return 0 if found is None else int(found)


async def _answers(connection: AsyncConnection, name: str) -> ProjectAnswers:
    text = (await connection.execute(select(projects.c.answers).where(projects.c.name == name))).scalar()
    return ProjectAnswers() if text is None else answers_of(name, text)


async def everybodys_answers(connection: AsyncConnection) -> dict[str, ProjectAnswers]:
    """By project; those that say nothing are not among them."""
    query = select(projects.c.name, projects.c.answers).where(projects.c.answers.is_not(None))
    return {row.name: answers_of(row.name, row.answers) for row in await connection.execute(query)}


async def _last(connection: AsyncConnection, name: str) -> tuple[int, dict[str, int]]:
    """The last revision's number and the last version of each component ever; revisions outlive the project."""
    query = select(revisions.c.number, revisions.c.versions).where(revisions.c.project == name)
    row = (await connection.execute(query.order_by(revisions.c.number.desc()).limit(1))).first()
    return (0, {}) if row is None else (row.number, json.loads(row.versions))


async def _difference(
    connection: AsyncConnection, name: str, put: ProjectDefinition | None, versions: dict[str, int]
) -> Difference:
    stored = (await connection.execute(select(components).where(components.c.project == name))).all()
    sources = (await connection.execute(select(event_sources).where(event_sources.c.project == name))).all()
    return difference(name, put, stored, sources, versions)


async def _apply(connection: AsyncConnection, name: str, found: Difference, now: float) -> None:
    """Components before the sources that point to them, and after those that did."""
    if found.insert_components:
        await connection.execute(insert(components), [row | {"modified_at": now} for row in found.insert_components])
    if found.update_components:
        that = components.c.project == name, components.c.name == bindparam("key")
        changed = [{**row, "modified_at": now} for row in found.update_components]
        await connection.execute(update(components).where(*that), changed)
    if found.update_sources:
        statement = update(event_sources).where(event_sources.c.id == bindparam("key"))
        moved = [{**row, "modified_at": now} for row in found.update_sources]
        await connection.execute(statement.values(rev=event_sources.c.rev + 1), moved)
    if found.insert_sources:
        await connection.execute(insert(event_sources), [row | {"modified_at": now} for row in found.insert_sources])
    for names in _portions(found.components.removed):
        of_them = components.c.project == name, components.c.name.in_(names)
        await connection.execute(delete(components).where(*of_them))


async def _record(
    connection: AsyncConnection,
    name: str,
    number: int,
    versions: dict[str, int],
    found: Difference,
    definition: str | None,
    author: str,
    now: float,
) -> None:
    added = {row["name"]: row["version"] for row in found.insert_components}
    updated = {row["key"]: row["version"] for row in found.update_components}
    last = json.dumps(versions | added | updated)
    values = {
        "project": name,
        "number": number,
        "at": now,
        "author": author,
        "definition": definition,
        "versions": last,
    }
    await connection.execute(insert(revisions).values(values))
    too_old = revisions.c.project == name, revisions.c.number <= number - KEPT_REVISIONS
    await connection.execute(delete(revisions).where(*too_old))
    await prune(connection, now)


def _check_expected(name: str, expected: int | None, current: int) -> None:
    if expected is not None and expected != current:
        state = f"is at revision {current}" if current else "does not exist"
        raise Conflict(f"project {name} {state}, not at {expected}", project=name, revision=current)


async def _refuse_taken(connection: AsyncConnection, table: Table, project: str, names: Iterable[str]) -> None:
    """Two projects may give the same full name: `a` + `b_c` and `a_b` + `c`."""
    noun = "component" if table is components else "event source"
    full_names = [f"{project}_{name}" for name in names]
    for some in _portions(full_names):
        query = select(table.c.project, table.c.name, table.c.full_name)
        query = query.where(table.c.full_name.in_(some), table.c.project != project)
        if table is event_sources:
            query = query.where(~event_sources.c.removed)
        row = (await connection.execute(query.order_by(table.c.full_name).limit(1))).first()
        if row is not None:
            own = row.full_name.removeprefix(f"{project}_")
            message = (
                f"{noun} {own} of project {project} would have the full name {row.full_name},"
                f" which {noun} {row.name} of project {row.project} has"
            )
            raise Conflict(message, hint=f"rename one of the two {noun}s", full_name=row.full_name)


def _source_names(project: ProjectDefinition) -> list[str]:
    return [name for entry in project.components.values() for name in entry.eventsources]


def _count(table: Table, *conditions: ColumnElement[bool]) -> Any:
    return select(func.count()).select_from(table).where(*conditions).scalar_subquery()


def _portions(names: Sequence[str]) -> Iterable[Sequence[str]]:
    return (names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE))


def _unknown(name: str) -> NotFound:
    return NotFound(f"there is no project {name[:100]!r}")
