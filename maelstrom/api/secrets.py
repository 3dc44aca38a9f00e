"""Secrets of a definition: masked in every answer, kept where the mask is put back. Pure.

Only `pullpassword` is a secret by its nature; environments are shown, because nobody could check what runs without
them. Who gets a definition, edits it and puts it again sends the mask: the stored password of the same component is
kept then. Where there is none to keep, the put is refused: eight stars are nobody's password.
"""

from __future__ import annotations

from maelstrom.api.wire import MASK
from maelstrom.model.errors import InvalidInput, Problem
from maelstrom.model.project import ComponentEntry, ProjectDefinition


def masked(project: ProjectDefinition) -> ProjectDefinition:
    return _with_passwords(project, {name: MASK for name, entry in project.components.items() if _password(entry)})


def has_mask(project: ProjectDefinition) -> bool:
    return any(_password(entry) == MASK for entry in project.components.values())


def unmasked(project: ProjectDefinition, stored: ProjectDefinition | None) -> ProjectDefinition:
    """`project` with each mask replaced by what is stored. Raises InvalidInput where nothing is."""
    known = {} if stored is None else {name: _password(entry) for name, entry in stored.components.items()}
    wanted = [name for name, entry in project.components.items() if _password(entry) == MASK]
    problems = tuple(
        Problem(
            path=f"components.{name}.pullpassword",
            message="is the mask that stands for a stored password, and none is stored",
            hint="write the password itself, for example as ${VARIABLE} with --env",
        )
        for name in wanted
        if not known.get(name)
    )
    if problems:
        raise InvalidInput("the project cannot be accepted", problems=problems)
    return _with_passwords(project, {name: known[name] for name in wanted})


def _password(entry: ComponentEntry) -> str:
    return entry.component.pullpassword


def _with_passwords(project: ProjectDefinition, passwords: dict[str, str]) -> ProjectDefinition:
    if not passwords:
        return project
    components = dict(project.components)
    for name, password in passwords.items():
        component = components[name].component.model_copy(update={"pullpassword": password})
        components[name] = components[name].model_copy(update={"component": component})
    return project.model_copy(update={"components": components})
