"""Names of projects, components and event sources: what they may be, and their one normal form.

A component is known by (project, name); its full name `<project>_<name>` is what containers and headers carry. In a
project file `web` and `shop_web` are the same component of project `shop`.
"""

from __future__ import annotations

import re

from maelstrom.model.rules import shown

MAX_PROJECT = 20  # bytes
MAX_FULL = 60  # bytes, with the project's prefix

_ALLOWED = re.compile(r"[A-Za-z0-9_-]+")
_CHARACTERS = "letters, digits, `_` and `-`"


def normal_project(text: str) -> str:
    return _lower(text.strip())


def normal_name(text: str, project: str) -> str:
    """Lower case, without the prefix. `project` is in normal form, or empty where it is not known."""
    return _lower(text).removeprefix(f"{project}_") if project else _lower(text)


def project_fault(name: str) -> str:
    """Why a normal form is no project's name; empty if it is one."""
    if not name:
        return "is empty"
    if not _ALLOWED.fullmatch(name) or name != name.lower():
        return f"{shown(name)} has characters that a name cannot have; {_CHARACTERS} can"
    if len(name) > MAX_PROJECT:
        return f"{shown(name)} has {len(name)} characters, {MAX_PROJECT} are allowed"
    return ""


def name_fault(name: str, project: str) -> str:
    """Why a normal form is no name of a component or source in this project; empty if it is one."""
    if not name:
        return "is empty" if not project else f"has nothing after the project's prefix `{project}_`"
    if not _ALLOWED.fullmatch(name) or name != name.lower():
        return f"{shown(name)} has characters that a name cannot have; {_CHARACTERS} can"
    if len(project) + 1 + len(name) > MAX_FULL:
        return (
            f"{shown(name)} has {len(name)} characters; with the prefix `{project}_`"
            f" {MAX_FULL} are allowed, so {MAX_FULL - 1 - len(project)} remain"
        )
    return ""


def _lower(text: str) -> str:
    """Only of ASCII: the small form of some other letters is an ASCII one (the Kelvin sign's is `k`)."""
    return text.lower() if text.isascii() else text
