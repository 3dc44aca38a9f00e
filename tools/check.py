"""`make test`: sets up all that is needed, runs every check and every test, stops what it started.

Standard library only. It fails if any part fails, if no test ran, and if one was skipped: a skip hides what is missing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

from tools import engine, setup
from tools.machine import ROOT, WORK, Failure, guarded, read_json

REPORT = WORK / "test-report.xml"
BIN = setup.VENV / "bin"
CHECKS: dict[str, list[str]] = {
    "ruff": ["ruff", "check", "--quiet", "."],
    "format": ["ruff", "format", "--quiet", "--check", "."],
    "types": ["mypy", "--no-error-summary"],
    "imports": ["lint-imports", "--no-logo"],
}


def main() -> int:
    print("Setting up")
    setup.environment("test")
    setup.postgresql()
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
    REPORT.unlink(missing_ok=True)
    pytest = ["python", "-m", "pytest", "-p", "no:randomly", "--quiet", "--durations=15", f"--junitxml={REPORT}"]
    failed = ["tests"] if _run([*pytest, *arguments], quiet=False).returncode else []
    tests, skipped = _counts()
    if not tests:
        failed.append("no test ran")
    if skipped:
        failed.append(f"{skipped} skipped")
    return failed


def _run(command: list[str], *, quiet: bool) -> subprocess.CompletedProcess[str]:
    program, *arguments = command
    env = {name: text for name, text in os.environ.items() if not name.startswith(("MAEL_", "MAELSTROM_"))}
    env["PATH"] = f"{BIN}{os.pathsep}{env.get('PATH', os.defpath)}"
    out = subprocess.PIPE if quiet else None
    return subprocess.run(
        [str(BIN / program), *arguments],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        check=False,
    )


def _counts() -> tuple[int, int]:
    """Tests that ran or were skipped, and of them the skipped ones, from pytest's report."""
    try:
        suites = ElementTree.parse(REPORT).getroot().iter("testsuite")
        counts = [(int(s.get("tests", 0)), int(s.get("skipped", 0))) for s in suites]
    except FileNotFoundError:
        return 0, 0
    except ElementTree.ParseError as error:
        raise Failure(f"pytest's report {REPORT} cannot be read: {error}") from error
    return sum(c[0] for c in counts), sum(c[1] for c in counts)


if __name__ == "__main__":
    sys.exit(guarded(main))
