"""The kind of text that says who may call a component through the internal gateway, and what is wrong with it."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator

from maelstrom.model.names import name_fault, normal_project, project_fault
from maelstrom.model.rules import Listed, Word, fault

ANYONE: Final = "*"


def _check_caller(text: str) -> str:
    """The normal form of a project's name, a component's full one, or `project/component`."""
    normal = normal_project(text)
    if normal == ANYONE:
        return normal
    project, slash, name = normal.partition("/")
    name = name.removeprefix(f"{project}_")
    # without a slash it may be a component's full name, which looks like a project's but may be longer
    reason = (project_fault(project) or name_fault(name, project)) if slash else name_fault(project, "")
    if reason:
        raise fault(reason, f"a project, `project_component` or `project/component`; `{ANYONE}`: whoever gets there")
    return f"{project}/{name}" if slash else project


Callers = Annotated[
    tuple[Annotated[Word, AfterValidator(_check_caller)], ...],
    Listed,
    AfterValidator(lambda callers: tuple(dict.fromkeys(callers))),
]
