"""A project file → the project's definition, or every problem with it at once.

The steps: paste variables, read YAML, build values, check them by the models, check names, expand crontab, merge
environments. Each step says all it can say even where another one failed; files are only read through `read_file`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from pydantic import ValidationError

from maelstrom.model.component import ComponentDefinition
from maelstrom.model.errors import InvalidInput, Problem
from maelstrom.model.manifest.build import Built, Path, build
from maelstrom.model.manifest.crontab import expand
from maelstrom.model.manifest.faults import MAX_PROBLEMS, Fault, faults_of
from maelstrom.model.manifest.file_model import FileComponent, FileProject
from maelstrom.model.manifest.shape import shape_of
from maelstrom.model.manifest.tree import MAX_CHARACTERS, MAX_VALUES, Unreadable, compose
from maelstrom.model.manifest.written import Written
from maelstrom.model.names import MAX_FULL, name_fault, normal_name, normal_project, project_fault
from maelstrom.model.project import ComponentEntry, ProjectDefinition, SourceEntry, kinds_fault
from maelstrom.model.rules import shown
from maelstrom.model.source import SOURCE_TYPES
from maelstrom.model.variables import merged, read_envfile

_ENOUGH = 10 * MAX_PROBLEMS  # found, before the first ones by line are shown

Sources = dict[str, SourceEntry]


def read_project(
    text: bytes | str, *, file: str, environ: Mapping[str, str], read_file: Callable[[str], bytes]
) -> ProjectDefinition:
    """`file`: its name in messages. `environ`: variables for `${…}`. `read_file` gets the path of the `envfile` as it
    is written, may raise OSError, and should not read more than a MiB. Raises InvalidInput with all problems."""
    written = Written.read(text, file=file, environ=dict(environ))
    try:
        reading = _Reading(written, build(compose(written.text), shape_of(FileProject)))
    except Unreadable as error:
        raise written.refusal(error.offset, error.message, error.hint) from error
    return reading.run(read_file)


class _Reading:
    """One file on its way through the steps, and what was found wrong so far."""

    def __init__(self, written: Written, built: Built) -> None:
        self.written = written
        self.built = built
        self.problems: dict[Problem, None] = {}  # in order, none twice
        self.project = ""  # in its normal form, empty where it is not valid
        self.components: dict[str, str] = {}  # names as written → normal ones
        self.sources: dict[str, dict[str, SourceEntry]] = {}  # component as written → crontab's sources
        self.owners: dict[str, tuple[str, int]] = {}  # normal names of sources → component as written, line

    def run(self, read_file: Callable[[str], bytes]) -> ProjectDefinition:
        for path, offset, other, message, hint in self.built.faults[:_ENOUGH]:
            also = "" if other is None else f"; first in line {self.written.line_at(other)}"
            self._add(Fault(path, message + also, hint), self.written.line_at(offset))
        checked = self._check()
        self._names()
        for name in self.components:
            self._sources_of(name)
        shared = merged(self._envfile(read_file), () if checked is None else checked.environment)
        if checked is None or self.problems:
            self._refuse()
        assert checked is not None
        return self._assemble(checked, shared)

    def _check(self) -> FileProject | None:
        try:
            return FileProject.model_validate(self.built.value)
        except ValidationError as error:
            for fault in faults_of(error, FileProject, self.built.marks.__contains__):
                self._add(fault)
                if len(self.problems) >= _ENOUGH:
                    break
            return None

    def _names(self) -> None:
        written = self._at("name")
        if isinstance(written, str):
            self.project = normal_project(written)
            if reason := project_fault(self.project):
                self._add(Fault(("name",), reason, "at most 20 letters, digits, `_` and `-`"))
                self.project = ""
        components = self._at("components")
        taken: dict[str, str] = {}
        for name in components if isinstance(components, dict) else ():
            path: Path = ("components", name)
            normal = self.components[name] = self._normal(name)
            if reason := name_fault(normal, self.project):
                self._add(Fault(path, reason))
            elif (first := taken.setdefault(normal, name)) != name:
                line = self._line(("components", first))
                reason = f"is the same component as {shown(first)} in line {line}"
                self._add(Fault(path, reason, self._same_hint()))

    def _sources_of(self, component: str) -> None:
        base: Path = ("components", component)
        written = self._at(*base, "eventsources")
        for name in written if isinstance(written, dict) else ():
            path: Path = (*base, "eventsources", name)
            self._kinds(written[name], path)
            normal = self._normal(name)
            if reason := name_fault(normal, self.project):
                self._add(Fault(path, reason))
            else:
                self._claim(normal, component, path, self._line(path))
        crontab = self._at(*base, "crontab")
        if isinstance(crontab, str):
            self._crontab(component, crontab, (*base, "crontab"))

    def _kinds(self, written: Any, path: Path) -> None:
        """The model says so too, but only once each kind is right in itself."""
        kinds = [kind for kind in SOURCE_TYPES if isinstance(written, dict) and kind in written]
        if len(kinds) > 1:
            self._add(Fault(path, kinds_fault(kinds)))

    def _crontab(self, component: str, text: str, path: Path) -> None:
        node = self.built.marks[path].value
        found = self.sources[component] = {}
        for each in expand(self.components[component], text):
            first = 1 if node.style == "|" else 0
            line = self.written.line_after(node.start, each.number + first if first else 0)
            if each.fault is not None:
                self._add(Fault(path, each.fault.message, each.fault.hint), line)
            elif len(self.project) + 1 + len(each.name) > MAX_FULL:
                reason = f"the name of its source, {shown(each.name)}, is too long with the project's prefix"
                self._add(Fault(path, reason, f"{MAX_FULL} characters are allowed; give the component a shorter name"))
            elif each.source is not None and self._claim(each.name, component, path, line):
                found[each.name] = each.source
            if len(self.problems) >= _ENOUGH:
                return

    def _claim(self, name: str, component: str, path: Path, line: int) -> bool:
        """Source names are unique in a project."""
        if name not in self.owners:
            self.owners[name] = (component, line)
            return True
        owner, first = self.owners[name]
        where = "" if owner == component else f" of component {shown(owner)}"
        reason = f"is the same event source as the one{where} in line {first}"
        self._add(Fault(path, reason, self._same_hint()), line)
        return False

    def _envfile(self, read_file: Callable[[str], bytes]) -> tuple[str, ...]:
        path = self._at("envfile")
        if not isinstance(path, str) or not path:
            return ()
        try:
            return read_envfile(read_file(path), path)
        except InvalidInput as error:
            self.problems |= dict.fromkeys(error.problems or (Problem("envfile", error.message, file=path),))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            hint = "the path is relative to the working directory"
            self._add(Fault(("envfile",), f"{shown(path)} cannot be read: {reason}", hint))
        return ()

    def _assemble(self, checked: FileProject, shared: tuple[str, ...]) -> ProjectDefinition:
        """Holds tens of thousands of components only once: the tree goes first, then each as it is taken."""
        size = sum(map(len, shared)) * len(checked.components)
        if size > MAX_CHARACTERS or len(shared) * len(checked.components) > 2 * MAX_VALUES:
            self._add(Fault(("environment",), "so many variables for so many components are too much"))
            self._refuse()
        self.built = Built()
        components = {}
        for name in sorted(self.components, key=self.components.__getitem__):
            components[self.components[name]] = self._entry(name, checked.components.pop(name), shared)
        try:
            return ProjectDefinition(name=self.project, components=components)
        except ValidationError as error:
            for fault in faults_of(error, ProjectDefinition, lambda _: True):
                self._add(fault)
            self._refuse()

    def _entry(self, name: str, component: FileComponent, shared: tuple[str, ...]) -> ComponentEntry:
        # each field was checked as the file's; the two that are only the file's go
        fields = {field: getattr(component, field) for field in ComponentDefinition.model_fields}
        if shared:
            fields["environment"] = merged(shared, component.environment)
        sources = {self._normal(source): entry for source, entry in component.eventsources.items()}
        sources |= self.sources.get(name, {})
        definition = ComponentDefinition.model_construct(fields.keys() & component.model_fields_set, **fields)
        return ComponentEntry(component=definition, eventsources=dict(sorted(sources.items())))

    def _at(self, *path: str | int) -> Any:
        value = self.built.value
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def _normal(self, name: str) -> str:
        return normal_name(name, self.project) if self.project else name.lower()

    def _same_hint(self) -> str:
        prefix = f" and without the prefix `{self.project}_`" if self.project else ""
        return f"names are unique in the project, in lower case{prefix}"

    def _line(self, path: Path) -> int:
        mark = self.built.mark(path)
        return 1 if mark is None else self.written.line_at(mark.start)

    def _add(self, fault: Fault, line: int | None = None) -> None:
        if len(self.problems) < _ENOUGH:
            where = self._line(fault.path) if line is None else line
            self.problems[fault.problem(self.written.file, where)] = None

    def _refuse(self) -> NoReturn:
        problems = sorted(self.problems, key=lambda each: (each.file != self.written.file, each.line))
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise InvalidInput(f"{shown(self.written.file)} is not valid: {count}", problems=tuple(problems))
