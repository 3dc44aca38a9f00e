"""The daemon's own check of a definition that somebody sent: the same rules, by the same models, for untrusted JSON."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from maelstrom.model.errors import InvalidInput
from maelstrom.model.manifest.faults import MAX_PROBLEMS, Path, faults_of
from maelstrom.model.project import ProjectDefinition


def check_project(data: Any) -> ProjectDefinition:
    """`data`: any JSON value; a ProjectDefinition in JSON comes back as it was. Raises InvalidInput with all problems,
    their paths being those of the JSON."""
    try:
        return ProjectDefinition.model_validate(data)
    except ValidationError as error:
        found = sorted(
            (fault.problem() for fault in faults_of(error, ProjectDefinition, lambda path: _has(data, path))),
            key=lambda problem: problem.path,
        )
        raise InvalidInput("the project is not valid", problems=tuple(found[:MAX_PROBLEMS])) from error


def _has(value: Any, path: Path) -> bool:
    for key in path:
        try:
            value = value[key]
        except (LookupError, TypeError):
            return False
    return True
