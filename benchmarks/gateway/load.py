"""One shot of load at one case, and what it cost."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.gateway.servers import Servers

IDLE = 1000
SCRIPT = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True)
class Scenario:
    """One kind of load. `least` and `target`: the gateway's rate as a share of nginx's; `latency`: most of its p50."""

    name: str
    path: str
    connections: int
    unique: bool = False
    body: int = 0
    least: float | None = None
    target: float | None = None
    latency: float | None = None


@dataclass(frozen=True)
class Shot:
    """`rate` in requests a second, times in µs; `cpu`: the proxy's own, per request; `other`: cores busy otherwise."""

    rate: float
    p50: float
    p99: float
    cpu: float
    megabytes: float
    errors: int
    other: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def shoot(servers: Servers, case: str, scenario: Scenario, seconds: int) -> Shot:
    before, busy_before, ours_before = on_cpu(servers.pid(case)), busy(), ours(servers)
    command = ["taskset", "-c", str(servers.load_core), "wrk", "-t1", f"-c{scenario.connections}", f"-d{seconds}s"]
    command += ["-s", str(SCRIPT), f"http://127.0.0.1:{servers.ports[case]}{scenario.path}"]
    env = {**os.environ, "UNIQUE": "1" if scenario.unique else "0", "BODY": str(scenario.body)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=seconds + 30, check=True)
    spent = on_cpu(servers.pid(case)) - before
    other = (busy() - busy_before) - (ours(servers) - ours_before)
    [line] = [line for line in done.stdout.splitlines() if line.startswith("JSON ")]
    said = json.loads(line[5:])
    requests = max(1, said["requests"])
    carried = said["bytes"] + requests * scenario.body
    return Shot(
        rate=said["requests"] / (said["us"] / 1e6),
        p50=said["p50"],
        p99=said["p99"],
        cpu=spent * 1e6 / requests,
        megabytes=carried / said["us"],
        errors=said["errors"],
        other=max(0.0, other) / (said["us"] / 1e6),
    )


def idle_bytes(servers: Servers, case: str) -> int:
    """What one of many idle connections costs, in memory of the process; each has served a request."""
    port, held = servers.ports[case], []
    before = resident(servers.pid(case))
    try:
        for _ in range(IDLE):
            sock = socket.create_connection(("127.0.0.1", port), 5)
            held.append(sock)
            sock.sendall(b"GET /small HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            while not sock.recv(65536).endswith(b"x"):
                pass
        return (resident(servers.pid(case)) - before) // IDLE
    finally:
        for sock in held:
            sock.close()


def resident(pid: int) -> int:
    """Bytes in memory of a process and its children."""
    pages = [int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in (pid, *children(pid))]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")


def on_cpu(pid: int) -> float:
    """Seconds that a process and its children have been on a CPU."""
    total = 0.0
    for process in [pid, *children(pid)]:
        for task in Path(f"/proc/{process}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0]) / 1e9
    return total


def ours(servers: Servers) -> float:
    """Seconds of CPU of everything that belongs to the benchmark."""
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages) + sum(map(on_cpu, map(servers.pid, servers.ports)))


def busy() -> float:
    """Seconds that the machine's cores have been busy."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *children(int(child))]
    return found
