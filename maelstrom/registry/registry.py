"""The registry's way in: one method, one transaction. What it does stands in the files named after the nouns.

It must not know who asks: no HTTP, no node. All methods raise only errors of `model/errors`; Unavailable where the
database cannot be reached, after which a change may have been made all the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Self

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from maelstrom.model.component import Component, ComponentKey
from maelstrom.model.cron import CronRun
from maelstrom.model.project import ProjectDefinition, PutResult
from maelstrom.model.settings import NO_NOTICES
from maelstrom.model.source import EventSource, SourceKey
from maelstrom.model.stored import NodeReport, ProjectSummary, Revision, Snapshot, SourceFilter, StoredProject
from maelstrom.registry import changes, components, cron_history, nodes, projects, sources
from maelstrom.registry.certificates import CertificateLedger
from maelstrom.registry.engine import is_postgresql, make_engine, transaction
from maelstrom.registry.migrate import check_schema
from maelstrom.registry.migrate import migrate as migrate_schema
from maelstrom.registry.records import component_of, source_of
from maelstrom.registry.tables import components as component_table

PING_SECONDS = 5.0
PERIOD_SECONDS = 2.0  # between looks at the counter where notices come too
PERIOD_SECONDS_SQLITE = 1.0
EVERY_SOURCE = SourceFilter()

_PARSED_AT_ONCE = 100  # records, then others may run


class Registry:
    """Made by `open`. Methods may be called concurrently."""

    def __init__(self, engine: AsyncEngine, *, listen_url: str | None, now: Callable[[], float] = time.time) -> None:
        self.engine = engine
        self._now = now
        self.certificates = CertificateLedger(engine)
        period = PERIOD_SECONDS_SQLITE if listen_url is None else PERIOD_SECONDS
        self.changes = changes.Changes(listen_url=listen_url, period=period)

    @classmethod
    async def open(cls, url: str, *, listen_url: str = "", migrate: bool = True) -> Self:
        """`listen_url`: the server's own address, or "off", where `url` is that of a pooler such as PgBouncer.

        Raises InvalidSettings, Unavailable, SchemaMismatch.
        """
        engine = make_engine(url, behind_pooler=listen_url not in ("", url))
        direct = None if listen_url == NO_NOTICES else listen_url or url
        try:
            if migrate:
                await migrate_schema(direct or url)
            await check_schema(engine)
            return cls(engine, listen_url=direct if is_postgresql(engine) else None)
        except BaseException:
            await engine.dispose()
            raise

    async def close(self) -> None:
        await self.engine.dispose()

    async def ping(self) -> None:
        """Raises Unavailable within 5 s if the database does not answer."""
        async with transaction(self.engine, write=False, timeout=PING_SECONDS) as connection:
            await connection.execute(text("select 1"))

    # projects

    async def put_project(
        self,
        project: ProjectDefinition,
        *,
        expected_revision: int | None = None,
        diff_only: bool = False,
        author: str = "",
    ) -> PutResult:
        """All or nothing; an equal definition changes nothing and makes no revision.

        `expected_revision`: what the change is based on, 0 for "there is no such project". `diff_only`: only says what
        would change; the revision is then the present one. Raises Conflict with the current `revision` in its fields
        if that is another one, and if a full name is another project's.
        """
        async with transaction(self.engine, write=not diff_only) as connection:
            result = await projects.put(
                connection,
                project,
                expected_revision=expected_revision,
                diff_only=diff_only,
                author=author,
                now=self._now(),
            )
        self.changes.hint()
        return result

    async def remove_project(self, name: str, *, expected_revision: int | None = None, author: str = "") -> PutResult:
        """Its history stays. Raises NotFound, Conflict."""
        async with transaction(self.engine) as connection:
            result = await projects.remove(
                connection, name.lower(), expected_revision=expected_revision, author=author, now=self._now()
            )
        self.changes.hint()
        return result

    async def get_project(self, name: str) -> StoredProject:
        """Raises NotFound."""
        async with transaction(self.engine, write=False) as connection:
            return await projects.get(connection, name.lower())

    async def list_projects(self, prefix: str = "") -> list[ProjectSummary]:
        async with transaction(self.engine, write=False) as connection:
            return await projects.summaries(connection, prefix.lower())

    async def history(self, name: str) -> list[Revision]:
        """Newest first, also of a removed project; the last 500. Raises NotFound."""
        async with transaction(self.engine, write=False) as connection:
            return await projects.history(connection, name.lower())

    async def definition_at(self, name: str, revision: int) -> StoredProject:
        """As it was at that revision; to roll back is to put it again. Raises NotFound."""
        async with transaction(self.engine, write=False) as connection:
            return await projects.at_revision(connection, name.lower(), revision)

    # components

    async def list_components(self, project: str | None = None, prefix: str = "") -> list[Component]:
        async with transaction(self.engine, write=False) as connection:
            return await components.listed(connection, project, prefix)

    async def find_component(self, name: str, project: str | None = None) -> Component:
        """By its name, with the project's prefix or without. Raises NotFound, AmbiguousName."""
        async with transaction(self.engine, write=False) as connection:
            return await components.found(connection, name, project)

    async def restart_component(self, key: ComponentKey) -> Component:
        """The component with its new generation. Raises NotFound."""
        async with transaction(self.engine) as connection:
            component = await components.restart(connection, key)
        self.changes.hint()
        return component

    # event sources

    async def list_sources(self, wanted: SourceFilter = EVERY_SOURCE) -> list[EventSource]:
        async with transaction(self.engine, write=False) as connection:
            return await sources.listed(connection, wanted)

    async def find_source(self, name: str, project: str | None = None) -> EventSource:
        """By its name, with the project's prefix or without. Raises NotFound, AmbiguousName."""
        async with transaction(self.engine, write=False) as connection:
            return await sources.found(connection, name, project)

    async def set_enabled(self, wanted: SourceFilter, enabled: bool) -> list[EventSource]:
        """The sources that were not so before, as they are now. To enable a source ends its pause, too."""
        async with transaction(self.engine) as connection:
            changed = await sources.set_enabled(connection, wanted, enabled)
        self.changes.hint()
        return changed

    # runs of cron

    async def cron_runs(self, wanted: SourceFilter, limit: int) -> list[CronRun]:
        """The newest first, also of sources that were removed."""
        async with transaction(self.engine, write=False) as connection:
            return await cron_history.listed(connection, wanted, limit)

    async def cron_run(self, id: str) -> CronRun:
        """Raises NotFound."""
        async with transaction(self.engine, write=False) as connection:
            return await cron_history.found(connection, id)

    # nodes

    async def write_report(self, node: str, session: str, version: str, report: dict[str, Any]) -> None:
        async with transaction(self.engine) as connection:
            await nodes.write(connection, node, session, version, report, self._now())

    async def remove_report(self, node: str) -> None:
        async with transaction(self.engine) as connection:
            await nodes.remove(connection, node)

    async def reports(self) -> list[NodeReport]:
        async with transaction(self.engine, write=False) as connection:
            return await nodes.listed(connection)

    # everything at once

    async def revision(self) -> int:
        """Rises with every change of anything but reports."""
        async with transaction(self.engine, write=False) as connection:
            return await changes.read_revision(connection)

    async def snapshot(self) -> Snapshot:
        """All of one moment. A record that cannot be read is left out, and so are the sources of such a component."""
        async with transaction(self.engine, write=False) as connection:
            revision = await changes.read_revision(connection)
            component_rows = (await connection.execute(select(component_table))).all()
            source_rows = await sources.everything(connection)
            answers = await projects.everybodys_answers(connection)
        found: dict[ComponentKey, Component] = {}
        for number, row in enumerate(component_rows):
            if (component := component_of(row)) is not None:
                found[component.key] = component
            if number % _PARSED_AT_ONCE == 0:
                await asyncio.sleep(0)
        found_sources: dict[SourceKey, EventSource] = {}
        for number, row in enumerate(source_rows):
            if (source := source_of(row)) is not None and source.component in found:
                found_sources[source.key] = source
            if number % _PARSED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return Snapshot(revision, found, found_sources, answers)
