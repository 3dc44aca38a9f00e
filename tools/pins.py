"""`make pins`: resolves the requirements of pyproject.toml and pins them with their hashes.

The tests' set is resolved first and constrains the others, so that one environment can serve all. `--upgrade` looks for
newer versions; without it only what pyproject.toml asks for changes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tools.machine import ROOT, WORK, guarded, run, step

UV = WORK / "uv"
OPTIONS = [
    "--universal",
    "--python-version=3.11",
    "--generate-hashes",
    "--no-header",
    "--no-emit-index-url",
    "--quiet",
]
SETS = {"test": ["--extra=test"], "demo": ["--extra=demo"], "run": []}


def main() -> int:
    uv = UV / "bin" / "uv"
    if not uv.exists():
        with step("uv"):
            run([sys.executable, "-m", "venv", UV], log="uv", what="Making an environment for uv")
            run([UV / "bin" / "pip", "install", "--quiet", "uv"], log="uv", what="Installing uv")
    os.chdir(ROOT)
    for name, extra in SETS.items():
        with step(f"requirements/{name}.txt"):
            constraint = [] if name == "test" else ["--constraint=requirements/test.txt"]
            output = f"--output-file=requirements/{name}.txt"
            command: list[str | Path] = [
                uv,
                "pip",
                "compile",
                "pyproject.toml",
                *OPTIONS,
                *extra,
                *constraint,
                output,
                *sys.argv[1:],
            ]
            run(command, log=f"pins-{name}", what=f"Resolving the requirements for {name}")
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
