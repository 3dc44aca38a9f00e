"""`maelstromd upgrade`: asks the running node to be followed by a new process, and says how it went."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from maelstrom.model.errors import UpgradeFailed

LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 90.0  # beyond what the node takes to end its polls: for the new process to be ready


def ask_for_upgrade(state_dir: Path, grace_seconds: float) -> tuple[int, str]:
    """The new process and its version. Raises UpgradeFailed."""
    ready = _read(state_dir / "ready.json")
    pid = ready.get("pid")
    if not isinstance(pid, int):
        raise UpgradeFailed(
            f"no node runs with the state directory {state_dir}", hint="start it, or name its directory"
        )
    outcome = state_dir / "upgrade.json"
    outcome.unlink(missing_ok=True)
    try:
        os.kill(pid, signal.SIGUSR2)
    except OSError as error:
        raise UpgradeFailed(f"process {pid} cannot be asked: {error.strerror}", hint="run this as its user") from error
    end = time.monotonic() + grace_seconds + PATIENCE_SECONDS
    while time.monotonic() < end:
        ready, told = _read(state_dir / "ready.json"), _read(outcome)
        if told:
            raise UpgradeFailed(str(told.get("error")))
        if ready.get("pid", pid) != pid:
            return int(ready["pid"]), str(ready["version"])
        time.sleep(LOOK_SECONDS)
    raise UpgradeFailed(f"process {pid} was not followed in time")


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
