"""Operations on projects: put, read, remove, history, roll back, and whether what must run does."""

from __future__ import annotations

from collections.abc import Iterable

from maelstrom.api import answers, secrets
from maelstrom.api.cluster import all_instances
from maelstrom.api.hidden import warnings_of_put
from maelstrom.api.ports import Ports
from maelstrom.api.requests import ProjectPath, ProjectsQuery, PutProject, RemoveProject, RevisionPath, RollBack
from maelstrom.model.component import Component
from maelstrom.model.errors import InvalidInput, NotFound, Problem
from maelstrom.model.manifest import check_project
from maelstrom.model.project import Changes, ProjectDefinition, PutResult
from maelstrom.model.stored import StoredProject


async def put_project(ports: Ports, params: ProjectPath, body: PutProject) -> answers.Put:
    project = check_project(body.definition)
    if project.name != params.project:
        problem = Problem("name", f"is {project.name}, but the address says {params.project}")
        raise InvalidInput("the project cannot be accepted", problems=(problem,))
    expected = body.expected_revision
    if secrets.has_mask(project):
        stored = await _stored(ports, project.name)
        project = secrets.unmasked(project, None if stored is None else stored.definition)
        if expected is None and stored is not None:
            expected = stored.revision  # the password kept is the one that was read just now
    return await _put(ports, project, diff_only=body.diff_only, expected=expected, author=body.author)


async def list_projects(ports: Ports, params: ProjectsQuery, _: None) -> list[answers.Project]:
    return [
        answers.Project(
            project=row.name,
            revision=row.revision,
            components=row.components,
            eventsources=row.eventsources,
            modified_at=row.modified_at,
        )
        for row in await ports.registry.list_projects(params.prefix or "")
    ]


async def get_project(ports: Ports, params: ProjectPath, _: None) -> answers.Definition:
    return _shown(await ports.registry.get_project(params.project))


async def remove_project(ports: Ports, params: RemoveProject, _: None) -> answers.Removed:
    result = await ports.registry.remove_project(params.project, author=params.author)
    ports.node.refresh()
    return answers.Removed(
        project=params.project,
        components=list(result.components.removed),
        eventsources=list(result.eventsources.removed),
    )


async def history(ports: Ports, params: ProjectPath, _: None) -> list[answers.Revision]:
    return [
        answers.Revision(revision=row.revision, modified_at=row.modified_at, author=row.author, removed=row.removed)
        for row in await ports.registry.history(params.project)
    ]


async def get_revision(ports: Ports, params: RevisionPath, _: None) -> answers.Definition:
    return _shown(await ports.registry.definition_at(params.project, params.revision))


async def roll_back(ports: Ports, params: ProjectPath, body: RollBack) -> answers.Put:
    """Puts an old definition again, with its own secrets, as a new revision."""
    old = await ports.registry.definition_at(params.project, body.revision)
    return await _put(
        ports, old.definition, diff_only=body.diff_only, expected=body.expected_revision, author=body.author
    )


async def readiness(ports: Ports, params: ProjectPath, _: None) -> answers.ProjectReadiness:
    stored = await ports.registry.get_project(params.project)
    components = await ports.registry.list_components(project=params.project)
    instances = [row for row in await all_instances(ports) if row.project == params.project]
    rows = [_component_readiness(component, instances) for component in components]
    return answers.ProjectReadiness(
        project=stored.name,
        revision=stored.revision,
        ready=all(row.ready >= row.wanted for row in rows),
        components=rows,
    )


def _component_readiness(component: Component, instances: Iterable[answers.Instance]) -> answers.ComponentReadiness:
    own = [row for row in instances if row.component == component.name and row.version == component.version]
    return answers.ComponentReadiness(
        component=component.name,
        version=component.version,
        wanted=component.definition.mininstances,
        ready=sum(row.state in ("ready", "frozen") for row in own),
        starting=sum(row.state == "starting" for row in own),
        failed=[row for row in own if row.state == "failed"],
    )


async def _stored(ports: Ports, name: str) -> StoredProject | None:
    try:
        return await ports.registry.get_project(name)
    except NotFound:
        return None


async def _put(
    ports: Ports, project: ProjectDefinition, *, diff_only: bool, expected: int | None, author: str
) -> answers.Put:
    result = await ports.registry.put_project(project, expected_revision=expected, diff_only=diff_only, author=author)
    if not diff_only:
        ports.node.refresh()
    return _put_answer(result, await warnings_of_put(ports, project))


def _put_answer(result: PutResult, warnings: list[str]) -> answers.Put:
    return answers.Put(
        project=result.project,
        revision=result.revision,
        components=_names(result.components),
        eventsources=_names(result.eventsources),
        projectfields=_names(result.projectfields),
        warnings=warnings,
    )


def _names(changes: Changes) -> answers.NamesChanged:
    return answers.NamesChanged.model_validate(changes.as_json())


def _shown(stored: StoredProject) -> answers.Definition:
    return answers.Definition(
        project=stored.name,
        revision=stored.revision,
        modified_at=stored.modified_at,
        author=stored.author,
        definition=secrets.masked(stored.definition),
    )
