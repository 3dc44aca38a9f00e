"""Pebble, the ACME authority that Let's Encrypt tests with: every host is this one, for as short as a test likes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import Authority
from tests.support.postgres import end_with_us, free_port

START_SECONDS = 10.0


@dataclass(frozen=True)
class Pebble:
    directory: str  # its URL
    ca_file: Path  # of its own certificate
    management: str
    process: subprocess.Popen[bytes]

    def root(self) -> str:
        """Of the certificates that it issues; PEM."""
        with urllib.request.urlopen(f"{self.management}/roots/0", context=self._trust(), timeout=5) as answer:
            return str(answer.read().decode())

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.directory, context=self._trust(), timeout=5):
                return True
        except OSError:
            return False

    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))


@contextmanager
def pebble(folder: Path, http_port: int, *, seconds: int = 3600) -> Iterator[Pebble]:
    """One that validates at `http_port` of this host; its certificates live for so many seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = Authority()
    pair = authority.pair("localhost")
    pair.write(folder, "pebble")
    ca_file = folder / "ca.pem"
    ca_file.write_bytes(authority.root)
    port, management, dns = free_port(), free_port(), free_port()
    configuration = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(folder / "pebble.crt"),
        "privateKey": str(folder / "pebble.key"),
        "httpPort": http_port,
        "tlsPort": free_port(),
        "certificateValidityPeriod": seconds,
    }
    (folder / "config.json").write_text(json.dumps({"pebble": configuration}))
    names = ["pebble-challtestsrv", "-dns01", f"127.0.0.1:{dns}", "-defaultIPv6", "", "-management", ""]
    ports = ["-http01", "", "-https01", "", "-tlsalpn01", ""]
    server = ["pebble", "-config", str(folder / "config.json"), "-dnsserver", f"127.0.0.1:{dns}"]
    with _running([*names, *ports], folder / "dns.log"), _running(server, folder / "pebble.log") as process:
        found = Pebble(f"https://localhost:{port}/dir", ca_file, f"https://localhost:{management}", process)
        _await_ready(found, folder / "pebble.log")
        yield found


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    program = shutil.which(command[0])
    assert program is not None, f"install the package pebble: there is no {command[0]}"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, "PEBBLE_VA_NOSLEEP": "1"},
        )
        watchdog = end_with_us(process.pid)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(START_SECONDS)
            watchdog.kill()
            watchdog.communicate()


def _await_ready(found: Pebble, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not found.answers():
        if found.process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"pebble did not start: {log.read_text()[-2000:]}")
        time.sleep(0.02)
