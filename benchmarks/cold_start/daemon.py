"""A real maelstromd as the third way: the first request through the gateway, from no container to the first byte."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker

BIN = Path(sys.executable).parent
READY_SECONDS = 60.0
POOL = 2  # network sandboxes, as by default


class Daemon:
    """One daemon with one component, which is gone again a second after each request, or frozen."""

    def __init__(self, cluster: str, image: str, port: int, *, pool: int = POOL, **fields: object) -> None:
        """`pool`: network sandboxes kept ready. `fields`: of the component, in place of the usual."""
        self._directory = tempfile.TemporaryDirectory(prefix="maelstrom-bench-")
        self._state = Path(self._directory.name) / "state"
        self._cluster = cluster
        self._pool = pool
        self._environ = {
            **os.environ,
            "MAEL_STATE_DIR": str(self._state),
            "MAEL_CLUSTER_NAME": cluster,
            "MAEL_NODE_NAME": f"{cluster}-daemon",
            "MAEL_PUBLIC_LISTEN": "127.0.0.1:0",
            "MAEL_ADMIN_LISTEN": "127.0.0.1:0",
            "MAEL_INTERNAL_LISTEN": "127.0.0.1:0",
            "MAEL_STOP_CONTAINERS": "true",
            "MAEL_SANDBOX_POOL": str(pool),
            "MAEL_LOG_LEVEL": "warning",
        }
        self._process = subprocess.Popen([str(BIN / "maelstromd")], env=self._environ)
        self._address = self._wait_ready()
        self.put("bench", {"cold": {**component(image, port, "/"), **fields}})

    async def request(self, client: docker.APIClient) -> dict[str, float]:
        """Asks once, then waits until all is as before: what follows is measured on an engine at rest."""
        total = await self.ask("/")
        await self.settle(client)
        return {"total": total}

    async def wake(self, client: docker.APIClient) -> dict[str, float]:
        """Asks once, then waits until the component is frozen again."""
        total = await self.ask("/")
        await self.settle_frozen(client)
        return {"total": total}

    async def settle_frozen(self, client: docker.APIClient) -> None:
        while [c["State"] for c in self._listed(client, "maelstrom_component")] != ["paused"]:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.05)

    async def ask(self, path: str) -> float:
        """One request on a connection of its own; ms until its whole answer."""
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection(*self._address)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        ended = time.perf_counter()
        writer.close()
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"the gateway answered {answer[:200]!r}")
        return (ended - began) * 1000

    async def settle(self, client: docker.APIClient) -> None:
        """Until nothing of the component is left, and as many sandboxes are ready as there should be."""
        while not self._as_before(client):  # noqa: ASYNC110 - the engine is another process
            await asyncio.sleep(0.05)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)
        self._directory.cleanup()

    def _as_before(self, client: docker.APIClient) -> bool:
        sandboxes = self._listed(client, "maelstrom_sandbox")
        return (
            not self._listed(client, "maelstrom_component")
            and [s["State"] for s in sandboxes] == ["running"] * self._pool
        )

    def _listed(self, client: docker.APIClient, label: str) -> list[Any]:
        filters = {"label": [f"maelstrom_node={self._cluster}-daemon", label]}
        found: list[Any] = client.containers(all=True, filters=filters)
        return found

    def _wait_ready(self) -> tuple[str, int]:
        end = time.monotonic() + READY_SECONDS
        path = self._state / "ready.json"
        while not path.exists():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("maelstromd did not become ready")
            time.sleep(0.02)
        url = urlsplit(json.loads(path.read_text())["public"])
        return url.hostname or "", url.port or 0

    def put(self, name: str, components: dict[str, Any]) -> None:
        text = json.dumps({"name": name, "components": components})
        command = [str(BIN / "maelctl"), "put", "-"]
        subprocess.run(command, env=self._environ, input=text, text=True, check=True, stdout=subprocess.DEVNULL)


def component(image: str, port: int, path: str) -> dict[str, Any]:
    """One that is gone a second after its last request."""
    return {
        "image": image,
        "httpport": port,
        "maxconcurrency": 10,
        "idletimeoutseconds": 1,
        "stopgraceseconds": 1,
        "eventsources": {f"site{path.strip('/')}": {"http": {"pathprefix": path}}},
    }
