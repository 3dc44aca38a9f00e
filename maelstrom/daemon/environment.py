"""From flags, environment and a settings file to `Settings`: read once, every problem named at once.

A flag wins over the environment, the environment over the file. Besides the command line tool this is the only reader
of the environment; it opens no connection and makes no directory.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import socket
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn, cast

import yaml
from pydantic import ValidationError

from maelstrom.daemon import ancestor
from maelstrom.daemon.setting_conflicts import conflicts
from maelstrom.daemon.setting_values import EMPTY_MEANS_SOMETHING, PREFIX, convert, masked, variable
from maelstrom.model.errors import InvalidSettings, Problem
from maelstrom.model.settings import Settings

Command = Literal["run", "migrate", "new-era", "upgrade", "check-config", "version"]
NO_FLAG = frozenset({"admin_token", "acme_eab_hmac_key"})  # a command line is readable by everybody on the host
_COMMANDS: dict[Command, str] = {
    "run": "runs the node, in the foreground; what is done without a command",
    "migrate": "brings the database's schema up to date, and ends",
    "new-era": "after the database was put back from a copy while all nodes were stopped",
    "upgrade": "the running node of the state directory is followed by a new process, without a gap",
    "check-config": "shows the settings in force, or every problem",
    "version": "shows the version",
}
_RANGES = {"greater_than_equal": "must be at least {ge}", "less_than_equal": "must be at most {le}"}
_KNOWN = frozenset(variable(name) for name in Settings.model_fields)
_LINE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\s*=")
_FILE_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Loaded:
    """`notices` are for the log, once it is set up. `exports`: what the file says for libraries (AWS_*, DOCKER_*)."""

    command: Command
    settings: Settings
    notices: tuple[str, ...] = ()
    exports: Mapping[str, str] = field(default_factory=dict)

    def export(self, environ: MutableMapping[str, str]) -> None:
        """Hands the file's other names to the libraries that read the environment; what is set there wins."""
        for name, value in self.exports.items():
            environ.setdefault(name, value)

    def shown(self) -> dict[str, str]:
        """The settings in force by their names, secrets masked."""
        return {variable(name): masked(name, getattr(self.settings, name)) for name in Settings.model_fields}


@dataclass(slots=True)
class _Entry:
    """A setting's text and where it stands."""

    text: str
    name: str  # as the user wrote it
    file: str = ""
    line: int = 0


def load(argv: Sequence[str], environ: Mapping[str, str]) -> Loaded:
    """Settings and command of `maelstromd argv…`. Raises InvalidSettings with every problem."""
    if misspelt := tuple(_misspelt(argv)):
        raise InvalidSettings(misspelt)
    arguments = _parser().parse_intermixed_args([_with_value(a) for a in argv])
    command = cast(Command, "version" if arguments.version else arguments.command)
    problems: list[Problem] = []
    notices: list[str] = []
    if command == "version":
        return Loaded(command, _settings({}, {}, problems))
    file = _read_file(arguments.config, problems) if arguments.config else {}
    layers = (file, _entries(environ), _flags(arguments))
    merged: dict[str, _Entry] = {}
    for layer in layers:
        merged |= _translated(layer, notices)
    exports = {name: entry.text for name, entry in file.items() if not name.startswith(PREFIX)}
    notices += _unknown(merged)
    settings = _settings(merged, environ, problems)
    return Loaded(command, settings, tuple(notices), exports)


