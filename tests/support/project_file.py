"""Project files for tests: read one, or get what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent, indent

from maelstrom.model.component import ComponentDefinition
from maelstrom.model.errors import InvalidInput, Problem
from maelstrom.model.manifest import read_project
from maelstrom.model.project import ProjectDefinition

FILE = "project.yml"


def read(
    text: str | bytes, *, environ: Mapping[str, str] | None = None, files: Mapping[str, bytes] | None = None
) -> ProjectDefinition:
    """`files`: what lies in the working directory."""

    def read_file(path: str) -> bytes:
        if path not in (files or {}):
            raise FileNotFoundError(2, "No such file or directory", path)
        return (files or {})[path]

    written = dedent(text) if isinstance(text, str) else text
    return read_project(written, file=FILE, environ=environ or {}, read_file=read_file)


def problems(
    text: str | bytes, *, environ: Mapping[str, str] | None = None, files: Mapping[str, bytes] | None = None
) -> list[Problem]:
    """Empty if the file is valid."""
    try:
        read(text, environ=environ, files=files)
    except InvalidInput as error:
        return list(error.problems)
    return []


def web(fields: str, *, image: str = "image: app") -> str:
    """A file with one component `web`; `fields` are lines of it, from line 5 on."""
    return f"name: shop\ncomponents:\n  web:\n    {image}\n" + indent(dedent(fields).strip("\n"), "    ") + "\n"


def component(fields: str = "") -> ComponentDefinition:
    return read(web(fields)).components["web"].component
