"""The project file's JSON Schema (draft 2020-12), for editors and for docs/project.schema.json.

Made from the models; what a file may have beyond the stored form
is added: `${…}` wherever a number, a choice or a name stands, and plain numbers in `ports`.
"""

from __future__ import annotations

import json
from typing import Any

from maelstrom.model.manifest.file_model import FileProject
from maelstrom.model.project_answers import STATUSES

Schema = dict[str, Any]

_VARIABLE = {"type": "string", "pattern": r"\$\{[^}]+\}"}
_NAME = r"^[A-Za-z0-9_-]+$|\$\{[^}]+\}"


def project_schema() -> Schema:
    schema = FileProject.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        part["properties"] = {name: _property(name, value) for name, value in part["properties"].items()}
        part.pop("title", None)
    definitions = schema.pop("$defs")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Maelstrom project file",
        **schema,
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }


def _property(name: str, schema: Schema) -> Schema:
    kept = {key: value for key, value in schema.items() if key not in ("title", "default")}
    if "default" in schema and schema["default"] not in (None, "", [], {}):
        kept["default"] = schema["default"]
    if "anyOf" in kept:
        kept = _without_null(kept)
    if name == "ports":
        kept["items"] = {"type": ["string", "integer"]}
    if name in ("components", "eventsources"):
        kept["propertyNames"] = {"pattern": _NAME}
    if name == "errorpages":
        kept["propertyNames"] = {"enum": list(STATUSES)}
    return _or_variable(kept)


def _without_null(schema: Schema) -> Schema:
    """Unset is a key that is not there."""
    kinds = [each for each in schema["anyOf"] if each != {"type": "null"}]
    kept = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    return {**kept, **{key: value for key, value in schema.items() if key != "anyOf"}}


def _or_variable(schema: Schema) -> Schema:
    about = {key: value for key, value in schema.items() if key in ("description", "default")}
    rest = {key: value for key, value in schema.items() if key not in about}
    if rest.get("type") in ("integer", "number", "boolean") or rest.keys() & {"enum", "pattern"}:
        return {**about, "anyOf": [rest, _VARIABLE]}
    return {**about, **rest}


def schema_text() -> str:
    """docs/project.schema.json."""
    return json.dumps(project_schema(), indent=2, ensure_ascii=False) + "\n"
