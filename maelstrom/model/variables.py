"""Environment variables as projects write them: `NAME=value` entries, their merge, and the two kinds of files.

Values are secrets: no message quotes any part of an entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from maelstrom.model.errors import InvalidInput, Problem
from maelstrom.model.rules import fault

MAX_BYTES = 1 << 20  # of one file
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def entry_fault(entry: str) -> str:
    """Why this is no entry; empty if it is one."""
    name, equals, value = entry.partition("=")
    if not equals:
        return "has no `=`; an entry is written NAME=value"
    if not _NAME.fullmatch(name):
        return "has no valid name before its `=`; letters, digits and `_`, not beginning with a digit"
    if "\0" in value:
        return "has a NUL character in its value"
    return ""


def check_entry(entry: str) -> str:
    if reason := entry_fault(entry):
        raise fault(reason)
    return entry


def merged(*lists: Iterable[str]) -> tuple[str, ...]:
    """One list of entries, sorted by name; where a name comes twice, the later entry wins."""
    by_name = {entry.partition("=")[0]: entry for entries in lists for entry in entries}
    return tuple(by_name[name] for name in sorted(by_name))


def read_envfile(content: bytes, file: str) -> tuple[str, ...]:
    """The entries of a project's `envfile`: nothing is trimmed but a carriage return at a line's end, blank lines and
    those that begin with `#` are skipped. Raises InvalidInput with every bad line."""
    entries: list[str] = []
    problems: list[Problem] = []
    for number, line in _lines(content, file):
        entry = line.removesuffix("\r")
        if not entry.strip() or entry.startswith("#"):
            continue
        if reason := entry_fault(entry):
            problems.append(Problem("envfile", f"the line {reason}", file=file, line=number))
        entries.append(entry)
    _raise(problems, file)
    return tuple(entries)


def parse_env_file(content: str | bytes, *, file: str = "") -> dict[str, str]:
    """The variables of a `--env` file, which only serve interpolation: lines, names and values are trimmed, blank lines
    and those that begin with `#` are skipped. Raises InvalidInput with every bad line."""
    variables: dict[str, str] = {}
    problems: list[Problem] = []
    for number, line in _lines(content, file):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            reason = "has no name before its `=`" if equals else "has no `=`; a line is written NAME=value"
            problems.append(Problem("env", f"the line {reason}", file=file, line=number))
        variables[name.strip()] = value.strip()
    _raise(problems, file)
    return variables


def _lines(content: str | bytes, file: str) -> Iterator[tuple[int, str]]:
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if len(raw) > MAX_BYTES:
        _raise([Problem("", f"the file has over {MAX_BYTES} bytes", file=file, line=1)], file)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        _raise([Problem("", "the text is not UTF-8", "save it as UTF-8", file=file, line=line)], file)
        return
    yield from enumerate(text.split("\n"), 1)


def _raise(problems: list[Problem], file: str) -> None:
    if problems:
        raise InvalidInput(f"{file or 'the env file'} is not valid", problems=tuple(problems))
