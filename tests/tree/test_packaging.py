"""What a clone brings: pinned requirements that agree with each other, and no machine's own names in any file."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.tree.tree import ROOT

SETS = ("run", "demo", "test")
_PIN = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)", re.MULTILINE)


def pins(kind: str) -> dict[str, str]:
    return dict(_PIN.findall((ROOT / "requirements" / f"{kind}.txt").read_text()))


def wanted(kind: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + project["optional-dependencies"].get(kind, [])
    return {re.split(r"[^A-Za-z0-9_.-]", line)[0].lower().replace("_", "-") for line in lines}


@pytest.mark.parametrize("kind", SETS)
def test_every_requirement_is_pinned_with_its_hash(kind: str) -> None:
    assert wanted(kind) - {name.lower() for name in pins(kind)} == set()
    blocks = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / "requirements" / f"{kind}.txt").read_text())
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_sets_of_requirements_agree() -> None:
    whole = pins("test")
    assert {n: v for kind in SETS for n, v in pins(kind).items() if whole.get(n) != v} == {}


def test_what_can_be_compiled_is_there() -> None:
    tree = ast.parse((ROOT / "setup.py").read_text())
    assigned = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    compiled = ast.literal_eval(assigned["COMPILED"])
    assert [path for path in compiled if not (ROOT / path).is_file()] == []
    assert f'"mypy=={pins("test")["mypy"]}"' in (ROOT / "setup.py").read_text(), "built by what it is tested with"


def test_no_file_names_a_package_registry() -> None:
    hosts = re.compile(r"pypi\.org|pythonhosted|index-url|registry\.npmjs|deb\.debian\.org")
    named = [path.name for path in ROOT.glob("requirements/*.txt") if hosts.search(path.read_text())]
    assert named == []
    assert not (ROOT / "uv.lock").exists() or "uv.lock" in (ROOT / ".gitignore").read_text()


@pytest.mark.parametrize("path", [".ci/run"])
def test_commands_are_executable(path: str) -> None:
    assert (ROOT / path).stat().st_mode & 0o111


def test_ci_runs_make_test_and_hands_on_its_outcome(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_bytes((ROOT / ".ci" / "run").read_bytes())
    for code in (0, 7):
        (tmp_path / "Makefile").write_text(f"test:\n\t@test -n '$(CI)' && exit {code}\n")
        done = subprocess.run(["bash", str(tmp_path / ".ci" / "run")], cwd="/", capture_output=True, check=False)
        assert (done.returncode == 0) == (code == 0)
