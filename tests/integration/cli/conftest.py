"""`maelctl` against a real admin API: within the test's process for speed, or as a process of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from maelstrom.cli.main import run
from tests.support.admin import AdminThread, database, template, threaded

__all__ = ["database", "template", "threaded"]

MAELCTL = Path(sys.executable).parent / "maelctl"


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.code == 0, self
        return json.loads(self.out)


Ctl = Callable[..., Done]


@pytest.fixture
def environ(threaded: AdminThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a user beside a running daemon, in a directory of the test's own."""
    for name in list(os.environ):
        if name.startswith(("MAEL_", "MAELSTROM_")):
            monkeypatch.delenv(name)
    state, here = tmp_path / "state", tmp_path / "here"
    state.mkdir()
    here.mkdir()
    (state / "ready.json").write_text(json.dumps({"admin": threaded.url}))
    (state / "admin-token").write_text(threaded.token + "\n")
    monkeypatch.chdir(here)
    monkeypatch.setenv("MAEL_STATE_DIR", str(state))
    return dict(os.environ)


@pytest.fixture
def ctl(environ: dict[str, str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ctl:
    """Runs it in this process."""

    def call(*arguments: str, input: str = "") -> Done:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(input.encode())))
        capfd.readouterr()
        code = run(arguments)
        return Done(code, *capfd.readouterr())

    return call


@pytest.fixture
def process(environ: dict[str, str]) -> Ctl:
    """Runs it as people do."""

    def call(*arguments: str, input: str | None = None, env: dict[str, str] | None = None) -> Done:
        done = subprocess.run(
            [str(MAELCTL), *arguments],
            env={**environ, **(env or {})},
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            encoding="utf-8",
            timeout=30,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    return call
