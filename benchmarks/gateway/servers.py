"""What is measured: an upstream, and in front of it nginx, the gateway with a real pool, and peers that are there."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from benchmarks.gateway.peers import PEERS

ROOT = Path(__file__).resolve().parent.parent.parent

UPSTREAM = """
daemon off; worker_processes 1; pid {folder}/upstream.pid; error_log {folder}/upstream.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s; sendfile on; tcp_nodelay on; tcp_nopush on;
  client_body_temp_path {folder}/u1; proxy_temp_path {folder}/u2; fastcgi_temp_path {folder}/u3;
  uwsgi_temp_path {folder}/u4; scgi_temp_path {folder}/u5; client_max_body_size 0; default_type application/json;
  open_file_cache max=10; server_tokens off;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location ~ ^/(limited/)?small$ {{ return 200 "{small}"; }}
    location = /chunked {{ sub_filter_types *; sub_filter "none" ""; return 200 "{small}"; }}
    location = /large {{ root {folder}; }}
  }}
}}
"""

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s; tcp_nodelay on;
  client_body_temp_path {folder}/n1; proxy_temp_path {folder}/n2; fastcgi_temp_path {folder}/n3;
  uwsgi_temp_path {folder}/n4; scgi_temp_path {folder}/n5; client_max_body_size 0;
  upstream component {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 100000000; }}
  map $http_x_request_id $id {{ default $http_x_request_id; "" $request_id; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://component; proxy_http_version 1.1; proxy_request_buffering off;
      proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_set_header Proxy "";
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Real-IP "";
      proxy_set_header Forwarded "for=$remote_addr;host=\\"$http_host\\";proto=$scheme";
      proxy_set_header Maelstrom-Component shop_web; proxy_set_header Maelstrom-Deadline 300;
      proxy_set_header X-Request-Id $id;
    }}
  }}
}}
"""


class Processes:
    """`with … as servers:` all run, each on its core, and end with the block. `ports` by case, `direct` included."""

    def __init__(self, folder: Path, cores: dict[str, int]) -> None:
        self._folder = folder
        self._cores = cores
        self.ports = {name: free_port() for name in cores}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        (self._folder / "large").write_bytes(b"x" * (1 << 20))
        os.chmod(self._folder, 0o755)  # nginx's worker may be another user
        try:
            self._start("direct", self._nginx("upstream", UPSTREAM, port=self.ports["direct"], small="x" * 1024))
            self._start_all(self.ports["direct"])
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def pid(self, case: str) -> int:
        return self._processes[case].pid

    def _start_all(self, upstream: int) -> None:
        """All cases but the upstream itself."""
        raise NotImplementedError

    def _nginx(self, name: str, text: str, **values: object) -> list[str]:
        config = self._folder / f"{name}.conf"
        config.write_text(text.format(folder=self._folder, **values))
        return [shutil.which("nginx") or "/usr/sbin/nginx", "-p", str(self._folder), "-c", str(config)]

    def _start(
        self, case: str, command: list[str], *, environment: dict[str, str] | None = None, folder: Path | None = None
    ) -> None:
        core = str(self._cores[case])
        with (self._folder / f"{case}.out").open("wb") as out:
            process = subprocess.Popen(
                ["taskset", "-c", core, *command],
                cwd=folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self._processes[case] = process
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.ports[case]), 1).close()
                return
            except OSError as error:
                if process.poll() is not None or time.monotonic() > end:
                    said = (self._folder / f"{case}.out").read_text(errors="replace")
                    raise RuntimeError(f"{case} did not start: {said[-1000:]}") from error
                time.sleep(0.05)

    def _stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Servers(Processes):
    """The cases without TLS. `compiled`: the tree that has the gateway's compiled core; None: there is none."""

    def __init__(self, folder: Path, *, proxy_core: int, load_core: int, compiled: Path | None) -> None:
        self._compiled = compiled
        self._peers = {peer.name: peer for peer in PEERS if peer.find()}
        cases = ["nginx", *self._peers, "gateway", *(["compiled"] if compiled else [])]
        super().__init__(folder, {"direct": load_core, **dict.fromkeys(cases, proxy_core)})
        self.load_core = load_core

    def _start_all(self, upstream: int) -> None:
        self._start("nginx", self._nginx("nginx", NGINX, port=self.ports["nginx"], upstream=upstream))
        for name, peer in self._peers.items():
            command = peer.command(peer.find() or peer.program, self._folder, self.ports[name], upstream)
            self._start(name, command, environment={"HOME": str(self._folder), **peer.environment})
        for name, tree in (("gateway", ROOT), ("compiled", self._compiled)):
            if name in self.ports:
                command = [sys.executable, "-m", "benchmarks.gateway.serve", str(self.ports[name]), str(upstream)]
                self._start(name, command, folder=tree)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
