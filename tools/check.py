"""`make test`: sets up all that is needed, runs every check and every test, stops what it started.

Standard library only. It fails if any part fails, if no test ran, and if one was skipped: a skip hides what is missing.
Tests of single parts, and beside them those of whole daemons: both mostly wait, for processes and containers. Tests
that only compute take what is left of the processors.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools import engine, setup
from tools.machine import ROOT, WORK, guarded, read_json

PARTS = "tests of parts"
# Beside the parts, two at a time: what, and how nice. Who computes gives way: only the others' tests have time limits.
BESIDE: dict[str, tuple[int, tuple[str, ...]]] = {
    "tests of whole daemons": (0, ("tests/e2e",)),
    "tests that compute": (5, ("tests/unit", "tests/fuzz", "tests/tree")),
    "tests of clusters": (0, ("tests/cluster",)),
    "tests of contracts": (0, ("tests/contract",)),
}
BESIDE_AT_ONCE = 2
BIN = setup.VENV / "bin"
CHECKS: dict[str, list[str]] = {
    "ruff": ["ruff", "check", "--quiet", "--output-format=concise", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy", "--no-error-summary"],
    "imports": ["lint-imports", "--no-logo"],
}


def main() -> int:
    print("Setting up")
    setup.environment("test")
    setup.postgresql()
    setup.programs()
    engine.ensure()
    try:
        engine.ensure_compose()
        return _check(sys.argv[1:])
    finally:
        if not read_json(WORK / "demo" / "demo.json"):  # a demo that runs meanwhile goes on
            engine.stop_started()


def _check(arguments: list[str]) -> int:
    failed = []
    print("Checking")
    for name, command in CHECKS.items():
        started = time.monotonic()
        done = _run(command, quiet=True)
        print(f"  {'✗' if done.returncode else '✓'} {name} ({time.monotonic() - started:.1f} s)", flush=True)
        if done.returncode:
            failed.append(name)
            print(done.stdout)
    print("Testing", flush=True)
    failed += _test(arguments)
    print(f"\nFailed: {', '.join(failed)}" if failed else "\nAll checks and tests passed.")
    return 1 if failed else 0


def _test(arguments: list[str]) -> list[str]:
    """All tests, or what the arguments select of them."""
    if arguments:
        return _verdict_of("tests", _run(_pytest("tests", arguments), quiet=False).returncode)
    others = [f"--ignore={folder}" for _, folders in BESIDE.values() for folder in folders]
    with ThreadPoolExecutor(BESIDE_AT_ONCE) as beside:
        runs = {
            name: beside.submit(_run, _pytest(name, folders), quiet=True, nice=nice)
            for name, (nice, folders) in BESIDE.items()
        }
        failed = _verdict_of(PARTS, _run(_pytest(PARTS, ["tests", *others]), quiet=False).returncode)
        for name, run in runs.items():
            done = run.result()
            print(f"\n{name.capitalize()}\n{done.stdout}", flush=True)
            failed += _verdict_of(name, done.returncode)
    return failed


def _pytest(name: str, arguments: Sequence[str]) -> list[str]:
    _report(name).unlink(missing_ok=True)
    options = ["-p", "no:randomly", "-o", f"cache_dir=.pytest_cache/{_report(name).stem}", "--quiet", "--durations=15"]
    return ["python", "-m", "pytest", *options, f"--junitxml={_report(name)}", *arguments]


def _report(name: str) -> Path:
    return WORK / f"report-{name.split()[-1]}.xml"


def _verdict_of(name: str, code: int) -> list[str]:
    return [f"{name}: {text}" for text in verdict(code, _report(name))]


def verdict(code: int, report: Path) -> list[str]:
    """What is wrong with a test run: its exit code, and what its report counts."""
    tests, skipped = _counts(report)
    wrong = {"failed": code != 0, "no test ran": tests == skipped, f"{skipped} skipped": skipped > 0}
    return [text for text, so in wrong.items() if so]


def _run(command: list[str], *, quiet: bool, nice: int = 0) -> subprocess.CompletedProcess[str]:
    program, *arguments = command
    env = {name: text for name, text in os.environ.items() if not name.startswith(("MAEL_", "MAELSTROM_"))}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # each of many hundred processes would compile everything anew
    env["PATH"] = f"{BIN}{os.pathsep}{env.get('PATH', os.defpath)}"
    out = subprocess.PIPE if quiet else None
    return subprocess.run(
        ["nice", "-n", str(nice), str(BIN / program), *arguments],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        check=False,
    )


def _counts(report: Path) -> tuple[int, int]:
    """How many tests the report has, and how many of them were skipped."""
    try:
        suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    except (FileNotFoundError, ElementTree.ParseError):
        return 0, 0  # pytest did not get that far
    return sum(int(s.get("tests", 0)) for s in suites), sum(int(s.get("skipped", 0)) for s in suites)


if __name__ == "__main__":
    sys.exit(guarded(main))
