"""A tiny image registry on loopback, which engines trust without TLS; it can be slow, broken, or want a password."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"

Mode = Literal["good", "broken", "hanging"]


class Registry:
    """Serves one image under any name and tag. `mode`: `broken` sends layers that are not what the manifest says."""

    def __init__(self, *, username: str = "", password: str = "") -> None:
        self.mode: Mode = "good"
        self.asked: list[str] = []
        self.expected = base64.b64encode(f"{username}:{password}".encode()).decode() if username else ""
        self.resume = threading.Event()  # lets hanging requests end
        self.blobs: dict[str, bytes] = {}
        self.set_contents("first")
        registry = self

        class Handler(_Handler):
            def __init__(self, *args: object) -> None:
                self.registry = registry
                super().__init__(*args)  # type: ignore[arg-type]

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def set_contents(self, text: str) -> None:
        """Another image: its one file has this text."""
        layer_tar = io.BytesIO()
        with tarfile.open(fileobj=layer_tar, mode="w") as tar:
            info = tarfile.TarInfo("contents")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
        layer = gzip.compress(layer_tar.getvalue())
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Cmd": ["/contents"]},
                "rootfs": {"type": "layers", "diff_ids": [_digest(layer_tar.getvalue())]},
            }
        ).encode()
        self.image_id = _digest(config)
        self.blobs.update({_digest(config): config, _digest(layer): layer})
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "size": len(config), "digest": _digest(config)},
                "layers": [{"mediaType": LAYER, "size": len(layer), "digest": _digest(layer)}],
            }
        ).encode()

    def close(self) -> None:
        self.resume.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: Registry

    def do_GET(self) -> None:
        registry = self.registry
        registry.asked.append(self.path)
        if registry.mode == "hanging":
            registry.resume.wait(60)
        if registry.expected and self.headers.get("Authorization") != f"Basic {registry.expected}":
            errors = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}
            self._answer(401, json.dumps(errors).encode(), "application/json")
        elif self.path == "/v2/":
            self._answer(200, b"{}", "application/json")
        elif "/manifests/" in self.path:
            self._manifest(self.path.rpartition("/")[2])
        else:
            self._blob(self.path.rpartition("/")[2])

    do_HEAD = do_GET  # noqa: N815 - the name that the server looks for

    def _manifest(self, reference: str) -> None:
        found = self.registry.manifest
        if reference == "missing":
            errors = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
            self._answer(404, json.dumps(errors).encode(), "application/json")
        else:
            self._answer(200, found, MANIFEST)

    def _blob(self, digest: str) -> None:
        blob = self.registry.blobs.get(digest)
        if blob is None:
            self._answer(404, b"", "application/json")
        elif self.registry.mode == "broken" and not blob.startswith(b"{"):
            self._answer(200, b"\0" * len(blob), "application/octet-stream")
        else:
            self._answer(200, blob, "application/octet-stream")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Content-Digest", _digest(body))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: `asked` has what tests want to know."""


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
