"""The daemon's own check of a definition that somebody sent: the same rules, by the same models, for untrusted JSON.

Goes component by component and source by source: an input that is wrong in a million places is refused after the first
hundred, not after all of them were collected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from maelstrom.model.component import ComponentDefinition
from maelstrom.model.errors import InvalidInput
from maelstrom.model.manifest.faults import MAX_PROBLEMS, Fault, Path, faults_of
from maelstrom.model.manifest.shape import shape_of
from maelstrom.model.project import ComponentEntry, ProjectDefinition, SourceEntry
from maelstrom.model.source import HttpSource

M = TypeVar("M", bound=BaseModel)

# Stand where something wrong was found and told already, so that the rest can be checked as well.
_SOURCE = SourceEntry(http=HttpSource(pathprefix="/"))
_COMPONENT = ComponentEntry(component=ComponentDefinition(image="image"))


def check_project(data: Any) -> ProjectDefinition:
    """`data`: any JSON value; a ProjectDefinition in JSON comes back as it was. Raises InvalidInput with all problems,
    at most 100, their paths being those of the JSON."""
    checking = _Checking()
    project = checking.project(data)
    if project is None or checking.found:
        checking.refuse()
    return project


_ROOT = shape_of(ProjectDefinition)


class _TooMany(Exception):
    """There is nothing to be gained from looking further."""


class _Checking:
    def __init__(self) -> None:
        self.found: list[Fault] = []

    def project(self, data: Any) -> ProjectDefinition | None:
        try:
            return self._check(ProjectDefinition, self._each(data, "components", self._component, _COMPONENT), ())
        except _TooMany:
            return None

    def refuse(self) -> NoReturn:
        problems = sorted((fault.problem() for fault in self.found), key=lambda problem: problem.path)
        raise InvalidInput("the project is not valid", problems=tuple(problems[:MAX_PROBLEMS]))

    def _component(self, data: Any, path: Path) -> ComponentEntry | None:
        return self._check(ComponentEntry, self._each(data, "eventsources", self._source, _SOURCE, path), path)

    def _source(self, data: Any, path: Path) -> SourceEntry | None:
        return self._check(SourceEntry, data, path)

    def _each(self, data: Any, key: str, check: Callable[[Any, Path], M | None], instead: M, path: Path = ()) -> Any:
        """`data` with the entries of the map below `key` checked one after another."""
        entries = data.get(key) if isinstance(data, dict) else None
        if not isinstance(entries, dict):
            return data
        return {**data, key: {name: check(entry, (*path, key, name)) or instead for name, entry in entries.items()}}

    def _check(self, model: type[M], data: Any, path: Path) -> M | None:
        try:
            return model.model_validate(data)
        except ValidationError as error:
            self.found += faults_of(error, _ROOT, path, lambda where: _has(data, where[len(path) :]))
        if len(self.found) >= MAX_PROBLEMS:
            raise _TooMany
        return None


def _has(value: Any, path: Path) -> bool:
    for key in path:
        try:
            value = value[key]
        except (LookupError, TypeError):
            return False
    return True
