"""The pieces that field rules of definitions are made of: clean text, lists, numbers whose zero means "unset", faults.

It must not know of any field in particular, nor of files and lines: a rule says what is wrong with a value and how to
mend it, `manifest/faults` says where.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

YEAR_SECONDS = 31_536_000  # the longest time that any setting can mean: an activity task lives for a year
MAX_REASON = 400  # characters: one long value may be at fault in thousands of places
MAX_FAULTS = 100  # of one list: more help nobody
MAX_ITEMS = 10_000  # of a list or map in a definition; each one that is wrong costs memory before it is told
MAX_MAPS = 1000  # of a list of maps
MAX_COUNT = 1_000_000
MAX_MIB = 1 << 30

_PATH = re.compile(r'/[!-"$-~]*')  # visible ASCII without `#`: what may stand in a request's target as it is
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")


def fault(reason: str, hint: str = "", *, at: str = "") -> PydanticCustomError:
    """What a rule raises. `at`: the field of the same map to blame instead, where the map has it."""
    return PydanticCustomError("rule", "{reason}", {"reason": reason[:MAX_REASON], "hint": hint, "at": at})


def faults(found: Iterable[tuple[int | str | tuple[int | str, ...], str, str]]) -> ValidationError:
    """Several at once, each as (index, key or path below the value that is checked, reason, hint)."""
    lines = [
        InitErrorDetails(type=fault(reason, hint), loc=where if isinstance(where, tuple) else (where,), input=None)
        for where, reason, hint in islice(found, MAX_FAULTS)
    ]
    return ValidationError.from_exception_data("rule", lines)


def shown(value: str, limit: int = 60) -> str:
    """A value as messages quote it: on one line, cut where it is long."""
    cut = value if len(value) <= limit else value[: limit - 1] + "…"
    return "`" + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut) + "`"


@dataclass(frozen=True, slots=True)
class ZeroIsUnset:
    """For a number whose 0 means "not set": it becomes the default before anything else is checked."""

    default: float | None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._replace, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        written = handler(schema)
        for part in (written, *written.get("anyOf", ())):
            if "minimum" in part or "exclusiveMinimum" in part:
                part.pop("exclusiveMinimum", None)
                part["minimum"] = min(0, part.get("minimum", 0))
        return written

    def _replace(self, value: Any) -> Any:
        return self.default if type(value) in (int, float) and value == 0 else value


@dataclass(frozen=True, slots=True)
class AsWritten:
    """Marks a text that YAML may take for a number: it is read as it stands in the file (`2222:22`, `6001`)."""


def check_path(text: str) -> str:
    if not text.startswith("/"):
        raise fault(f"{shown(text)} does not begin with `/`")
    if not _PATH.fullmatch(text):
        raise fault(
            f"{shown(text)} has characters that cannot stand in a request's path", "write them percent-encoded: %20"
        )
    return text


def check_token(text: str) -> str:
    """A method or a header's name."""
    if not _TOKEN.fullmatch(text):
        raise fault(f"{shown(text)} is no name that HTTP allows", "letters, digits and hyphens")
    return text


def _check_text(text: str) -> str:
    if _UNSENDABLE.search(text):
        raise fault("has a character that no text may have (NUL or half of a surrogate pair)")
    return text


def _check_not_empty(text: str) -> str:
    if not text:
        raise fault("is empty")
    return text


def _tuple_of_list(value: Any, limit: int = MAX_ITEMS) -> Any:
    if isinstance(value, (list, tuple)) and len(value) > limit:
        raise fault(f"has {len(value)} items, {limit} are allowed")
    return tuple(value) if isinstance(value, list) else value


def _tuple_of_maps(value: Any) -> Any:
    return _tuple_of_list(value, MAX_MAPS)


def _check_size(value: Any) -> Any:
    if isinstance(value, dict) and len(value) > MAX_ITEMS:
        raise fault(f"has {len(value)} entries, {MAX_ITEMS} are allowed")
    return value


Text = Annotated[str, AfterValidator(_check_text)]
Word = Annotated[Text, AfterValidator(_check_not_empty)]
Path = Annotated[Text, AfterValidator(check_path)]
Token = Annotated[Text, AfterValidator(check_token)]

Listed = BeforeValidator(_tuple_of_list)  # JSON and YAML know lists, definitions are immutable
ListedMaps = BeforeValidator(_tuple_of_maps)
TextMap = Annotated[dict[Text, Text], BeforeValidator(_check_size)]
Words = Annotated[tuple[Word, ...], Listed]
# A list that says nothing is the same as none.
Command = Annotated[tuple[Text, ...] | None, Listed, AfterValidator(lambda words: words or None)]

Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]
Seconds = Annotated[int, Field(ge=1, le=YEAR_SECONDS)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
