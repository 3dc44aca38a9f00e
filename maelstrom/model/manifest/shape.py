"""What is wanted at each place of a file, taken from the models: a map with known keys, a list, text, a number.

The models stay the only list of fields; this is their outline, for reading scalars as what they are meant to be and for
naming the nearest known key.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from maelstrom.model.rules import AsWritten

Kind = Literal["map", "dict", "list", "text", "int", "float", "bool"]

_SCALARS: dict[type, Kind] = {str: "text", int: "int", float: "float", bool: "bool"}
_LONGEST_KEY = 64  # characters; longer ones are near to none


@dataclass(frozen=True, slots=True)
class Shape:
    """`map`: keys are fields; `dict`: keys are names that the user chooses, all values alike."""

    kind: Kind
    fields: Mapping[str, Shape] = field(default_factory=dict)
    item: Shape | None = None
    as_written: bool = False

    def below(self, key: str | int) -> Shape | None:
        return self.fields.get(str(key)) if self.kind == "map" else self.item


@cache
def shape_of(model: type[BaseModel]) -> Shape:
    hints = get_type_hints(model, include_extras=True)
    return Shape("map", {field.alias or name: _shape(hints[name]) for name, field in model.model_fields.items()})


def key_hint(key: str, shape: Shape, root: Shape) -> str:
    """For a key that a map does not know: the nearest one it knows, or where the key belongs."""
    plain = key[:_LONGEST_KEY].lower().replace("_", "").replace("-", "").strip()
    known = sorted(shape.fields)
    if plain in shape.fields:
        return f"did you mean `{plain}`?"
    if places := sorted({place for place, fields in _maps(root, "") if plain in fields.fields}):
        return f"`{plain}` belongs {' or '.join(places[:3])}"
    if near := get_close_matches(plain, known, n=1, cutoff=0.6):
        return f"did you mean `{near[0]}`?"
    return f"known keys: {', '.join(known)}"


def _shape(annotation: Any) -> Shape:
    as_written = False
    while get_origin(annotation) is Annotated:
        annotation, *metadata = get_args(annotation)
        as_written = as_written or any(isinstance(each, AsWritten) for each in metadata)
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _shape(next(each for each in get_args(annotation) if each is not type(None)))
    if origin is tuple:
        return Shape("list", item=_shape(get_args(annotation)[0]))
    if origin is dict:
        return Shape("dict", item=_shape(get_args(annotation)[1]))
    if origin is Literal:
        return Shape("text")
    if issubclass(annotation, BaseModel):
        return shape_of(annotation)
    return Shape(_SCALARS[annotation], as_written=as_written)


def _maps(shape: Shape, place: str) -> Iterator[tuple[str, Shape]]:
    """Every map with fixed keys, and how people call its place."""
    if shape.kind == "map":
        yield f"below `{place}`" if place else "at the top of the file", shape
        for name, inner in shape.fields.items():
            yield from _maps(inner, f"{place}.{name}" if place else name)
    elif shape.item is not None:
        yield from _maps(shape.item, f"{place}.<name>" if shape.kind == "dict" else place)
