"""`make test-compiled`: a copy of the tree with the compiled core in place (see setup.py), and its tests on that.

The copy lies in .work/compiled: a compiled module beside its source would be taken in its place by everything else that
is run here. It must not decide what is compiled.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools import setup
from tools.machine import ROOT, WORK, Failure, guarded, run, step

COPY = WORK / "compiled"
PARTS = ("maelstrom", "migrations", "tests", "tools", "benchmarks", "docs", "examples", "pyproject.toml", "setup.py")
SUITE = ("tests/unit/gateway", "tests/unit/activation", "tests/unit/workers", "tests/fuzz", "tests/integration/gateway")
_STAMP = COPY / "sources"
_PROOF = "import maelstrom.gateway.http1.client as client; raise SystemExit(not client.__file__.endswith('.so'))"


def main() -> int:
    setup.environment("test")
    build()
    command = [setup.PYTHON, "-m", "pytest", "--quiet", *(sys.argv[1:] or SUITE)]
    return subprocess.run(command, cwd=COPY, stdin=subprocess.DEVNULL, check=False).returncode


def build() -> Path:
    """Makes the copy, or finds that it is still right; returns its folder. Raises Failure."""
    if shutil.which(os.environ.get("CC", "cc")) is None:
        raise Failure("The compiled core needs a C compiler (Debian, Ubuntu: apt install gcc).")
    wanted = _sources()
    with step("Compiled core") as done:
        if _STAMP.is_file() and _STAMP.read_text() == wanted:
            return COPY
        shutil.rmtree(COPY, ignore_errors=True)
        COPY.mkdir(parents=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, COPY / part, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
            else:
                shutil.copy2(source, COPY / part)
        environment = {**os.environ, "MAELSTROM_COMPILED": "1", "PYTHONPATH": ""}
        command: list[str | Path] = [setup.PYTHON, "setup.py", "--quiet", "build_ext", "--inplace"]
        run(command, log="compile", what="Compiling", cwd=COPY, env=environment)
        run([setup.PYTHON, "-c", _PROOF], log="compile", what="Loading what was compiled", cwd=COPY, env=environment)
        _STAMP.write_text(wanted)
        done.note = f"{len(list(COPY.glob('maelstrom/**/*.so')))} modules"
    return COPY


def _sources() -> str:
    """What the copy was made of."""
    digest = hashlib.sha256(sys.version.encode())
    for part in PARTS:
        path = ROOT / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(guarded(main))
