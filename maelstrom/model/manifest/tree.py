"""YAML text → a tree of nodes that know where they stand.

Built from the parser's events, without recursion: a file that nests too deep, or that grows too large once its aliases
are followed, is refused while it is read. It must not know what the file is about: scalars stay text until `build`
knows what is wanted of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

import yaml

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # PyYAML without libyaml
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

MAX_DEPTH = 100
MAX_VALUES = 100_000  # aliases followed
MAX_CHARACTERS = 8 << 20  # of all texts, aliases followed
MAX_DIRECTIVES = 100  # the parser compares each with all before it

_DIRECTIVE = re.compile(r"^%", re.MULTILINE)


class Unreadable(Exception):
    """The text is no YAML that can be read; `offset` is where in the text."""

    def __init__(self, offset: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message
        self.hint = hint


@dataclass(slots=True, eq=False)
class Node:
    """A value. An alias is the very node that it refers to."""

    kind: Literal["scalar", "list", "map"]
    start: int  # offset into the text
    tag: str = ""  # empty: none was written
    text: str = ""
    style: str = ""  # of a scalar: `'`, `"`, `|`, `>`, empty for a plain one
    items: list[Node] = field(default_factory=list)
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    size: int = 1  # values in it, itself included, aliases followed
    height: int = 1
    characters: int = 0  # of the texts in it, keys not counted

    @property
    def plain(self) -> bool:
        return self.kind == "scalar" and not self.style and not self.tag


def compose(text: str) -> Node | None:
    """The document's root, None for an empty one. Raises Unreadable."""
    if len(_DIRECTIVE.findall(text)) > MAX_DIRECTIVES:
        raise Unreadable(0, f"more than {MAX_DIRECTIVES} lines begin with `%`")
    loader = Loader(text)
    try:
        return _Composer(text).run(loader)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text) from error
    finally:
        loader.dispose()


class _Composer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.open: list[tuple[Node, str]] = []  # collections that are not yet at their end, with their anchors
        self.keys: list[Node | None] = []  # for each of them: the key whose value comes next
        self.anchors: dict[str, Node] = {}
        self.values = 0
        self.root: Node | None = None

    def run(self, loader: Loader) -> Node | None:
        while True:
            event = loader.get_event()
            if event is None or isinstance(event, yaml.StreamEndEvent):
                return self.root
            offset = 0 if event.start_mark is None else event.start_mark.index
            if isinstance(event, yaml.ScalarEvent):
                self._check_count(offset)
                node = Node("scalar", offset, event.tag or "", event.value, _style(event))
                self._place(node, event.anchor or "")
            elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
                self._check_count(offset)
                self._enter(event, offset)
            elif isinstance(event, yaml.CollectionEndEvent):
                self.keys.pop()
                self._place(*self.open.pop())
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event.anchor or "", offset)
            elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
                raise Unreadable(offset, "a second document begins here", "a project file is one document")

    def _check_count(self, offset: int) -> None:
        self.values += 1
        if self.values > 2 * MAX_VALUES:  # keys are counted here too
            raise _too_many(offset)

    def _enter(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent, offset: int) -> None:
        if len(self.open) >= MAX_DEPTH:
            raise _too_deep(offset)
        kind: Literal["list", "map"] = "list" if isinstance(event, yaml.SequenceStartEvent) else "map"
        anchor = event.anchor or ""
        self.anchors.pop(anchor, None)  # from here to its end the name means a value that is not there yet
        self.open.append((Node(kind, offset, event.tag or ""), anchor))
        self.keys.append(None)

    def _alias(self, anchor: str, offset: int) -> None:
        node = self.anchors.get(anchor)
        if node is not None:
            self._place(node, "")
        elif any(name == anchor for _, name in self.open):
            raise Unreadable(offset, f"the alias `*{anchor[:60]}` stands inside the value that it refers to")
        else:
            raise Unreadable(
                offset,
                f"the alias `*{anchor[:60]}` has no anchor before it",
                f"quote a text that begins with `*`, or mark a value with `&{anchor[:60]}`",
            )

    def _place(self, node: Node, anchor: str) -> None:
        """Puts a finished node where it belongs."""
        if anchor:
            self.anchors[anchor] = node
        if not self.open:
            self.root = node
            return
        parent = self.open[-1][0]
        if parent.kind == "list":
            parent.items.append(node)
        elif self.keys[-1] is None:
            if node.kind != "scalar":
                raise Unreadable(node.start, "a key must be text, not a list or map")
            self.keys[-1] = node
            return
        else:
            parent.pairs.append((self.keys[-1], node))
            self.keys[-1] = None
        parent.size += node.size
        parent.height = max(parent.height, node.height + 1)
        parent.characters += node.characters + len(node.text)
        if parent.size > MAX_VALUES:
            raise _too_many(parent.start)
        if parent.characters > MAX_CHARACTERS:
            raise Unreadable(parent.start, f"the file has over {MAX_CHARACTERS} characters, its aliases followed")
        if parent.height > MAX_DEPTH:
            raise _too_deep(parent.start)


def _style(event: yaml.ScalarEvent) -> str:
    """Plain only if YAML may resolve it: libyaml gives no style to some scalars."""
    return event.style or ("" if event.implicit[0] or event.tag else '"')


def _too_many(offset: int) -> Unreadable:
    return Unreadable(offset, f"the file has over {MAX_VALUES} values, its aliases followed")


def _too_deep(offset: int) -> Unreadable:
    return Unreadable(offset, f"the file nests over {MAX_DEPTH} deep, its aliases followed")


def _syntax_error(error: yaml.MarkedYAMLError, text: str) -> Unreadable:
    """At the place that a person would look at: where something begins that the text's end leaves open, else where the
    parser stopped."""
    problem = error.problem or "no valid YAML"
    stopped = error.problem_mark or error.context_mark
    offset = 0 if stopped is None else stopped.index
    began = offset if error.context_mark is None else error.context_mark.index
    last = max(len(text.rstrip()) - 1, 0)
    if offset > last or "expected ':'" in problem:
        offset = min(began, last)
    message = f"{error.context}: {problem}" if error.context else problem
    return Unreadable(offset, f"the YAML is not valid: {message}", _syntax_hint(problem, text[offset : offset + 1]))


def _syntax_hint(problem: str, character: str) -> str:
    if "found a tab" in problem or ("cannot start any token" in problem and character == "\t"):
        return "indent with spaces, not tabs"
    if "cannot start any token" in problem:
        return f"quote a text that begins with `{character}`"
    if "mapping values are not allowed" in problem:
        return "check the indentation; quote a text that has `: ` in it, or ends with `:` as where a variable is unset"
    if "expected ':'" in problem:
        return "a key is written `key: value`, with a blank after the colon"
    if "expected" in problem:
        return "check the indentation, and that brackets and quotes are closed"
    return ""
