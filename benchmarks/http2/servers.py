"""The proxies of benchmarks/gateway behind TLS, where they speak HTTP/2 and HTTP/1.1, in front of the same upstream."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.gateway.peers import CADDY, HAPROXY, ONE_CORE, PEERS
from benchmarks.gateway.servers import NGINX, Processes
from tests.support.certificates import Authority

NAME = "bench.test"


class Servers(Processes):
    """Cases: nginx, the peers that are there and can, and the gateway."""

    def __init__(self, folder: Path, *, proxy_core: int, load_core: int) -> None:
        self._programs = {peer.name: program for peer in PEERS if (program := peer.find())}
        cases = ["nginx", *(name for name in ("haproxy", "caddy") if name in self._programs), "gateway"]
        super().__init__(folder, {"direct": load_core, **dict.fromkeys(cases, proxy_core)})
        self.load_core = load_core
        self._chain, self._key, self._both = folder / "bench.crt", folder / "bench.key", folder / "bench.pem"

    @property
    def cases(self) -> list[str]:
        return [name for name in self.ports if name != "direct"]

    def _start_all(self, upstream: int) -> None:
        pair = Authority().pair(NAME)
        self._chain.write_bytes(pair.chain)
        self._key.write_bytes(pair.key)
        self._both.write_bytes(pair.chain + pair.key)
        port = self.ports["gateway"]
        serve = [sys.executable, "-m", "benchmarks.http2.serve", str(port), str(upstream)]
        self._start("gateway", [*serve, str(self._chain), str(self._key)])
        tls = f"ssl_certificate {self._chain}; ssl_certificate_key {self._key};"
        text = NGINX.replace("listen 127.0.0.1:{port}", tls + " listen 127.0.0.1:{port} ssl http2")
        self._start("nginx", self._nginx("nginx", text, port=self.ports["nginx"], upstream=upstream))
        for name in self.cases:
            if name in self._programs:
                config = self._folder / f"{name}.conf"
                text = HAPROXY if name == "haproxy" else CADDY
                config.write_text(self._with_tls(text).format(port=self.ports[name], upstream=upstream))
                self._start(name, self._command(name, config), environment={"HOME": str(self._folder), **ONE_CORE})

    def _with_tls(self, text: str) -> str:
        caddy = f"https://127.0.0.1:{{port}} {{{{\n  tls {self._chain} {self._key}"
        return (
            text.replace("backlog 4096", f"backlog 4096 ssl crt {self._both} alpn h2,http/1.1")
            .replace("  admin off", f"  admin off\n  default_sni {NAME}")
            .replace("protocols h1", "protocols h1 h2")
            .replace(":{port} {{", caddy)
        )

    def _command(self, name: str, config: Path) -> list[str]:
        program = self._programs[name]
        if name == "haproxy":
            return [program, "-db", "-q", "-f", str(config)]
        return [program, "run", "--adapter", "caddyfile", "--config", str(config)]
