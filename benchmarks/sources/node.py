"""The node: a real maelstromd with one container, and a source per queue, switched on when that is full."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
READY_SECONDS = 60.0


class Node:
    def __init__(self, image: str, queues: list[str], limit: int, environ: dict[str, str]) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="maelstrom-bench-")
        self._state = Path(self._directory.name) / "state"
        self._environ = {
            **os.environ,
            **environ,
            "MAEL_STATE_DIR": str(self._state),
            "MAEL_CLUSTER_NAME": f"bench-{os.getpid()}",
            "MAEL_NODE_NAME": f"bench-{os.getpid()}",
            "MAEL_PUBLIC_LISTEN": "127.0.0.1:0",
            "MAEL_ADMIN_LISTEN": "127.0.0.1:0",
            "MAEL_INTERNAL_LISTEN": "127.0.0.1:0",
            "MAEL_STOP_CONTAINERS": "true",
            "MAEL_LOG_LEVEL": "warning",
        }
        self._process = subprocess.Popen([str(BIN / "maelstromd")], env=self._environ)
        self._ready = self._wait_ready()
        work = {"path": "/", "maxconcurrency": limit, "messagesperpoll": 10}
        sources = {queue: {"sqs": {"queuename": queue, **work}} for queue in queues}
        sources["site"] = {"http": {"pathprefix": "/"}}
        component = {"image": image, "maxconcurrency": limit + 1, "mininstances": 1, "maxinstances": 1}
        project = {"name": "bench", "components": {"instant": {**component, "eventsources": sources}}}
        self._maelctl("put", "-", "--wait", text=json.dumps(project))
        self._maelctl("es", "disable", "--type", "sqs", "--wait")

    def switch(self, how: str, queue: str) -> None:
        """Enables or disables the source of the queue."""
        self._maelctl("es", how, "--type", "sqs", "--prefix", queue)

    def cpu_seconds(self) -> float:
        """What the process has used so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def first(self) -> float:
        """When the component got the first message since this was asked last (monotonic seconds)."""
        with urllib.request.urlopen(f"{self._ready['public']}/first", timeout=10) as answer:
            return float(answer.read())

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(90)
        self._directory.cleanup()

    def _maelctl(self, *arguments: str, text: str = "") -> None:
        command = [str(BIN / "maelctl"), *arguments]
        subprocess.run(command, env=self._environ, input=text, text=True, check=True, stdout=subprocess.DEVNULL)

    def _wait_ready(self) -> dict[str, Any]:
        end = time.monotonic() + READY_SECONDS
        path = self._state / "ready.json"
        while not path.exists():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("maelstromd did not become ready")
            time.sleep(0.02)
        ready: dict[str, Any] = json.loads(path.read_text())
        return ready