def _parser() -> argparse.ArgumentParser:
    commands = "\n".join(f"  {name:<14}{text}" for name, text in _COMMANDS.items())
    parser = _Parser(
        prog="maelstromd",
        usage="%(prog)s [COMMAND] [OPTION…]",
        description=f"Runs a node of Maelstrom.\n\ncommands:\n{commands}\n\n"
        "Every setting is also read from the environment, under the name in capitals.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("command", nargs="?", default="run", choices=_COMMANDS, help=argparse.SUPPRESS)
    parser.add_argument("--version", action="store_true", help="the same as version")
    parser.add_argument("-f", "--config", metavar="FILE", help="NAME=value lines, or YAML")
    for name, info in Settings.model_fields.items():
        if name not in NO_FLAG:
            text = f"{variable(name)}: {info.description}".replace("%", "%%")
            parser.add_argument(_flag(name), dest=name, metavar="VALUE", help=text)
    return parser


def _misspelt(argv: Sequence[str]) -> Iterator[Problem]:
    """Flags that are none: argparse would take the word after one for a command, and complain of that."""
    known = ["--help", "--version", "--config", *(_flag(n) for n in Settings.model_fields if n not in NO_FLAG)]
    for name in (argument.partition("=")[0] for argument in argv):
        if name.startswith("--") and name != "--" and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean `{near[0]}`?" if near else "see `maelstromd --help`"
            yield Problem("arguments", f"`{name}` is no option", hint)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InvalidSettings((Problem("arguments", message, "see `maelstromd --help`"),))


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _with_value(argument: str) -> str:
    """`--stop-containers` alone means true, without taking the command after it for its value."""
    booleans = {_flag(name) for name, info in Settings.model_fields.items() if info.annotation is bool}
    return f"{argument}=true" if argument in booleans else argument


def _flags(arguments: argparse.Namespace) -> dict[str, _Entry]:
    given = {n: getattr(arguments, n) for n in Settings.model_fields if n not in NO_FLAG}
    return {variable(n): _Entry(text, _flag(n)) for n, text in given.items() if text is not None}


def _entries(environ: Mapping[str, str]) -> dict[str, _Entry]:
    """What of the environment is ours: our names, and the ancestor's few without our prefix."""
    others = ancestor.GONE.keys() | ancestor.aliases().keys()
    return {n: _Entry(text, n) for n, text in environ.items() if n.startswith(PREFIX) or n in others}


def _translated(layer: dict[str, _Entry], notices: list[str]) -> dict[str, _Entry]:
    """The layer in today's names, without what is empty: that means unset, as in a compose file."""
    result = ancestor.translate({name: entry.text for name, entry in layer.items()}, _KNOWN)
    notices += result.notices
    entries = {}
    for name, text in result.names.items():
        entry = layer.get(result.origin.get(name, name), _Entry(text, name))
        if text.strip() or name in map(variable, EMPTY_MEANS_SOMETHING):
            old = result.origin.get(name)
            entries[name] = _Entry(text.strip(), old or entry.name, entry.file, entry.line)
    return entries


def _unknown(merged: Mapping[str, _Entry]) -> Iterator[str]:
    for name, entry in merged.items():
        # http_proxy and its like are the only small names that libraries read
        short = bool(entry.file) and name.islower() and not name.endswith("_proxy")
        if short or (name.startswith(PREFIX) and name not in _KNOWN):
            near = difflib.get_close_matches(name, Settings.model_fields if short else _KNOWN, n=1)
            where = f" ({entry.file}:{entry.line})" if entry.file else ""
            yield f"{name}{where} is no setting and is ignored" + (f"; is {near[0]} meant?" if near else "")


def _settings(merged: Mapping[str, _Entry], environ: Mapping[str, str], problems: list[Problem]) -> Settings:
    values: dict[str, Any] = {}
    for name in Settings.model_fields:
        entry = merged.get(variable(name))
        if entry is None:
            continue
        try:
            values[name] = convert(name, entry.text)
        except ValueError as error:
            problems.append(_problem(name, str(error), entry))
    values.setdefault("state_dir", _default_state_dir(environ))
    values.setdefault("node_name", _default_node_name())
    if not any(p.path == "MAEL_DATABASE_URL" for p in problems):
        values.setdefault("database_url", f"sqlite:///{values['state_dir']}/maelstrom.db")
        if not values["database_url"].startswith("sqlite"):
            values.setdefault("database_listen_url", values["database_url"])
    defaults = {n: info.default for n, info in Settings.model_fields.items() if variable(n) not in merged}
    problems += conflicts(defaults | values)
    try:
        settings = Settings(**values)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            name = str(found["loc"][0])
            words = _RANGES.get(found["type"])
            message = words.format(**found["ctx"]) if words else found["msg"]
            problems.append(_problem(name, message, merged.get(variable(name))))
    if problems:
        raise InvalidSettings(tuple(sorted(problems, key=lambda p: p.path)))
    return settings


def _problem(name: str, message: str, entry: _Entry | None) -> Problem:
    written = entry.name if entry is not None and entry.name != variable(name) else ""
    hint = f"given as {written}" if written else "see docs/settings.md"
    return Problem(variable(name), message, hint, entry.file if entry else "", entry.line if entry else 0)


def _default_state_dir(environ: Mapping[str, str]) -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/maelstrom")
    base = environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / "maelstrom"


def _default_node_name() -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname()).strip("-_.")[:63] or "node"


def _read_file(path: str, problems: list[Problem]) -> dict[str, _Entry]:
    try:
        with Path(path).expanduser().open("rb") as stream:
            data = stream.read(_FILE_LIMIT + 1)
        if len(data) > _FILE_LIMIT:
            raise ValueError("is larger than 1 MiB")
        text = data.decode("utf-8-sig")
    except OSError as error:
        problems.append(
            Problem("--config", f"cannot read {path}: {error.strerror}", "check the path and its mode", path)
        )
        return {}
    except ValueError as error:
        problems.append(Problem("--config", f"{path} is no settings file: {error}", "NAME=value lines or YAML", path))
        return {}
    is_yaml = path.endswith((".yml", ".yaml")) or not any(_LINE.match(line.strip()) for line in text.splitlines())
    return _read_yaml(path, text, problems) if is_yaml else _read_lines(path, text, problems)


def _read_lines(path: str, text: str, problems: list[Problem]) -> dict[str, _Entry]:
    found: dict[str, _Entry] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not name.isidentifier():
            problems.append(Problem("--config", "this line is no NAME=value", "comments begin with #", path, number))
            continue
        found[name] = _Entry(value, name, path, number)
    return found


def _read_yaml(path: str, text: str, problems: list[Problem]) -> dict[str, _Entry]:
    """A flat map: keys are the names of the environment, or the same in small letters without `MAEL_`."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        message = getattr(error, "problem", None) or "is no YAML"
        problems.append(
            Problem("--config", str(message), "NAME=value lines or YAML", path, mark.line + 1 if mark else 0)
        )
        return {}
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        problems.append(Problem("--config", "is no map of settings", "one `public_listen: 0.0.0.0:80` a line", path, 1))
        return {}
    found: dict[str, _Entry] = {}
    for key, value in node.value:
        items = value.value if isinstance(value, yaml.SequenceNode) else [value]
        if not all(isinstance(item, yaml.ScalarNode) for item in (key, *items)):
            where = Problem("--config", "is not one name with one value or a list", "", path, key.start_mark.line + 1)
            problems.append(where)
            continue
        name = variable(key.value) if key.value in Settings.model_fields else key.value
        texts = ["" if item.tag == "tag:yaml.org,2002:null" else item.value for item in items]
        found[name] = _Entry(",".join(texts), name, path, key.start_mark.line + 1)
    return found
