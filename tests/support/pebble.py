"""Pebble, the ACME authority that Let's Encrypt tests with: every host is this one, for as short as a test likes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
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
def pebble(
    folder: Path, http_port: int, *, seconds: int = 3600, external: Mapping[str, str] | None = None
) -> Iterator[Pebble]:
    """One that validates at `http_port` of this host; its certificates live for so many seconds.

    `external`: the accounts of its customers, by key id; it has no account for anybody else.
    """
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
        "externalAccountBindingRequired": external is not None,
        "externalAccountMACKeys": external or {},
    }
    (folder / "config.json").write_text(json.dumps({"pebble": configuration}))
    names = ["pebble-challtestsrv", "-dns01", f"127.0.0.1:{dns}", "-defaultIPv6", "", "-management", ""]
    ports = ["-http01", "", "-https01", "", "-tlsalpn01", ""]
    server = ["pebble", "-config", str(folder / "config.json"), "-dnsserver", f"127.0.0.1:{dns}"]
    with _running([*names, *ports], folder / "dns.log"), _running(server, folder / "pebble.log") as process:
        found = Pebble(f"https://localhost:{port}/dir", ca_file, f"https://localhost:{management}", process)
        _await_ready(found, folder / "pebble.log")
        yield found


@dataclass
class Renewals:
    """What the authority says of times of renewal, and for which certificates it was asked."""

    window: tuple[float, float] = (0.0, 0.0)  # seconds since 1970
    asked: list[str] = field(default_factory=list)


@contextmanager
def with_renewal_times(found: Pebble, folder: Path) -> Iterator[tuple[Pebble, Renewals]]:
    """The same authority, by a directory that names a place for renewal information (RFC 9773), which it lacks."""
    said = Renewals()
    with urllib.request.urlopen(found.directory, context=found._trust(), timeout=5) as answer:
        directory = json.load(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = directory
            if self.path != "/dir":
                said.asked.append(self.path.removeprefix("/renewal/"))
                start, end = (datetime.fromtimestamp(at, UTC).isoformat() for at in said.window)
                text = {"suggestedWindow": {"start": start, "end": end}}
            body = json.dumps(text).encode()
            self.send_response(200)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": len(body),
                "Retry-After": 3600,
            }.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    here = f"https://localhost:{server.server_port}"
    directory["renewalInfo"] = f"{here}/renewal"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pebble.crt", folder / "pebble.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield replace(found, directory=f"{here}/dir"), said
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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
