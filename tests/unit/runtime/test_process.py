"""Processes that are seen past the engine."""

from __future__ import annotations

import os
import subprocess
import sys

from maelstrom.runtime.process import has_ended, is_over


def test_a_process_is_over_before_anybody_takes_notice_and_has_ended_after_that() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert not is_over(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is still there
        assert is_over(process.pid)
        assert not has_ended(process.pid)
    assert is_over(process.pid)
    assert has_ended(process.pid)


def test_of_one_that_cannot_be_seen_nothing_is_known() -> None:
    assert not is_over(0)
