"""A project file → the project's definition, or every problem with it at once.

The steps: paste variables, read YAML, build values, check them by the models, check names, expand crontab, merge
environments. Each step says all it can say even where another one failed; files are only read through `read_file`.
Checked is component by component and source by source: what is right is not held twice, and of what is wrong in very
many places not all is collected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from maelstrom.model.component import ComponentDefinition
from maelstrom.model.errors import InvalidInput, Problem
from maelstrom.model.manifest.build import Built, Path, build
from maelstrom.model.manifest.crontab import expand
from maelstrom.model.manifest.faults import MAX_PROBLEMS, Fault, faults_of
from maelstrom.model.manifest.file_model import FileComponent, FilePage, FileProject
from maelstrom.model.manifest.shape import shape_of
from maelstrom.model.manifest.tree import MAX_CHARACTERS, MAX_VALUES, Unreadable, compose
from maelstrom.model.manifest.written import Written
from maelstrom.model.names import MAX_FULL, name_fault, normal_name, normal_project, project_fault
from maelstrom.model.project import ComponentEntry, ProjectDefinition, SourceEntry, kinds_fault
from maelstrom.model.project_answers import ErrorPage, ResponseHeader, content_type_of
from maelstrom.model.rules import shown
from maelstrom.model.source import SOURCE_TYPES
from maelstrom.model.variables import merged, read_envfile

M = TypeVar("M", bound=BaseModel)

_ENOUGH = 10 * MAX_PROBLEMS  # found, before the first ones by line are shown
_FILE = shape_of(FileProject)
_COMPONENT = FileComponent(image="image")  # stands for one that is checked on its own


def read_project(
    text: bytes | str, *, file: str, environ: Mapping[str, str], read_file: Callable[[str], bytes]
) -> ProjectDefinition:
    """`file`: its name in messages. `environ`: variables for `${…}`. `read_file` gets the path of the `envfile` as it
    is written, may raise OSError, and should not read more than a MiB. Raises InvalidInput with all problems."""
    written = Written.read(text, file=file, environ=dict(environ))
    try:
        reading = _Reading(written, build(compose(written.text), _FILE))
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
        self.names: dict[str, str] = {}  # of components: normal → as written
        self.components: dict[str, ComponentDefinition] = {}  # by name as written
        self.sources: dict[str, dict[str, SourceEntry]] = {}  # by component as written, then by normal name
        self.owners: dict[str, tuple[str, int]] = {}  # normal names of sources → component as written, line

    def run(self, read_file: Callable[[str], bytes]) -> ProjectDefinition:
        for path, offset, other, message, hint in self.built.faults[:_ENOUGH]:
            also = "" if other is None else f"; first in line {self.written.line_at(other)}"
            self._add(Fault(path, message + also, hint), self.written.line_at(offset))
        checked = self._check(FileProject, self._outline(), ())
        self._project_name()
        components = self._at("components")
        for name, entry in components.items() if isinstance(components, dict) else ():
            if len(self.problems) >= _ENOUGH:
                break
            self._component(name, entry)
        shared = merged(self._envfile(read_file), () if checked is None else checked.environment)
        pages = self._pages({} if checked is None else checked.errorpages, read_file)
        if checked is None or self.problems:
            self._refuse()
        return self._assemble(shared, checked.responseheaders, pages)

    def _outline(self) -> Any:
        """The file with nothing in its components, whose turn comes one by one."""
        components = self._at("components")
        if not isinstance(components, dict):
            return self.built.value
        return {
            **self.built.value,
            "components": {
                name: _COMPONENT if isinstance(entry, dict) else entry for name, entry in components.items()
            },
        }

    def _project_name(self) -> None:
        written = self._at("name")
        if isinstance(written, str):
            self.project = normal_project(written)
            if reason := project_fault(self.project):
                self._add(Fault(("name",), reason, "at most 20 letters, digits, `_` and `-`"))
                self.project = ""

    def _component(self, name: str, entry: Any) -> None:
        path: Path = ("components", name)
        normal = normal_name(name, self.project)
        if reason := name_fault(normal, self.project):
            self._add(Fault(path, reason))
        elif normal in self.names:
            first = self.names[normal]
            reason = f"is the same component as {shown(first)} in line {self._line(('components', first))}"
            self._add(Fault(path, reason, self._same_hint()))
        else:
            self.names[normal] = name
        if isinstance(entry, dict):
            self._definition(name, entry, path)
            self._sources(name, entry, path)

    def _definition(self, name: str, entry: dict[str, Any], path: Path) -> None:
        fields = {key: value for key, value in entry.items() if key not in ("eventsources", "crontab")}
        definition = self._check(ComponentDefinition, fields, path)
        if definition is not None:
            self.components[name] = definition

    def _sources(self, component: str, entry: dict[str, Any], path: Path) -> None:
        written, crontab = entry.get("eventsources", {}), entry.get("crontab", "")
        if not isinstance(written, dict) or not isinstance(crontab, str):
            outline = {"eventsources": {} if isinstance(written, dict) else written, "crontab": crontab}
            self._check(FileComponent, {"image": "image", **outline}, path)
        found = self.sources[component] = {}
        for name, value in written.items() if isinstance(written, dict) else ():
            self._source(name, value, component, found)
        if isinstance(crontab, str) and crontab:
            self._crontab(crontab, component, found)

    def _source(self, name: str, value: Any, component: str, found: dict[str, SourceEntry]) -> None:
        path: Path = ("components", component, "eventsources", name)
        source = self._check(SourceEntry, value, path)
        kinds = [kind for kind in SOURCE_TYPES if isinstance(value, dict) and kind in value]
        if len(kinds) > 1:  # the model says so too, but only once each kind is right in itself
            self._add(Fault(path, kinds_fault(kinds)))
        normal = normal_name(name, self.project)
        if reason := name_fault(normal, self.project):
            self._add(Fault(path, reason))
        elif self._claim(normal, component, path, self._line(path)) and source is not None:
            found[normal] = source

    def _crontab(self, text: str, component: str, found: dict[str, SourceEntry]) -> None:
        path: Path = ("components", component, "crontab")
        block = self.built.blocks.get(path)
        for each in expand(normal_name(component, self.project), text):
            line = self._line(path) if block is None else self.written.line_after(block, each.number + 1)
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
            return read_envfile(self._read(read_file, path, ("envfile",)), path)
        except InvalidInput as error:
            self.problems |= dict.fromkeys(error.problems or (Problem("envfile", error.message, file=path),))
        return ()

    def _pages(self, pages: Mapping[str, FilePage], read_file: Callable[[str], bytes]) -> dict[str, ErrorPage]:
        found: dict[str, ErrorPage] = {}
        for status, page in sorted(pages.items()):
            path: Path = ("errorpages", status)
            text = page.body
            if page.file:
                content = self._read(read_file, page.file, (*path, "file"))
                try:
                    text = content.decode("utf-8-sig")
                except UnicodeDecodeError:
                    self._add(Fault((*path, "file"), f"{shown(page.file)} is not UTF-8", "save it as UTF-8"))
                    continue
            kind = page.contenttype or content_type_of(page.file, text)
            checked = self._check(ErrorPage, {"body": text, "contenttype": kind}, path)
            if checked is not None:
                found[status] = checked
        return found

    def _read(self, read_file: Callable[[str], bytes], name: str, path: Path) -> bytes:
        """The file that is named at `path`; empty, and a problem more, if it cannot be read."""
        try:
            return read_file(name)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            hint = "the path is relative to the working directory"
            self._add(Fault(path, f"{shown(name)} cannot be read: {reason}", hint))
        return b""

    def _assemble(
        self, shared: tuple[str, ...], headers: tuple[ResponseHeader, ...], pages: dict[str, ErrorPage]
    ) -> ProjectDefinition:
        if (
            sum(map(len, shared)) * len(self.components) > MAX_CHARACTERS
            or len(shared) * len(self.components) > 2 * MAX_VALUES
        ):
            self._add(Fault(("environment",), "so many variables for so many components are too much"))
            self._refuse()
        self.built = Built()  # its places are not needed any more
        entries = {normal: self._entry(name, shared) for normal, name in sorted(self.names.items())}
        try:
            return ProjectDefinition(name=self.project, responseheaders=headers, errorpages=pages, components=entries)
        except ValidationError as error:
            for fault in faults_of(error, shape_of(ProjectDefinition)):
                self._add(fault)
            self._refuse()

    def _entry(self, name: str, shared: tuple[str, ...]) -> ComponentEntry:
        definition = self.components[name]
        if shared:
            definition = definition.model_copy(update={"environment": merged(shared, definition.environment)})
        return ComponentEntry(component=definition, eventsources=dict(sorted(self.sources[name].items())))

    def _check(self, model: type[M], value: Any, path: Path) -> M | None:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            for fault in faults_of(error, _FILE, path, self.built.marks.__contains__):
                self._add(fault)
                if len(self.problems) >= _ENOUGH:
                    break
            return None

    def _at(self, *path: str | int) -> Any:
        value = self.built.value
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def _same_hint(self) -> str:
        prefix = f" and without the prefix `{self.project}_`" if self.project else ""
        return f"names are unique in the project, in lower case{prefix}"

    def _line(self, path: Path) -> int:
        mark = self.built.mark(path)
        return 1 if mark is None else self.written.line_at(mark)

    def _add(self, fault: Fault, line: int | None = None) -> None:
        if len(self.problems) < _ENOUGH:
            where = self._line(fault.path) if line is None else line
            self.problems[fault.problem(self.written.file, where)] = None

    def _refuse(self) -> NoReturn:
        problems = sorted(self.problems, key=lambda each: (each.file != self.written.file, each.line))
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise InvalidInput(f"{shown(self.written.file)} is not valid: {count}", problems=tuple(problems))
