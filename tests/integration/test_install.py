"""`pip install .` from a plain source tree brings both commands and all that they need, wherever they are run."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("LICENSE", "README.md", "pyproject.toml", "maelstrom", "migrations")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built from a copy without `.git` and put into a folder of its own."""
    tree, target = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("target")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, tree / name)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(target), str(tree)]
    done = subprocess.run([*pip, *offline], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Runs an installed command from an empty directory, so that nothing of the source tree can help it."""
    env = {name: text for name, text in os.environ.items() if not name.startswith(("MAEL_", "MAELSTROM_"))}
    env |= {"PYTHONPATH": str(installed), "MAEL_STATE_DIR": str(tmp_path / "state")}
    (tmp_path / "empty").mkdir()

    def command(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        line = [str(installed / "bin" / name), *arguments]
        return subprocess.run(
            line, cwd=tmp_path / "empty", env=env, capture_output=True, text=True, timeout=30, check=False
        )

    return command


def test_installed_package_is_the_one_that_runs(installed: Path, run: Run) -> None:
    assert (installed / "maelstrom" / "migrations" / "versions").is_dir()
    done = run("maelstromd", "version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "maelstromd")


def test_migrate_makes_the_schema_from_the_installed_migrations(run: Run, tmp_path: Path) -> None:
    done = run("maelstromd", "migrate")
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(tmp_path / "state" / "maelstrom.db") as database:
        tables = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
    assert "schema_version" in tables


def test_maelctl_validates_without_a_server(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty" / "project.yml").write_text("name: p\ncomponents: {web: {image: web}}\n")
    done = run("maelctl", "validate")
    assert done.returncode == 0, done.stderr


def test_wrong_settings_end_with_2_and_name_the_setting(run: Run) -> None:
    done = run("maelstromd", "--public-listen=nowhere", "check-config")
    assert done.returncode == 2
    assert "MAEL_PUBLIC_LISTEN" in done.stderr
    assert "Traceback" not in done.stderr
