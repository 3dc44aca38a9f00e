"""A real maelstromd process for a test: started with its own state directory and free ports, stopped by pid."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
# What a service manager does between fork and exec: the socket as descriptor 3, and the pid of this very process.
ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="public")
os.execv(sys.argv[2], sys.argv[2:])
"""


class Daemon:
    """One daemon. `environ` adds to a clean set of settings; `start` waits until ready.json is there."""

    def __init__(self, directory: Path, node: str, environ: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.log_path = directory / "maelstromd.log"
        self.node = node
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("MAEL_", "MAELSTROM_"))},
            "MAEL_STATE_DIR": str(self.state),
            "MAEL_NODE_NAME": node,
            "MAEL_CLUSTER_NAME": node,
            "MAEL_PUBLIC_LISTEN": "127.0.0.1:0",
            "MAEL_ADMIN_LISTEN": "127.0.0.1:0",
            "MAEL_SHUTDOWN_GRACE_SECONDS": "10",
            **(environ or {}),
        }
        if "MAEL_INTERNAL_LISTEN" not in self.environ:
            self.environ["MAEL_INTERNAL_LISTEN"] = "127.0.0.1:0"
        self.arguments: tuple[str, ...] = ()
        self.listens: socket.socket | None = None  # handed over as a service manager does
        self.process: subprocess.Popen[bytes] | None = None
        self.ready: dict[str, Any] = {}

    def start(self, within: float = 30.0) -> Daemon:
        self.launch()
        self.wait_ready(within)
        return self

    def launch(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            command = [str(BIN / "maelstromd"), *self.arguments]
            handed = () if self.listens is None else (self.listens.fileno(),)
            if handed:
                command = [sys.executable, "-c", ACTIVATE, str(handed[0]), *command]
            self.process = subprocess.Popen(
                command, env=self.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=handed
            )

    def wait_ready(self, within: float = 30.0) -> None:
        assert self.process is not None
        end = time.monotonic() + within
        path = self.state / "ready.json"
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"maelstromd ended with {self.process.returncode}:\n{self.log()}")
            try:
                self.ready = json.loads(path.read_text())
            except (FileNotFoundError, json.JSONDecodeError):
                time.sleep(0.01)
                continue
            if self.ready.get("pid") == self.process.pid:
                return
        raise AssertionError(f"maelstromd was not ready within {within} s:\n{self.log()}")

    def look_ready(self) -> None:
        """What ready.json says now."""
        self.ready = json.loads((self.state / "ready.json").read_text())

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def terminate(self, within: float = 30.0) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    @property
    def public(self) -> str:
        return str(self.ready["public"])

    @property
    def admin(self) -> str:
        return str(self.ready["admin"])

    @property
    def token(self) -> str:
        return (self.state / "admin-token").read_text().strip()

    def maelctl(
        self, *arguments: str, input: str | None = None, within: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        environ = {**self.environ, "PYTHONUTF8": "1"}
        return subprocess.run(
            [str(BIN / "maelctl"), *arguments],
            env=environ,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )

    def maelstromd(self, *arguments: str, within: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Another command of the daemon, with the same settings."""
        return subprocess.run(
            [str(BIN / "maelstromd"), *arguments],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )

    def ask(self, *arguments: str, input: str | None = None) -> Any:
        """The JSON that a command prints; fails if it does."""
        done = self.maelctl(*arguments, "--json", input=input)
        assert done.returncode == 0, f"maelctl {arguments}: {done.returncode}\n{done.stdout}{done.stderr}\n{self.log()}"
        return json.loads(done.stdout)

    def put(self, text: str) -> Any:
        path = self.directory / "project.yml"
        path.write_text(text)
        return self.ask("put", str(path))
