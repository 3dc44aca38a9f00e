"""The processes of the benchmark, and one shot of load."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from benchmarks.gateway.load import SCRIPT, Shot, busy, on_cpu
from benchmarks.gateway.servers import UPSTREAM, free_port


class Servers:
    """An upstream and one gateway for each number of processes."""

    def __init__(self, folder: Path, workers: Iterable[int], limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._upstream = free_port()
        self.ports = {n: free_port() for n in workers}
        self.processes: dict[int, subprocess.Popen[bytes]] = {}  # 0: the upstream

    def __enter__(self) -> Self:
        config = self._folder / "upstream.conf"
        os.chmod(self._folder, 0o755)  # nginx's worker may be another user
        config.write_text(UPSTREAM.format(folder=self._folder, port=self._upstream, small="x" * 1024))
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        try:
            self._start(0, self._upstream, [nginx, "-p", str(self._folder), "-c", str(config)])
            for n, port in self.ports.items():
                arguments = map(str, (port, self._upstream, n, self._limit))
                self._start(n, port, [sys.executable, "-m", "benchmarks.workers.serve", *arguments])
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _start(self, n: int, port: int, command: list[str]) -> None:
        self.processes[n] = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), 5) as probe:
                    probe.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    if probe.recv(1):
                        return
            except OSError as error:
                if self.processes[n].poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{command} did not start") from error
                time.sleep(0.05)

    def _stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def shoot(servers: Servers, workers: int, connections: int, seconds: int) -> tuple[Shot, float]:
    """A shot, and the CPU of all processes of the machine for each of its requests, µs."""
    pid = servers.processes[workers].pid
    before, busy_before = on_cpu(pid), busy()
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT)]
    command.append(f"http://127.0.0.1:{servers.ports[workers]}/small")
    env = {**os.environ, "UNIQUE": "0", "BODY": "0"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=seconds + 30, check=True)
    spent, all_spent = on_cpu(pid) - before, busy() - busy_before
    [line] = [line for line in done.stdout.splitlines() if line.startswith("JSON ")]
    said = json.loads(line[5:])
    requests = max(1, said["requests"])
    rate = requests / (said["us"] / 1e6)
    megabytes = said["bytes"] / said["us"]
    shot = Shot(rate, said["p50"], said["p99"], spent * 1e6 / requests, megabytes, said["errors"], other=0.0)
    return shot, all_spent * 1e6 / requests
