"""Which operation a request's target means. Pure; built from the table of operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_origin
from urllib.parse import parse_qsl, unquote_to_bytes

from pydantic import ValidationError

from maelstrom.api.operations import Operation
from maelstrom.api.requests import MAX_NAMES, Body, Parameters
from maelstrom.api.wire import check_text
from maelstrom.model.errors import BadRequest, InvalidInput, NotFound, Problem

MAX_PARAMETERS = 2 * MAX_NAMES


@dataclass(frozen=True, slots=True)
class Found:
    """The operations at a path, by method, and what stands in the path, still percent-encoded."""

    operations: Mapping[str, Operation]
    values: Mapping[str, str]


class Routes:
    """Segments are matched as they are; a name in braces stands for any one segment."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._root: dict[str, Any] = {}
        for operation in operations:
            here = self._root
            for segment in operation.path.split("/")[1:]:
                here = here.setdefault("{}" if segment.startswith("{") else segment, {})
            here.setdefault("", {})[operation.method] = operation

    def find(self, path: str) -> Found | None:
        """`path`: raw, percent-encoded, without the query."""
        segments = path.split("/")[1:]
        operations = _descend(self._root, segments) if all(segments) else None
        if not operations:
            return None
        template = next(iter(operations.values())).path.split("/")[1:]
        return Found(
            operations,
            {name[1:-1]: segment for name, segment in zip(template, segments, strict=True) if name[0] == "{"},
        )


def _descend(here: dict[str, Any], segments: list[str]) -> dict[str, Operation] | None:
    """A component may be called like a fixed segment: where that leads nowhere, the one in braces is tried."""
    if not segments:
        return here.get("")
    for key in (segments[0], "{}"):
        found = _descend(here[key], segments[1:]) if key in here else None
        if found:
            return found
    return None


def read_parameters(operation: Operation, values: Mapping[str, str], query: str) -> Parameters:
    """Raises NotFound for a path that names nothing possible, BadRequest for a wrong query."""
    fields = operation.parameters.model_fields
    data: dict[str, Any] = {name: _decoded(value) for name, value in values.items()}
    for name, value in _pairs(query):
        field = fields.get(name)
        if field is None or name in values:
            raise BadRequest(f"there is no parameter {name[:100]!a}", hint="see /openapi.json")
        if get_origin(field.annotation) is tuple:
            data.setdefault(name, []).append(value)
        elif name in data:
            raise BadRequest(f"the parameter {name} stands twice", hint="give it once")
        else:
            data[name] = value
    try:
        return operation.parameters.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        if name in values:
            raise NotFound(f"there is no {name} {data[name][:100]!a}") from error
        raise BadRequest(f"the parameter {name} is wrong: {first['msg']}", hint="see /openapi.json") from error


def read_body(cls: type[Body], data: Any) -> Body:
    """Raises InvalidInput with everything that is wrong."""
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        raise InvalidInput("the body cannot be accepted", problems=tuple(_problems(error))) from error


def _problems(error: ValidationError) -> Iterable[Problem]:
    for item in error.errors(include_input=False, include_url=False)[:100]:
        yield Problem(path=".".join(str(part)[:100] for part in item["loc"]), message=item["msg"])


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except UnicodeDecodeError as error:
        raise BadRequest("the query is not UTF-8", hint="percent-encode it as UTF-8") from error
    except ValueError as error:
        raise BadRequest(f"the query has more than {MAX_PARAMETERS} parameters", hint="give fewer") from error
    for _, value in pairs:
        check_text(value, BadRequest)
    return pairs


def _decoded(segment: str) -> str:
    try:
        return unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotFound("there is nothing at this path") from error
