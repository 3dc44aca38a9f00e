"""Other proxies that do the same work as the gateway: keep-alive both sides, the same headers added, one core.

Each may be missing: then the table goes without it, and says so. nginx is the measure and no peer (see servers.py).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

CADDY = """
{{
  admin off
  auto_https off
  servers {{
    protocols h1
  }}
}}
:{port} {{
  bind 127.0.0.1
  @without_id not header X-Request-Id *
  request_header @without_id X-Request-Id {{http.request.uuid}}
  reverse_proxy 127.0.0.1:{upstream} {{
    header_up Forwarded "for={{http.request.remote.host}};host=\\"{{http.request.hostport}}\\";proto=http"
    header_up Maelstrom-Component shop_web
    header_up Maelstrom-Deadline 300
    transport http {{
      compression off
      keepalive 10m
      keepalive_idle_conns 512
      keepalive_idle_conns_per_host 256
    }}
  }}
}}
"""

HAPROXY = """
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 5s
  timeout client 75s
  timeout server 300s
  option http-keep-alive
  http-reuse always
frontend public
  bind 127.0.0.1:{port} backlog 4096
  unique-id-format %{{+X}}o%ci%cp%Ts%rt%pid
  http-request del-header X-Real-IP
  http-request del-header Proxy
  http-request set-header X-Request-Id %[unique-id] unless {{ req.hdr(X-Request-Id) -m found }}
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(Host)]
  http-request set-header Forwarded for=%[src];host=\\"%[req.hdr(Host)]\\";proto=http
  http-request set-header Maelstrom-Component shop_web
  http-request set-header Maelstrom-Deadline 300
  use_backend limited if {{ path_beg /limited/ }}
  default_backend component
backend component
  server one 127.0.0.1:{upstream} pool-max-conn -1
backend limited
  server one 127.0.0.1:{upstream} maxconn 32
"""

# It adds X-Forwarded-* and X-Real-Ip by itself, and cannot make a request id: a little less work than the others.
TRAEFIK = """
global: {{checkNewVersion: false, sendAnonymousUsage: false}}
log: {{level: ERROR}}
entryPoints:
  public: {{address: "127.0.0.1:{port}"}}
serversTransport: {{maxIdleConnsPerHost: 256}}
providers:
  file: {{filename: "{routes}", watch: false}}
"""

TRAEFIK_ROUTES = """
http:
  routers:
    component: {{rule: "PathPrefix(`/`)", entryPoints: [public], service: component, middlewares: [headers]}}
  middlewares:
    headers:
      headers:
        customRequestHeaders: {{Maelstrom-Component: shop_web, Maelstrom-Deadline: "300"}}
  services:
    component: {{loadBalancer: {{servers: [{{url: "http://127.0.0.1:{upstream}"}}]}}}}
"""


@dataclass(frozen=True)
class Peer:
    """`command`: its program with its arguments, made ready in a folder for (port, upstream's port)."""

    name: str
    program: str
    package: str  # Debian's, that has the program; empty: it has none
    command: Callable[[str, Path, int, int], list[str]]
    environment: dict[str, str] = field(default_factory=dict)

    def missing(self) -> str:
        where = f"apt install {self.package}" if self.package else "Debian has none: put it on the PATH"
        return f"without {self.name}: {self.program} is not there ({where})"

    def find(self) -> str | None:
        return shutil.which(self.program, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/go/bin")


def _caddy(program: str, folder: Path, port: int, upstream: int) -> list[str]:
    config = folder / "Caddyfile"
    config.write_text(CADDY.format(port=port, upstream=upstream))
    return [program, "run", "--adapter", "caddyfile", "--config", str(config)]


def _haproxy(program: str, folder: Path, port: int, upstream: int) -> list[str]:
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port, upstream=upstream))
    return [program, "-db", "-q", "-f", str(config)]


def _traefik(program: str, folder: Path, port: int, upstream: int) -> list[str]:
    config, routes = folder / "traefik.yml", folder / "routes.yml"
    routes.write_text(TRAEFIK_ROUTES.format(upstream=upstream))
    config.write_text(TRAEFIK.format(port=port, routes=routes))
    return [program, f"--configFile={config}"]


def _go(program: str, folder: Path, port: int, upstream: int) -> list[str]:
    built = folder / "reverse_proxy"
    source = Path(__file__).with_name("reverse_proxy")
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
    subprocess.run([program, "build", "-o", str(built), "."], cwd=source, env=environment, check=True, timeout=300)
    return [str(built), str(port), str(upstream)]


ONE_CORE = {"GOMAXPROCS": "1"}
PEERS = (
    Peer("haproxy", "haproxy", "haproxy", _haproxy),
    Peer("caddy", "caddy", "caddy", _caddy, ONE_CORE),
    Peer("traefik", "traefik", "", _traefik, ONE_CORE),
    Peer("go", "go", "golang-go", _go, ONE_CORE),
)
