"""Processes that the project's commands leave running are known by more than their pid."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tools.machine import Failure, alive, guarded, read_json, run, start_background, stop, wait_until, write_json

FOREVER = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()",
]


def test_a_process_is_stopped_by_its_identity(tmp_path: Path) -> None:
    process = start_background(FOREVER, log=tmp_path / "log")
    assert alive(process)
    stop(process, grace=5)
    assert not alive(process)


def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = start_background(STUBBORN, log=log)
    assert wait_until(lambda: "up" in log.read_text(), 10)
    stop(process, grace=0.1)
    assert not alive(process)


def test_a_pid_that_belongs_to_another_process_now_is_left_alone(tmp_path: Path) -> None:
    process = start_background(FOREVER, log=tmp_path / "log")
    former = {**process, "born": "0"}
    try:
        assert not alive(former)
        stop(former, grace=0.1)
        assert alive(process)
    finally:
        stop(process, grace=5)


def test_nothing_to_stop_is_no_error() -> None:
    stop(None, grace=1)
    assert not alive({})


def test_a_program_that_fails_is_told_with_the_end_of_its_output() -> None:
    with pytest.raises(Failure, match="Trying it failed") as caught:
        run(["sh", "-c", "echo first; echo last; exit 3"], log="test-run", what="Trying it")
    assert "last" in str(caught.value)


@pytest.mark.parametrize(
    ("number", "advice"), [("ENOSPC", "Free some space"), ("EROFS", "writable"), ("EACCES", "writable")]
)
def test_a_disk_that_cannot_be_written_ends_in_one_message(
    number: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import errno

    def main() -> int:
        code = getattr(errno, number)
        raise OSError(code, os.strerror(code), "/somewhere")

    before = signal.getsignal(signal.SIGTERM)
    try:
        assert guarded(main) == 1
    finally:
        signal.signal(signal.SIGTERM, before)
    said = capsys.readouterr().err
    assert "/somewhere" in said
    assert advice in said


def test_a_file_that_was_cut_short_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "made.json"
    write_json(path, {"a": 1})
    assert read_json(path) == {"a": 1}
    path.write_text('{"a": ')
    assert read_json(path) == {}
