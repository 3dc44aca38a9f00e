"""What the project's own commands need of a machine: telling steps, running programs, packages, processes.

Standard library only, because it runs before anything is installed. It must not know what is being set up.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".work"


LITTLE_SPACE = 100 << 20  # bytes
_FULL = f"Free some space on the disk that holds {ROOT}, and try again."
_MODE = f"Make {ROOT} writable for this user, or clone the project where it is."
_ADVICE = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _MODE,
    errno.EACCES: _MODE,
    errno.EPERM: _MODE,
}


class Failure(Exception):
    """Something that the person at the keyboard has to mend; the text says what and how."""


def checkout() -> str:
    """A short name of this checkout, for what several of them on one machine must not share."""
    return hashlib.sha256(os.fsencode(ROOT)).hexdigest()[:8]


class Step:
    """A step under way: `note` becomes the end of its line."""

    def __init__(self) -> None:
        self.note = ""


@contextlib.contextmanager
def step(name: str) -> Iterator[Step]:
    """Prints the step with its outcome and its time when it is over."""
    started = time.monotonic()
    found = Step()
    try:
        yield found
    except BaseException:
        print(f"  ✗ {name} ({time.monotonic() - started:.1f} s)", flush=True)
        raise
    note = f": {found.note}" if found.note else ""
    print(f"  ✓ {name}{note} ({time.monotonic() - started:.1f} s)", flush=True)


def guarded(main: Callable[[], int]) -> int:
    """Runs a command's main function; what a person can mend ends in one message instead of a trace."""
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        return main()
    except Failure as failure:
        print(f"\n{failure}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # who read our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0)
        if advice is None:
            raise
        where = f": {error.filename}" if error.filename else ""
        print(f"\n{error.strerror}{where}\n{advice}", file=sys.stderr)
    return 1


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def run(
    command: Sequence[str | Path], *, log: str, what: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> None:
    """Runs a program with its output in a log file. Raises Failure with the log's end if it fails."""
    path = WORK / "log" / f"{log}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in command]
    with path.open("wb") as out:
        done = subprocess.run(
            words, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env, check=False
        )
    if done.returncode:
        full = shutil.disk_usage(ROOT).free < LITTLE_SPACE
        said = _FULL if full else f"The whole log is in {path}\n{tail(path)}"
        raise Failure(f"{what} failed ({' '.join(words[:6])} …).\n{said}")


def tail(path: Path, lines: int = 15) -> str:
    """The end of a log, indented; empty if there is none."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines()[-lines:])


def wait_until(check: Callable[[], bool], seconds: float) -> bool:
    """Asks until the answer is yes, at most so long; the last answer."""
    deadline = time.monotonic() + seconds
    pause = 0.01
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    return True


# packages


def can_install() -> bool:
    """Whether packages of the system can be installed: root on Debian or Ubuntu."""
    return sys.platform == "linux" and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: Sequence[str]) -> None:
    """Installs Debian packages without starting any service of theirs. Raises Failure."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    with _no_services():
        run(["apt-get", "update"], log="apt-update", what="Reading the list of Debian packages", env=env)
        run(command, log="apt-install", what=f"Installing {' '.join(packages)}", env=env)


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """While packages are installed, Debian's own switch keeps their services from being started."""
    switch = Path("/usr/sbin/policy-rc.d")
    ours = not switch.exists()
    if ours:
        switch.write_text("#!/bin/sh\nexit 101\n")
        switch.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            switch.unlink(missing_ok=True)


# processes: a pid alone is no identity, it is given to another process some day


def start_background(
    command: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Starts a process that outlives this one; returns its identity for `alive` and `stop`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
        )
    return {"pid": process.pid, "born": _born(process.pid)}


def alive(process: Mapping[str, Any] | None) -> bool:
    """Whether that very process still runs."""
    if not process:
        return False
    pid = int(process["pid"])
    _reap(pid)
    born = _born(pid)
    return bool(born) and born == process["born"]


def stop(process: Mapping[str, Any] | None, *, grace: float) -> None:
    """Ends that very process: SIGTERM, after the grace (seconds) SIGKILL."""
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        if process is None or not alive(process):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(process["pid"]), number)
        wait_until(lambda: not alive(process), seconds)


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # not a child of this process
        os.waitpid(pid, os.WNOHANG)


def _born(pid: int) -> str:
    """When the process started, in the system's own words; empty if there is none, or only its remains."""
    if Path("/proc/self/stat").exists():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] in "ZX" else fields[19]
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return "" if text.startswith("Z") else text.partition(" ")[2].strip()


# small files


def read_json(path: Path) -> dict[str, Any]:
    """A file's object; empty where there is none or it was cut short."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value, indent=2) + "\n")
    partial.replace(path)
