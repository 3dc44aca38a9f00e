"""What an installed package has inside: every folder of ours, and the migrations."""

from __future__ import annotations

import tomllib
from pathlib import Path

import maelstrom
from maelstrom.registry import migrate

ROOT = Path(maelstrom.__file__).parents[1]


def test_every_package_is_listed_for_installation() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "maelstrom").rglob("__init__.py")}
    assert listed == found | {"maelstrom.migrations", "maelstrom.migrations.versions"}


def test_the_migrations_are_found_in_the_source_tree_and_in_an_installed_package(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    assert (migrate.migrations_folder() / "versions" / "0001_initial.py").is_file()
    (tmp_path / "maelstrom" / "migrations").mkdir(parents=True)
    monkeypatch.setattr(maelstrom, "__file__", str(tmp_path / "maelstrom" / "__init__.py"))
    assert migrate.migrations_folder() == tmp_path / "maelstrom" / "migrations"
