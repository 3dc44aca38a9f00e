"""What is written is true: links lead somewhere, named files exist, generated pages are what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maelstrom.daemon.environment import load
from maelstrom.model.manifest import read_project
from tests.tree.tree import ROOT
from tools.reference import drifted

INSTALLED = {"maelstrom/migrations"}  # a folder of the installed package only
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_NAMED = re.compile(r"`((?:maelstrom|migrations|tools|tests|examples|benchmarks|docs|requirements)/[\w./-]*)`")
_YAML = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
_TARGET = re.compile(r"`make ([a-z-]+)`|^\s*make ([a-z-]+)\b", re.MULTILINE)


def documents() -> list[Path]:
    patterns = ("*.md", "docs/**/*.md", "examples/**/*.md", "migrations/*.md", "tests/*.md", "benchmarks/**/*.md")
    return [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def anchors(path: Path) -> set[str]:
    """What a heading is called in a link, as the usual viewers make it."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", documents(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    dead = []
    for link in _LINK.findall(path.read_text()):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        found = path.parent / target if target else path
        if not found.exists() or (anchor and anchor not in anchors(found)):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("path", documents(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_named_files_exist(path: Path) -> None:
    names = set(_NAMED.findall(path.read_text())) - INSTALLED
    assert [n for n in sorted(names) if not (ROOT / n).exists() and not (ROOT / f"{n}.py").exists()] == []


@pytest.mark.parametrize("path", documents(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_named_make_targets_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {a or b for a, b in _TARGET.findall(path.read_text())}
    assert named - targets == set()


def test_generated_references_are_what_the_code_says() -> None:
    assert drifted() == [], "run `make docs`"


def test_changelog_has_an_unreleased_part() -> None:
    assert "\n## Unreleased\n" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("path", documents(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_projects_that_are_shown_are_valid(path: Path) -> None:
    def read_file(name: str) -> bytes:
        raise FileNotFoundError(name)

    for text in _YAML.findall(path.read_text()):
        if text.startswith("name:"):
            read_project(text, file=path.name, environ={}, read_file=read_file)


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*/project.yml")), ids=lambda p: p.parent.name)
def test_examples_are_valid(path: Path) -> None:
    def read_file(name: str) -> bytes:
        return (path.parent / name).read_bytes()

    assert read_project(path.read_bytes(), file=path.name, environ={}, read_file=read_file).components


def test_settings_file_that_is_shown_is_valid(tmp_path: Path) -> None:
    (text,) = _YAML.findall((ROOT / "docs" / "settings.md").read_text())
    (tmp_path / "settings.yml").write_text(text)
    loaded = load(["--config", str(tmp_path / "settings.yml")], {})
    assert loaded.settings.public_listen[0].port == 8080
    assert loaded.notices == ()
