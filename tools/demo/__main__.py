"""`python -m tools.demo start|stop`: the part that runs before the project's environment exists."""

from __future__ import annotations

import subprocess
import sys

from tools import engine, setup
from tools.demo import parts
from tools.machine import ROOT, guarded


def start() -> int:
    print("Setting up", flush=True)
    setup.environment("demo")
    engine.ensure()
    return subprocess.run(setup.inside("tools.demo.journey"), cwd=ROOT, check=False).returncode


def stop() -> int:
    print("Stopping the demo", flush=True)
    parts.remove()
    return 0


if __name__ == "__main__":
    if sys.argv[1:] not in (["start"], ["stop"]):
        sys.exit("usage: python -m tools.demo start|stop")
    sys.exit(guarded(start if sys.argv[1] == "start" else stop))
