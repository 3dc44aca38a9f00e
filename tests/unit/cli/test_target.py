"""Which daemon, and with which token."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from maelstrom.cli.target import DEFAULT_URL, Options, default_state_dir, find_target
from maelstrom.model.errors import Unavailable

ADMIN = "http://127.0.0.1:4711"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "ready.json").write_text(json.dumps({"pid": 1, "admin": ADMIN}))
    (tmp_path / "admin-token").write_text("from-the-file\n")
    return tmp_path


def find(options: Options | None = None, **environ: str) -> tuple[str, str]:
    target = find_target(options or Options(), environ)
    return target.url, target.token


def test_state_directory_says_address_and_token(state: Path) -> None:
    assert find(Options(state_dir=str(state))) == (ADMIN, "from-the-file")
    assert find(MAEL_STATE_DIR=str(state)) == (ADMIN, "from-the-file")


def test_flag_wins_over_environment_and_environment_over_state_directory(state: Path) -> None:
    environ = {"MAEL_STATE_DIR": str(state), "MAELSTROM_URL": "http://env:1", "MAELSTROM_TOKEN": "env"}
    assert find(**environ) == ("http://env:1", "env")
    assert find(Options(url="http://flag:1", token="flag"), **environ) == ("http://flag:1", "flag")
    assert find(Options(url="http://flag:1"), **environ) == ("http://flag:1", "env")
    assert find(MAEL_STATE_DIR=str(state), MAELSTROM_TOKEN="env") == (ADMIN, "env")
    assert find(MAEL_STATE_DIR=str(state), MAELSTROM_URL="http://env:1") == ("http://env:1", "from-the-file")
    other = state / "other"
    other.mkdir()
    (other / "ready.json").write_text(json.dumps({"admin": "http://127.0.0.1:1"}))
    assert find(Options(state_dir=str(other)), MAEL_STATE_DIR=str(state)) == ("http://127.0.0.1:1", "")


def test_empty_variable_is_unset(state: Path) -> None:
    assert find(MAEL_STATE_DIR=str(state), MAELSTROM_URL="", MAELSTROM_TOKEN="") == (ADMIN, "from-the-file")


def test_named_state_directory_without_a_ready_daemon_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"no ready\.json"):
        find(Options(state_dir=str(tmp_path)))
    with pytest.raises(Unavailable):
        find(MAEL_STATE_DIR=str(tmp_path / "nowhere"))
    assert find(Options(state_dir=str(tmp_path), url=ADMIN)) == (ADMIN, "")


@pytest.mark.parametrize("content", ["", "{", "[]", "5", '{"admin": 5}', "\udcff"])
def test_broken_ready_file_is_none(state: Path, content: str) -> None:
    (state / "ready.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(Unavailable):
        find(Options(state_dir=str(state)))


def test_nothing_said_means_the_daemons_own_defaults(tmp_path: Path) -> None:
    found = default_state_dir({"XDG_STATE_HOME": str(tmp_path)})
    assert found in (Path("/var/lib/maelstrom"), tmp_path / "maelstrom")
    assert DEFAULT_URL == "http://127.0.0.1:8374"
