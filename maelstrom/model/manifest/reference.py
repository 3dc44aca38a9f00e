"""docs/project-file.md: every key of a project file with its type, default and meaning, made from the models."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from maelstrom.model.makeup import MADE_OF
from maelstrom.model.manifest.file_model import FileComponent, FilePage, FileProject
from maelstrom.model.manifest.schema import project_schema
from maelstrom.model.mount import Mount
from maelstrom.model.project import SourceEntry
from maelstrom.model.project_answers import ResponseHeader
from maelstrom.model.source import CronRequest, CronSource, Header, HttpSource, SqsSource, StepFunctionsSource

_INTRODUCTION = """\
# The project file

`maelctl put` and `maelctl validate` read `project.yml` (or `maelstrom.yml`, or the file that is named): one YAML
document that describes a project, its components and their event sources. This page is generated from the models
(`python -m maelstrom.model.manifest reference`); editors can use [project.schema.json](project.schema.json).

- Before YAML is read, `${NAME}` is replaced by a variable of the environment, or of the file given by `--env`:
  `${NAME:text}` gives `text` where NAME is unset, `${NAME:-text}` also where it is empty, `$${NAME}` stays `${NAME}`.
- Keys are strict: an unknown one, one that comes twice and a value of the wrong type are errors. A key without a value
  counts as not there, and so does a 0 where the default is another number and the range begins with 0.
- Environments are merged, later ones win: `envfile`, then the project's `environment`, then the component's.
- Names are lower case; with and without the project's prefix they are the same: in project `shop`, `web` and
  `shop_web` are one component.
- A file has at most 1 MiB, 100 levels and 100,000 values, its aliases followed.
- Each change of a component raises its version. Containers are replaced, in the component's `restartorder`, only where
  a key has changed that says **replaced** below. All other keys are in force at once: the containers that run go on as
  the new version and by its rules. `MAELSTROM_COMPONENT_VERSION` and the label `maelstrom_version` stay what they were
  when the container was made. `maelctl comp restart` replaces containers whatever has changed.
"""

_SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("The file", FileProject),
    ("`responseheaders`, each item", ResponseHeader),
    ("`errorpages.<status>`", FilePage),
    ("`components.<name>`", FileComponent),
    ("`components.<name>.volumes`, each item", Mount),
    ("`components.<name>.eventsources.<name>`: exactly one of", SourceEntry),
    ("`http`", HttpSource),
    ("`cron`", CronSource),
    ("`cron.http`", CronRequest),
    ("`cron.http.headers`, each item", Header),
    ("`sqs`", SqsSource),
    ("`awsstepfunc`", StepFunctionsSource),
)

_TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "bool", "object": "map"}


def reference_text() -> str:
    schema = project_schema()
    parts = [_INTRODUCTION]
    for title, model in _SECTIONS:
        properties = schema["properties"] if model is FileProject else schema["$defs"][model.__name__]["properties"]
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        rows = [
            [f"`{n}`", _type(properties[n]), _default(field), field.description or ""] for n, field in fields.items()
        ]
        heads = ["Key", "Type", "Default", "Meaning"]
        if model is FileComponent:
            heads.insert(3, "Containers")
            for name, row in zip(fields, rows, strict=True):
                row.insert(3, "replaced" if name in MADE_OF else "go on")
        parts.append("\n".join([f"## {title}\n", _row(heads), "|---" * len(heads) + "|", *map(_row, rows), ""]))
    return "\n".join(parts)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(schema: dict[str, Any]) -> str:
    written = schema["anyOf"][0] if "anyOf" in schema else schema
    if "enum" in written:
        return " \\| ".join(f"`{each}`" for each in written["enum"]).replace("\\|", "or")
    if written.get("type") == "array":
        item = written["items"]
        return "list of maps" if "$ref" in item else "list"
    if "additionalProperties" in written:
        return "map by name" if "$ref" in written["additionalProperties"] else "map of texts"
    return _TYPES[written.get("type", "object")] + _range(written)


def _range(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and high is None:
        return ""
    if low is None or high is None:
        return f", from {low}" if high is None else f", up to {high}"
    return f", {low} to {high}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None or field.default in (None, "", ()):
        return "–"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"
