"""A second Docker engine in a network namespace of its own: as far away as another machine, reached over TCP.

Needs root. Its data, sockets and pid file lie in one folder; it is stopped by its pid.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import docker.errors
import requests

from tests.support.engine import engine

START_SECONDS = 30.0
STOP_SECONDS = 20.0


class SecondEngine:
    """`host` is the engine's address, `here` ours on the link between."""

    def __init__(self, folder: Path) -> None:
        number = os.getpid() % 60
        self.folder = folder
        self.namespace = f"maelstrom{os.getpid()}"
        self.here, self.host = (f"198.51.100.{number * 4 + offset}" for offset in (1, 2))
        self.tcp = f"tcp://{self.host}:2375"
        self.socket = f"unix://{folder}/docker.sock"
        self._link = f"mael{os.getpid()}"
        self._process: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        """Makes the namespace and the link to it."""
        inside = f"{self._link}i"
        _ip("netns", "add", self.namespace)
        _ip("link", "add", self._link, "type", "veth", "peer", "name", inside)
        _ip("link", "set", inside, "netns", self.namespace)
        _ip("addr", "add", f"{self.here}/30", "dev", self._link)
        _ip("link", "set", self._link, "up")
        _ip("-n", self.namespace, "addr", "add", f"{self.host}/30", "dev", inside)
        _ip("-n", self.namespace, "link", "set", inside, "up")
        _ip("-n", self.namespace, "link", "set", "lo", "up")

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [
                    *("nsenter", f"--net=/run/netns/{self.namespace}", "dockerd"),
                    *("--data-root", self.folder / "data", "--exec-root", self.folder / "exec"),
                    *("--pidfile", self.folder / "pid", "-H", self.tcp, "-H", self.socket, "--tls=false"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                docker.APIClient(base_url=self.tcp, version="auto", timeout=5).close()
                return
            except (docker.errors.DockerException, requests.RequestException) as error:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise RuntimeError(f"no engine at {self.tcp}: {(self.folder / 'log').read_text()}") from error
            time.sleep(0.1)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def load(self, image: str) -> None:
        """Copies an image of the first engine."""
        client = docker.APIClient(base_url=self.socket, version="auto", timeout=120)
        client.load_image(engine().get_image(image))
        client.close()

    def disconnect(self) -> None:
        subprocess.run(["umount", self.folder / "exec" / "netns" / "default"], capture_output=True, check=False)
        _ip("netns", "del", self.namespace)  # takes the link along


@contextmanager
def second_engine() -> Iterator[SecondEngine]:
    with tempfile.TemporaryDirectory(prefix="maelstrom-engine-", ignore_cleanup_errors=True) as folder:
        found = SecondEngine(Path(folder))
        found.connect()
        try:
            found.start()
            yield found
        finally:
            found.stop()
            found.disconnect()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], capture_output=True, check=True, text=True)
