"""Budgets and habits that keep the code readable; each exception has its reason beside it."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable
from pathlib import Path

from tests.tree.tree import PACKAGE, ROOT, SOURCES, functions, modules, name, syntax

FILE_LINES = 300
FUNCTION_LINES = 40
BUDGETED = ("maelstrom", "migrations", "tools")
LONG_FILES = {
    "maelstrom/activation/converge.py": 365,  # one loop; its steps are short and read in their order
    "maelstrom/model/errors.py": 400,  # a list
}
LONG_FUNCTIONS = {
    "maelstrom/daemon/node.py:Node.start": 50,  # the order of the start, each step with its reason: one list
}

# Where tasks may be made: their owner sees to it that they end, and that nobody misses it if they die.
TASK_OWNERS = {
    "maelstrom/daemon/supervisor.py",  # the owner of all others
    "maelstrom/daemon/life.py",  # start and stop themselves, awaited in the same function
    "maelstrom/activation/transport.py",  # one exchange, awaited in the same function: its container's end cuts it
}
# Who reads the environment: everybody else is handed settings.
ENVIRONMENT_READERS = (
    "maelstrom/daemon/environment.py",
    "maelstrom/daemon/main.py",  # hands it to the former
    "maelstrom/daemon/worker.py",  # another process that begins
    "maelstrom/daemon/parts.py",  # hands DOCKER_* to the engine's client, as the Docker command line reads them
    "maelstrom/cli/",
)
# Names that say nothing about what is inside.
EMPTY_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "base", "misc"}


def test_files_keep_their_budget() -> None:
    lengths = {name(path): len(path.read_text().splitlines()) for path in modules(*BUDGETED)}
    assert {n: lines for n, lines in lengths.items() if lines > LONG_FILES.get(n, FILE_LINES)} == {}


def test_functions_keep_their_budget() -> None:
    lengths = _function_lengths()
    assert {n: lines for n, lines in lengths.items() if lines > LONG_FUNCTIONS.get(n, FUNCTION_LINES)} == {}


def test_exceptions_from_the_budgets_are_still_needed() -> None:
    assert [n for n in LONG_FILES if len((ROOT / n).read_text().splitlines()) <= FILE_LINES] == []
    lengths = _function_lengths()
    assert [n for n in LONG_FUNCTIONS if lengths.get(n, 0) <= FUNCTION_LINES] == []


def test_files_open_with_what_they_are_for() -> None:
    assert [name(path) for path in modules(*SOURCES) if not _says_what_it_is_for(path)] == []


def test_file_names_say_what_is_inside() -> None:
    assert [name(path) for path in modules(*SOURCES) if EMPTY_NAMES & {path.stem, *path.parts}] == []


def test_tasks_are_made_by_their_owners_only() -> None:
    made = {name(path): _tasks_made(path) for path in modules("maelstrom")}
    assert {n: lines for n, lines in made.items() if lines and n not in TASK_OWNERS} == {}


def test_environment_is_read_in_one_place() -> None:
    read = {name(path): _lines(path, _reads_the_environment) for path in modules("maelstrom")}
    assert {n: lines for n, lines in read.items() if lines and not n.startswith(ENVIRONMENT_READERS)} == {}


def test_tests_do_not_skip() -> None:
    found = {name(path): _lines(path, _skips) for path in modules("tests")}
    assert {n: lines for n, lines in found.items() if lines} == {}


def test_tests_use_fakes_instead_of_patching_by_name() -> None:
    found = {name(path): _lines(path, _patches_by_name) for path in modules("tests")}
    assert {n: lines for n, lines in found.items() if lines} == {}


def test_every_package_is_installed_and_says_what_it_is() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {path.parent for path in modules("maelstrom")}
    assert {name(p).replace("/", ".") for p in found} | {
        "maelstrom.migrations",
        "maelstrom.migrations.versions",
    } == set(listed)
    assert [name(folder) for folder in sorted(found) if not (folder / "__init__.py").exists()] == []


def _function_lengths() -> dict[str, int]:
    return {
        f"{name(path)}:{function}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in modules(*BUDGETED)
        for function, node in functions(path)
    }


def _says_what_it_is_for(path: Path) -> bool:
    tree = syntax(path)
    if not tree.body and path.name == "__init__.py" and PACKAGE not in path.parents:
        return True
    first = (ast.get_docstring(tree) or "").split("\n\n")[0].rstrip()
    return first.endswith((".", ":", "?", ")", "`"))


def _lines(path: Path, rule: Callable[[ast.AST], bool]) -> list[int]:
    return [getattr(node, "lineno", 0) for node in ast.walk(syntax(path)) if rule(node)]


def _tasks_made(path: Path) -> list[int]:
    """Lines that make a task outside a task group, which is an owner: it waits for all it made."""
    tree = syntax(path)
    items = [item for node in ast.walk(tree) if isinstance(node, ast.AsyncWith) for item in node.items]
    groups = {
        item.optional_vars.id
        for item in items
        if isinstance(item.context_expr, ast.Call)
        and _called(item.context_expr) == "TaskGroup"
        and isinstance(item.optional_vars, ast.Name)
    }
    return _lines(path, lambda node: _makes_a_task(node) and _owner(node) not in groups)


def _makes_a_task(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _called(node) in ("create_task", "ensure_future")


def _owner(node: ast.AST) -> str:
    function = node.func if isinstance(node, ast.Call) else None
    owner = function.value if isinstance(function, ast.Attribute) else None
    return owner.id if isinstance(owner, ast.Name) else ""


def _reads_the_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and bool({a.name for a in node.names} & {"environ", "getenv"})
    if not isinstance(node, ast.Attribute) or node.attr not in ("environ", "environb", "getenv"):
        return False
    return isinstance(node.value, ast.Name) and node.value.id == "os"


def _skips(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in ("skip", "skipif", "xfail", "importorskip")


def _patches_by_name(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    if _called(node) == "patch":
        return True
    first = node.args[0] if node.args else None
    return _called(node) == "setattr" and isinstance(first, ast.Constant) and "." in str(first.value)


def _called(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
