"""What the models refuse, in words for the person who wrote it: path, message, hint. It must not know of lines.

No message quotes a value unless the rule that refused it did, and rules of secrets never do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from maelstrom.model.errors import Problem
from maelstrom.model.manifest.shape import Shape, key_hint
from maelstrom.model.rules import shown

MAX_PROBLEMS = 100
MAX_TEXT = 300  # characters of a message
MAX_PATH_PART = 80  # characters of one key in a path

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    path: Path
    message: str
    hint: str = ""

    def problem(self, file: str = "", line: int = 0) -> Problem:
        """As it is shown: on one line each, long values cut."""
        path = ".".join(_cut(str(part), MAX_PATH_PART) for part in self.path)
        return Problem(path, _cut(self.message, MAX_TEXT), _cut(self.hint, MAX_TEXT), file=file, line=line)


def faults_of(
    error: ValidationError, root: Shape, base: Path = (), has: Callable[[Path], bool] = lambda _: True
) -> Iterator[Fault]:
    """`root` is the shape of the whole input, `base` where in it the value stands that was checked. `has` says whether
    the input has a value at a path: of two fields that contradict each other one is blamed that is there."""
    for each in error.errors(include_url=False):
        kind = each["type"]
        if kind == "default_factory_not_called":  # only says that another field is wrong, and that one is listed
            continue
        path = (*base, *(each["loc"][:-1] if each["loc"][-1:] == ("[key]",) else each["loc"]))
        context = each.get("ctx", {})
        if kind == "rule":
            instead = (*path[:-1], context["at"])
            yield Fault(instead if context["at"] and has(instead) else path, context["reason"], context["hint"])
        elif kind == "extra_forbidden":
            yield Fault(path, f"{shown(str(path[-1]))} is no known key", _extra_hint(path, root))
        else:
            yield Fault(path, *_words(kind, context, each["input"], each["msg"]))


def _words(kind: str, context: Mapping[str, Any], value: Any, fallback: str) -> tuple[str, str]:
    """Message and hint for what pydantic itself checks."""
    match kind:
        case "missing":
            return "is required", ""
        case "string_unicode":
            return "has a character that no text may have", ""
        case "string_type" if value is None:
            return "is empty", 'write "" if an empty text is meant'
        case "string_type" | "literal_error" if isinstance(value, (bool, int, float)):
            return f"must be text, not {_name(value)}", "put it in quotes"
        case "string_type":
            return f"must be text, not {_name(value)}", ""
        case "int_type" | "int_from_float":
            return f"must be a whole number, not {_name(value)}", _number_hint(value)
        case "float_type":
            return f"must be a number, not {_name(value)}", _number_hint(value)
        case "finite_number":
            return "must be a finite number", ""
        case "bool_type":
            return f"must be true or false, not {_name(value)}", "without quotes" if isinstance(value, str) else ""
        case "tuple_type" | "list_type":
            return f"must be a list, not {_name(value)}", "one item per line, each after `- `, or [a, b]"
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"must be a map, not {_name(value)}", "one `key: value` per line, indented"
        case "literal_error":
            return f"must be one of {context['expected']}".replace("'", "`"), ""
        case "greater_than_equal":
            return f"must be at least {context['ge']}", ""
        case "greater_than":
            return f"must be over {context['gt']}", ""
        case "less_than_equal":
            return f"must be at most {context['le']}", ""
        case "too_short":
            return "needs at least one entry", ""
        case "invalid_key":
            return "keys must be text", ""
        case _:
            return fallback, ""


def _name(value: Any) -> str:
    """What a value is, without saying the value."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (list, tuple)):
        return "a list"
    return "nothing" if value is None else "a map" if isinstance(value, dict) else "this"


def _number_hint(value: Any) -> str:
    return "without quotes" if isinstance(value, str) and value.strip().lstrip("+-").isdigit() else ""


def _extra_hint(path: Path, root: Shape) -> str:
    shape: Shape | None = root
    for part in path[:-1]:
        shape = None if shape is None else shape.below(part)
    return "" if shape is None else key_hint(str(path[-1]), shape, root)


def _cut(text: str, limit: int) -> str:
    line = "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text[: limit + 1])
    return line if len(line) <= limit else line[: limit - 1] + "…"
