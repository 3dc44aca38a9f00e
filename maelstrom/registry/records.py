"""Rows to model objects and back. Stored text is not trusted: what cannot be read is left out, and said so in the log.

Nodes of two versions share a database during an upgrade. A key that only the newer one knows is therefore passed over
by the older; a field that is missing has its default.
"""

from __future__ import annotations

import functools
import json
import logging
from typing import Any, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy import Row

from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.definition import Definition
from maelstrom.model.project_answers import ProjectAnswers
from maelstrom.model.source import SOURCE_TYPES, EventSource, SourceDefinition, SourceKey, SourceType

log = logging.getLogger("maelstrom.registry")

_KEPT_LENGTH = 16_384

D = TypeVar("D", bound=Definition)


class Unreadable(Exception):
    """Stored text that is no definition. The message holds no value of it: values may be secrets."""


def text_of(definition: Definition) -> str:
    """JSON on one line, every field in it; characters stand as themselves."""
    return definition.model_dump_json()


def definition_of(kind: type[D], text: str) -> D:
    """Raises Unreadable."""
    # Most text was seen before, because every change is followed by a look at everything; what is kept has a bound.
    found = _known(kind, text) if len(text) <= _KEPT_LENGTH else _parsed(kind, text)
    if isinstance(found, str):
        raise Unreadable(found)
    return cast(D, found)


def component_of(row: Row[Any]) -> Component | None:
    """None, and an error in the log, if the record cannot be read."""
    key = ComponentKey(row.project, row.name)
    try:
        definition = definition_of(ComponentDefinition, row.definition)
    except Unreadable as error:
        log.error("a stored component cannot be read and is left out", extra=_fields("component", key, error))
        return None
    return Component(key, row.version, row.generation, definition, row.modified_at)


def source_of(row: Row[Any]) -> EventSource | None:
    """None, and an error in the log, if the record cannot be read."""
    key = SourceKey(row.project, row.name)
    try:
        definition = source_definition_of(row.type, row.definition)
    except Unreadable as error:
        log.error("a stored event source cannot be read and is left out", extra=_fields("source", key, error))
        return None
    component = ComponentKey(row.project, row.component)
    return EventSource(key, component, row.version, bool(row.enabled), definition, row.id)


def answers_of(project: str, text: str) -> ProjectAnswers:
    """Nothing, and an error in the log, if the record cannot be read."""
    try:
        return definition_of(ProjectAnswers, text)
    except Unreadable as error:
        fields = {"project": project, "reason": str(error)}
        log.error("what a project says of its answers cannot be read and is left out", extra=fields)
        return ProjectAnswers()


def source_definition_of(kind: str, text: str) -> SourceDefinition:
    """Raises Unreadable."""
    cls = SOURCE_TYPES.get(cast(SourceType, kind))
    if cls is None:
        raise Unreadable(f"its type {kind[:40]!r} is unknown")
    return definition_of(cls, text)


@functools.lru_cache(maxsize=4096)
def _known(kind: type[Definition], text: str) -> Definition | str:
    return _parsed(kind, text)


def _parsed(kind: type[Definition], text: str) -> Definition | str:
    """The definition, or why there is none."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        if all(detail["type"] == "extra_forbidden" for detail in details):
            return _parsed(kind, _without(text, details))
        first = details[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _without(text: str, extra: list[ErrorDetails]) -> str:
    data = json.loads(text)
    for detail in extra:
        *path, key = detail["loc"]
        at: Any = data
        for step in path:
            at = at[step]
        del at[key]
    return json.dumps(data, ensure_ascii=False)


def _fields(noun: str, key: ComponentKey | SourceKey, error: Unreadable) -> dict[str, str]:
    return {noun: key.full_name, "reason": str(error)}
