"""The state directory: one holder, closed to others, whole files."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from maelstrom.daemon.state import StateDirectory
from maelstrom.model.errors import InvalidSettings, StateInUse


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_closed_to_group_and_others_with_all_that_is_in_it(tmp_path: Path) -> None:
    state = StateDirectory.open(tmp_path / "a" / "state")
    token = state.admin_token("")
    state.write_ready({"pid": 1})
    assert len(token) >= 32
    assert mode(state.path) == 0o700
    assert {mode(p) for p in state.path.iterdir()} == {0o600}
    state.close()


def test_a_second_daemon_is_told_who_holds_it(tmp_path: Path) -> None:
    state = StateDirectory.open(tmp_path)
    with pytest.raises(StateInUse, match="in use by process"):
        StateDirectory.open(tmp_path)
    state.close()
    StateDirectory.open(tmp_path).close()


def test_token_and_identity_stay_and_a_given_token_wins(tmp_path: Path) -> None:
    state = StateDirectory.open(tmp_path)
    token, identity = state.admin_token(""), state.identity()
    state.close()
    state = StateDirectory.open(tmp_path)
    assert (state.admin_token(""), state.identity()) == (token, identity)
    assert state.admin_token("given") == "given"
    assert (tmp_path / "admin-token").read_text() == "given"
    state.close()


def test_ready_json_is_gone_after_the_end_and_after_a_kill(tmp_path: Path) -> None:
    state = StateDirectory.open(tmp_path)
    state.write_ready({"pid": 1})
    assert (tmp_path / "ready.json").exists()
    state.close()
    assert not (tmp_path / "ready.json").exists()
    (tmp_path / "ready.json").write_text("{}")
    StateDirectory.open(tmp_path).close()
    assert not (tmp_path / "ready.json").exists()


def test_a_place_that_cannot_be_used_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidSettings) as refused:
        StateDirectory.open(tmp_path / "file" / "state")
    problem = refused.value.problems[0]
    assert problem.path == "MAEL_STATE_DIR"
    assert problem.hint


def test_the_internal_port_is_remembered_for_the_next_process(tmp_path: Path) -> None:
    state = StateDirectory.open(tmp_path)
    assert state.last_port() == 0
    state.remember_port(8375)
    state.close()
    state = StateDirectory.open(tmp_path)
    assert state.last_port() == 8375
    (tmp_path / "internal-port").write_text("nonsense")
    assert state.last_port() == 0
    state.close()
