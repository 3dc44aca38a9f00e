"""Nodes → plain values for the models, each read as what its place wants, with the place of every key and value.

Says nothing about what values may be: what does not fit is handed on as it is, and the model refuses it. Only what
plain values cannot show is a fault here: keys that come twice, merges of what is no map, tags that are not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from yaml.nodes import ScalarNode
from yaml.resolver import Resolver

from maelstrom.model.manifest.shape import Shape
from maelstrom.model.manifest.tree import Node
from maelstrom.model.rules import shown

Path = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_KNOWN_TAGS = {_TAG + name for name in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp")} | {"", "!"}
_LONGEST_KEY = 200  # characters; a key is part of the path of all that is wrong below it
_LONGEST_NUMBER = 100  # characters; what is longer is no number that any field takes
_MORE_BOOLS = {"y": True, "Y": True, "n": False, "N": False}  # YAML 1.1 has them, PyYAML leaves them out
_BOOLS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_FLOATS = {".inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}


@dataclass(slots=True)
class Built:
    """`value` is for the model; `faults` are (path, offset, offset of the other place or None, message, hint)."""

    value: Any = None
    marks: dict[Path, int] = field(default_factory=dict)  # where keys and items stand: offsets into the text
    blocks: dict[Path, int] = field(default_factory=dict)  # where texts begin whose lines are kept (`|`)
    faults: list[tuple[Path, int, int | None, str, str]] = field(default_factory=list)

    def mark(self, path: Path) -> int | None:
        """That of the key or item, or of the nearest one around it; None at the top."""
        while path and path not in self.marks:
            path = path[:-1]
        return self.marks.get(path)


def build(root: Node | None, shape: Shape) -> Built:
    built = Built()
    if root is not None:
        built.value = _Builder(built).value(root, shape, ())
    if built.value is None:
        built.value = {}
    return built


class _Builder:
    def __init__(self, built: Built) -> None:
        self.built = built

    def value(self, node: Node, shape: Shape, path: Path) -> Any:
        if node.tag not in _KNOWN_TAGS:
            self._fault(path, node.start, f"the tag {shown(node.tag)} is not known", "leave the tag out")
        if node.style == "|":
            self.built.blocks[path] = node.start
        if node.kind == "scalar":
            value = _scalar(node, shape)
            return {} if value is None and shape.kind in ("map", "dict") else value
        if node.kind == "list":
            return self._list(node, shape, path) if shape.kind == "list" else []
        return self._map(node, shape, path) if shape.kind in ("map", "dict") else {}

    def _list(self, node: Node, shape: Shape, path: Path) -> list[Any]:
        assert shape.item is not None
        values = []
        for index, item in enumerate(node.items):
            where = (*path, index)
            self.built.marks[where] = item.start
            values.append(self.value(item, shape.item, where))
        return values

    def _map(self, node: Node, shape: Shape, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, (key_node, item) in self._pairs(node, path).items():
            where = (*path, key)
            if len(key) > _LONGEST_KEY:
                self._fault(where, key_node.start, f"the key has {len(key)} characters, {_LONGEST_KEY} are allowed", "")
                continue
            self.built.marks[where] = key_node.start
            wanted = shape.below(key)
            value = None if wanted is None else self.value(item, wanted, where)
            if value is None and wanted is not None and shape.kind == "map":
                continue  # a key without a value is as good as none
            values[key] = value
        return values

    def _pairs(self, node: Node, path: Path) -> dict[str, tuple[Node, Node]]:
        """Keys and values, those of merges behind the map's own."""
        pairs: dict[str, tuple[Node, Node]] = {}
        merges: list[Node] = []
        for key, item in node.pairs:
            if key.text == "<<" and key.plain:
                merges.append(item)
            elif key.text in pairs:
                first = pairs[key.text][0].start
                self._fault((*path, key.text), key.start, "the key is given twice", "keep one of them", other=first)
            else:
                pairs[key.text] = (key, item)
        for source in merges:
            for merged in source.items if source.kind == "list" else [source]:
                if merged.kind == "map":
                    for key_text, pair in self._pairs(merged, path).items():
                        pairs.setdefault(key_text, pair)
                else:
                    self._fault((*path, "<<"), source.start, "merges what is no map", "`<<: *name` of an anchored map")
        return pairs

    def _fault(self, path: Path, offset: int, message: str, hint: str, other: int | None = None) -> None:
        self.built.faults.append((path, offset, other, message, hint))


def _scalar(node: Node, shape: Shape) -> Any:
    tag = _resolved(node)
    if tag == "null":
        return None
    if shape.as_written and node.plain:
        return node.text
    if shape.kind == "text" and ":" in node.text and not node.tag:
        return node.text  # digits with colons are a number of base 60 in YAML 1.1, never for people
    if shape.kind == "bool" and node.plain and node.text in _MORE_BOOLS:
        return _MORE_BOOLS[node.text]
    return _constructed(tag, node.text)


def _resolved(node: Node) -> str:
    """The kind of a scalar by the rules of YAML 1.1; what is neither number, bool nor null is text."""
    if node.tag and node.tag != "!":
        return node.tag.removeprefix(_TAG)
    if not node.plain or len(node.text) > _LONGEST_NUMBER:
        return "str"
    return str(_RESOLVER.resolve(ScalarNode, node.text, (True, False))).removeprefix(_TAG)  # type: ignore[no-untyped-call]


def _constructed(tag: str, text: str) -> Any:
    try:
        if tag == "int":
            return _int(text)
        if tag == "float":
            return _float(text)
        if tag == "bool":
            return _BOOLS[text.lower()]
    except (ValueError, KeyError):  # a tag that does not fit its text
        return text
    return None if tag == "null" else text


def _int(text: str) -> int:
    sign, digits = _sign(text.replace("_", "").lower())
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(text)
    if ":" in digits:
        return sign * int(_base_60(digits))
    if digits.startswith(("0b", "0x")):
        return sign * int(digits, 0)
    return sign * int(digits, 8 if digits.startswith("0") else 10)


def _float(text: str) -> float:
    written = text.replace("_", "").lower()
    if written in _FLOATS:
        return _FLOATS[written]
    sign, digits = _sign(written)
    return sign * (_base_60(digits) if ":" in digits else float(digits))


def _sign(text: str) -> tuple[int, str]:
    return (-1 if text.startswith("-") else 1), text.lstrip("+-")


def _base_60(digits: str) -> float:
    total = 0.0
    for part in digits.split(":"):
        total = total * 60 + float(part)
    return total


_RESOLVER = Resolver()
