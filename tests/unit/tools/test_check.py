"""`make test` fails for the right reasons."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.check import verdict


@pytest.mark.parametrize(
    ("code", "tests", "skipped", "wrong"),
    [
        (0, 3, 0, []),
        (1, 3, 0, ["failed"]),
        (0, 3, 1, ["1 skipped"]),
        (0, 2, 2, ["no test ran", "2 skipped"]),
        (5, 0, 0, ["failed", "no test ran"]),
    ],
)
def test_verdict_counts_failures_and_skips(
    tmp_path: Path, code: int, tests: int, skipped: int, wrong: list[str]
) -> None:
    report = tmp_path / "report.xml"
    report.write_text(f'<testsuites><testsuite tests="{tests}" skipped="{skipped}"/></testsuites>')
    assert verdict(code, report) == wrong


@pytest.mark.parametrize("text", [None, "<testsuites><test"])
def test_a_run_without_a_whole_report_is_a_failure(tmp_path: Path, text: str | None) -> None:
    report = tmp_path / "report.xml"
    if text is not None:
        report.write_text(text)
    assert verdict(3, report) == ["failed", "no test ran"]
