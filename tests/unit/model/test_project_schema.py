"""The JSON Schema for editors and the reference: made from the models, and kept as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from maelstrom.model.manifest import project_schema
from maelstrom.model.manifest.reference import reference_text
from maelstrom.model.manifest.schema import schema_text
from tests.unit.model.test_project_file import EVERYTHING, SHOP

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("path", "text", "what"),
    [
        ("docs/project.schema.json", schema_text, "schema"),
        ("docs/project-file.md", reference_text, "reference"),
    ],
)
def test_what_is_generated_is_what_is_kept(path: str, text: Any, what: str) -> None:
    assert (ROOT / path).read_text() == text(), f"run: python -m maelstrom.model.manifest {what} > {path}"


def errors(text: str) -> list[str]:
    validator = jsonschema_rs.Draft202012Validator(project_schema())
    return [error.message for error in validator.iter_errors(yaml.safe_load(text))]


def test_it_is_a_schema() -> None:
    jsonschema_rs.meta.validate(project_schema())


@pytest.mark.parametrize(
    "text", [SHOP, EVERYTHING.replace("10:00", "600"), (ROOT / "examples/hello/project.yml").read_text()]
)
def test_valid_files_are_valid_for_editors(text: str) -> None:
    assert errors(text) == []


@pytest.mark.parametrize(
    "lines",
    [
        "httpport: ${PORT:-8080}",
        "containerinit: ${INIT}",
        "restartorder: ${ORDER}",
        "scaleupconcurrencypct: ${UP:-0.5}",
        "maxconcurrency: 0",
        "ports: [6001, 127.0.0.1:80:80]",
        "eventsources: {'${NAME}': {http: {pathprefix: /}}}",
    ],
)
def test_variables_and_the_short_forms_are_valid_for_editors(lines: str) -> None:
    assert errors(f"name: a\ncomponents:\n  web:\n    image: app\n    {lines}\n") == []


@pytest.mark.parametrize(
    "lines",
    [
        "imagee: x",
        "httpport: '80'",
        "httpport: 0",
        "restartorder: stop",
        "command: sh",
        "volumes: [{source: /x}]",
        "eventsources: {'a b': {http: {pathprefix: /}}}",
        "eventsources: {s: {sqs: {queuename: q}}}",
        "eventsources: {s: {}}",
        "eventsources: {s: {http: {pathprefix: /}, sqs: {queuename: q, path: /}}}",
    ],
)
def test_mistakes_are_shown_by_editors(lines: str) -> None:
    assert errors(f"name: a\ncomponents:\n  web:\n    image: app\n    {lines}\n")


def test_every_key_is_described() -> None:
    schema = project_schema()
    for part in (schema, *schema["$defs"].values()):
        for name, field in part["properties"].items():
            assert field.get("description"), name
