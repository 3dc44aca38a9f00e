"""The proof in the package's docstring stands on tests that exist, and each obligation on at least one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import maelstrom.leases

ROOT = Path(__file__).parents[3]
PROOF = maelstrom.leases.__doc__ or ""
LIST = PROOF.partition("The obligations, and what shows each")[2].partition("What holds only in part")[0]
OBLIGATIONS = re.split(r"^(?=O\d+ )", LIST, flags=re.MULTILINE)[1:]
NAMED = re.compile(r"(tests/\S+\.py)::(\w+)")


def names_in(path: Path) -> set[str]:
    """Functions, classes and names that are assigned at the top of a file."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return found


def test_obligations_are_numbered_and_each_is_shown_by_tests_that_exist() -> None:
    for number, obligation in enumerate(OBLIGATIONS, 1):
        assert obligation.startswith(f"O{number} ")
        shown_by = NAMED.findall(obligation)
        assert shown_by, f"O{number} is shown by nothing"
        assert [f"{file}::{test}" for file, test in shown_by if test not in names_in(ROOT / file)] == []


def test_the_argument_uses_obligations_that_are_listed() -> None:
    used = {int(number) for number in re.findall(r"\bO(\d+)\b", PROOF)}
    assert used == set(range(1, len(OBLIGATIONS) + 1))
