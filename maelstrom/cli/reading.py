"""Reads a project file as `put` and `validate` do: the file, the env files, and what the file itself names."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from maelstrom.model.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from maelstrom.model.project import ProjectDefinition

DEFAULT_FILES = ("project.yml", "maelstrom.yml")
STANDARD_INPUT = "-"
MOST_BYTES = (1 << 20) + 1  # one more than a project file may have: enough for it to be refused


def read(file: str | None, env_files: Sequence[str] = ()) -> ProjectDefinition:
    """`file` None: the default names, here. Raises InvalidInput with everything that is wrong."""
    from maelstrom.model.manifest import parse_env_file, read_project  # after the usage was checked: it takes a while

    environ = dict(os.environ)
    for name in env_files:
        environ.update(parse_env_file(_input(name), file=name))
    name = file or _default()
    return read_project(_input(name), file=name, environ=environ, read_file=_bytes)


def _default() -> str:
    for name in DEFAULT_FILES:
        if Path(name).exists():
            return name
    raise _unreadable(DEFAULT_FILES[0], "no project.yml or maelstrom.yml here", "name the file: maelctl put FILE")


def _input(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read(MOST_BYTES) if name == STANDARD_INPUT else _bytes(name)
    except (OSError, ValueError) as error:  # ValueError: NUL in a name
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise _unreadable(name, f"cannot be read: {why}", "check the name and who may read it") from error


def _bytes(name: str) -> bytes:
    with Path(name).open("rb") as file:
        return file.read(MOST_BYTES)


def _unreadable(name: str, message: str, hint: str) -> InvalidInput:
    return InvalidInput("the project cannot be read", problems=(Problem("", message, hint, file=name),))
