"""The project's own Python environment in .venv, and PostgreSQL's programs for the tests.

Standard library only: it makes the environment that everything else runs in. A second run finds its stamp and is quick.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.machine import ROOT, Failure, can_install, guarded, install, run, step

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
# Of some tests, by the Debian package that has them. Debian keeps some out of the PATH of those who are not root.
PROGRAMS = {"ip": "iproute2", "pgbouncer": "pgbouncer", "faketime": "faketime", "pebble": "pebble"}
PROGRAMS_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def environment(kind: str) -> None:
    """Makes .venv ready with requirements/<kind>.txt and the package itself. Raises Failure."""
    with step("Python environment") as done:
        if not _usable():
            _create()
            done.note = f"made .venv with Python {sys.version.split()[0]}"
        if _stamped(kind):
            return
        pip: list[str | Path] = [PYTHON, "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check", "install"]
        pins = ROOT / "requirements" / f"{kind}.txt"
        run([*pip, "--require-hashes", "-r", pins], log=f"pip-{kind}", what="Installing the pinned requirements")
        package = [*pip, "--no-deps", "--no-build-isolation", "-e", ROOT]
        run(package, log="pip-package", what="Installing the package")
        _stamp(kind).write_text(_wanted(kind))
        done.note = done.note or f"brought up to requirements/{kind}.txt"


def postgresql() -> None:
    """Finds PostgreSQL's programs, or installs them; elsewhere the tests bring their own. Raises Failure."""
    with step("PostgreSQL") as done:
        found = _postgresql()
        if not found and can_install():
            install(["postgresql"])
            found = _postgresql()
        done.note = str(found) if found else "the one that the test requirements bring"


def programs() -> None:
    """Installs what some tests run besides, or says what is missing. Raises Failure."""
    every = PROGRAMS.items()
    missing = {program: package for program, package in every if shutil.which(program, path=PROGRAMS_PATH) is None}
    if not missing:
        return
    with step("Programs of the tests") as done:
        if not can_install():
            raise Failure(f"The tests need {', '.join(missing)}: install {', '.join(missing.values())} and try again.")
        install(list(missing.values()))
        done.note = f"installed {', '.join(missing.values())}"


def _postgresql() -> Path | None:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: float(p.parts[4]))
    return versions[-1].parent if versions else None


def _usable() -> bool:
    """Whether .venv has an interpreter that runs, of a version that we support, with pip."""
    code = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([PYTHON, "-c", code], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _create() -> None:
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        if not can_install():
            raise Failure(
                f"{sys.executable} cannot make virtual environments: its module `venv` is missing.\n"
                f"Install it (Debian, Ubuntu: sudo apt install {version}-venv) and try again."
            )
        install([f"{version}-venv"])
    shutil.rmtree(VENV, ignore_errors=True)
    run([sys.executable, "-m", "venv", VENV], log="venv", what="Making the virtual environment")


def _stamp(kind: str) -> Path:
    return VENV / f".requirements-{kind}"


def _wanted(kind: str) -> str:
    """What the environment was made from: another text means that it has to be brought up to date."""
    digest = hashlib.sha256()
    for path in (ROOT / "requirements" / f"{kind}.txt", ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()} {ROOT}\n"


def _stamped(kind: str) -> bool:
    wider = ["test"] if kind == "demo" else []  # what the tests need contains what the demo needs
    for name in [kind, *wider]:
        stamp = _stamp(name)
        if stamp.exists() and stamp.read_text() == _wanted(name):
            return True
    return False


def inside(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours in the environment."""
    return [os.fspath(PYTHON), "-m", module, *arguments]


def main() -> int:
    environment(sys.argv[1] if len(sys.argv) > 1 else "test")
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
