"""The OpenAPI document, made from the table of operations.

`python -m maelstrom.api.openapi` prints it (docs/openapi.json).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import maelstrom
from maelstrom.api.answers import ErrorAnswer
from maelstrom.api.operations import OPERATIONS, Operation
from maelstrom.api.requests import PutProject
from maelstrom.api.wire import JSON, LINES, STATUS
from maelstrom.model.project import ProjectDefinition

_SCHEMAS = "#/components/schemas/"
_EVERYWHERE = ("bad_request", "forbidden", "internal", "unavailable")
_WITH_TOKEN = ("unauthorized",)
_WITH_BODY = ("body_too_large", "unsupported_media_type", "request_timeout", "invalid_input")
_MEANING = {
    400: "Not understood, or a name that several projects have",
    401: "No token, or a wrong one",
    403: "A foreign Origin or an unknown Host",
    404: "Not found",
    408: "The body did not come",
    409: "Changed meanwhile, or taken by another project",
    413: "The body is larger than 8 MiB",
    415: "The body is not application/json",
    422: "The input cannot be accepted; `errors` says all that is wrong",
    500: "A fault of the daemon",
    502: "Refused by what the daemon asked",
    503: "Something that is needed cannot be reached",
}


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    operations = tuple(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Maelstrom admin API",
            "version": maelstrom.__version__,
            "description": "Every operation but those without `security` needs `Authorization: Bearer <token>`. "
            "Names in answers are without their project's prefix; times are seconds since 1970 (UTC). "
            "Errors are `{code, message, hint}`; `code` is stable.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(operations),
        },
    }


def _describe(operation: Operation) -> dict[str, Any]:
    description: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": _parameters(operation),
        "responses": _responses(operation),
    }
    if operation.body is not None:
        description["requestBody"] = {"required": True, "content": {JSON: {"schema": _ref(operation.body)}}}
    if operation.open:
        description["security"] = [{}, {"token": []}]
    return description


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    schema = operation.parameters.model_json_schema()
    found = []
    for name, field in schema.get("properties", {}).items():
        where = "path" if f"{{{name}}}" in operation.path else "query"
        required = where == "path" or name in schema.get("required", ())
        found.append({"name": name, "in": where, "required": required, "schema": _without_null(field)})
    return found


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    field = {key: value for key, value in field.items() if key not in ("title", "default") or value not in (None, [])}
    field.pop("title", None)
    options = [option for option in field.pop("anyOf", ()) if option != {"type": "null"}]
    return {**field, **(options[0] if options else {})}


def _responses(operation: Operation) -> dict[str, Any]:
    content = {operation.content_type.partition(";")[0]: {"schema": _schema(operation.answer)}}
    responses: dict[str, Any] = {"200": {"description": _success(operation), "content": content}}
    if operation.id == "ready":
        responses["503"] = {"description": "It does not serve", "content": content}
    codes = [*_EVERYWHERE, *operation.errors]
    if not operation.open or operation.id == "metrics":
        codes += _WITH_TOKEN
    if operation.body is not None:
        codes += _WITH_BODY
    if "{" in operation.path:
        codes.append("not_found")
    error = {JSON: {"schema": _ref(ErrorAnswer)}}
    for status in sorted({STATUS[code] for code in codes}):
        responses.setdefault(str(status), {"description": _MEANING[status], "content": error})
    return responses


def _success(operation: Operation) -> str:
    return "One object a line" if operation.content_type == LINES else "Done"


def _schema(answer: Any) -> dict[str, Any]:
    if isinstance(answer, type) and issubclass(answer, BaseModel):
        return _ref(answer)
    inner = get_args(answer)
    if len(inner) == 1:
        return {"type": "array", "items": _schema(inner[0])}
    return {"type": "string"} if answer is str else {"type": "object"}


def _ref(cls: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": _SCHEMAS + cls.__name__}


def _schemas(operations: Iterable[Operation]) -> dict[str, Any]:
    used: dict[type[BaseModel], None] = {ErrorAnswer: None, ProjectDefinition: None}
    for operation in operations:
        inner = get_args(operation.answer)
        for cls in (operation.body, inner[0] if len(inner) == 1 else operation.answer):
            if isinstance(cls, type) and issubclass(cls, BaseModel):
                used[cls] = None
    _, schema = models_json_schema([(cls, "validation") for cls in used], ref_template=_SCHEMAS + "{model}")
    found: dict[str, Any] = schema["$defs"]
    found[PutProject.__name__]["properties"]["definition"] = _ref(ProjectDefinition)
    return dict(sorted(found.items()))


def text() -> str:
    return json.dumps(document(OPERATIONS), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
