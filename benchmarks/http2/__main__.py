"""HTTP/2 by TLS through the gateway, nginx, HAProxy and Caddy, and HTTP/1.1 by TLS through them: `make bench-http2`.

As benchmarks/gateway, whose proxies these are: one process each, pinned to one core; the load (h2load) and the upstream
have another one; every case once a round, in turn, ratios within a round, medians of them. Needs nginx and h2load
(Debian, Ubuntu: apt install nginx-light nghttp2-client); what else is missing is left out. Loopback only.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.gateway.load import on_cpu
from benchmarks.http2.servers import Servers

VERSIONS = ("2", "1.1")
TRIES = 3  # h2load sometimes waits for ever after its time


class Scenario(NamedTuple):
    """`at_once`: requests on each of the connections; HTTP/1.1 takes as many connections instead."""

    name: str
    path: str
    connections: int
    at_once: int
    paths: int = 1
    body: int = 0


SCENARIOS = (
    Scenario("1 KiB, 8 connections with 8 at once", "/small", 8, 8),
    Scenario("the same, every path another one", "/small", 8, 8, paths=5000),
    Scenario("1 KiB, 1 connection with 64 at once", "/small", 1, 64),
    Scenario("1 KiB, one at a time", "/small", 1, 1),
    Scenario("1 KiB POST, 8 connections with 8 at once", "/small", 8, 8, body=1024),
    Scenario("64 KiB uploads, 4 connections with 4 at once", "/small", 4, 4, body=65536),
    Scenario("1 MiB, 4 connections with 4 at once", "/large", 4, 4),
)


class Shot(NamedTuple):
    """`rate` in requests a second, `mean` in µs from request to answer, `cpu` in µs of the proxy for each."""

    rate: float
    megabytes: float
    mean: float
    cpu: float
    errors: int


Rows = dict[tuple[str, str], list[Shot]]  # by case and version


def main() -> int:
    options = parser().parse_args()
    missing = [
        name for name in ("nginx", "h2load") if shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin") is None
    ]
    if missing:
        print(f"{' and '.join(missing)} must be installed (apt install nginx-light nghttp2-client)", file=sys.stderr)
        return 2
    cores = sorted(os.sched_getaffinity(0))
    folder = tempfile.TemporaryDirectory(prefix="bench-http2-")
    with folder as path, Servers(Path(path), proxy_core=cores[0], load_core=cores[-1]) as servers:
        for scenario in SCENARIOS:
            if options.only is None or options.only in scenario.name:
                show(scenario, run(servers, scenario, Path(path), options))
    return 0


def run(servers: Servers, scenario: Scenario, folder: Path, options: argparse.Namespace) -> Rows:
    """Every case once a round; the first round only warms up."""
    rows: Rows = {(case, version): [] for case in servers.cases for version in VERSIONS}
    for case, version in rows:
        shoot(servers, case, version, scenario, folder, 1)
    for _ in range(options.rounds):
        for (case, version), shots in rows.items():
            shots.append(shoot(servers, case, version, scenario, folder, options.seconds))
    return rows


def shoot(servers: Servers, case: str, version: str, scenario: Scenario, folder: Path, seconds: int) -> Shot:
    url = f"https://127.0.0.1:{servers.ports[case]}{scenario.path}"
    list_of, body = folder / "urls", folder / "body"
    list_of.write_text("".join(f"{url}?n={n}\n" for n in range(scenario.paths)) if scenario.paths > 1 else url + "\n")
    body.write_bytes(b"x" * scenario.body)
    command = ["taskset", "-c", str(servers.load_core), "h2load", "-t1", f"-D{seconds}", "-i", str(list_of)]
    if version == "2":
        command += [f"-c{scenario.connections}", f"-m{scenario.at_once}"]
    else:
        command += ["--h1", f"-c{scenario.connections * scenario.at_once}", "-m1"]
    if scenario.body:
        command += ["-d", str(body)]
    for _ in range(TRIES):
        before = on_cpu(servers.pid(case))
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 10, check=True)
        except subprocess.TimeoutExpired:
            print(f"h2load did not end: {case}, HTTP/{version}", file=sys.stderr, flush=True)
            continue
        return read(done.stdout, on_cpu(servers.pid(case)) - before)
    raise RuntimeError(f"h2load does not end: {' '.join(command)}")


def read(said: str, cpu: float) -> Shot:
    """What h2load says."""
    rate = re.search(r"^finished in .*?, ([\d.]+) req/s, ([\d.]+)(|K|M|G)B/s", said, re.MULTILINE)
    counts = re.search(r"^requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", said, re.MULTILINE)
    times = re.search(r"^time for request: +\S+ +\S+ +([\d.]+)(us|ms|s) ", said, re.MULTILINE)
    if rate is None or counts is None or times is None:
        raise RuntimeError(f"h2load says nothing that is known: {said}")
    good, *bad = map(int, counts.groups())
    return Shot(
        rate=float(rate[1]),
        megabytes=float(rate[2]) * {"": 1e-6, "K": 1 / 1024, "M": 1.0, "G": 1024.0}[rate[3]],
        mean=float(times[1]) * {"us": 1.0, "ms": 1e3, "s": 1e6}[times[2]],
        cpu=cpu * 1e6 / max(1, good),
        errors=sum(bad),
    )


def show(scenario: Scenario, rows: Rows) -> None:
    print(f"\n{scenario.name}")
    print(f"{'':14}{'req/s':>9}{'MB/s':>8}{'mean µs':>9}{'CPU µs':>8}{'errors':>8}   of nginx: rate, CPU   of its 1.1")
    for (case, version), shots in rows.items():
        rate, megabytes, mean, cpu = (median(shot[field] for shot in shots) for field in range(4))
        row = f"{case:9}{version:>4} {rate:9.0f}{megabytes:8.1f}{mean:9.0f}{cpu:8.1f}{sum(s.errors for s in shots):8d}"
        nginx, own = rows["nginx", version], rows[case, "1.1"]
        print(
            f"{row}   {ratio(shots, nginx, 0):8.2f}{ratio(shots, nginx, 3):8.2f}{ratio(shots, own, 0):11.2f}",
            flush=True,
        )


def ratio(shots: list[Shot], others: list[Shot], field: int) -> float:
    """The median of the rounds' ratios."""
    return float(median(shot[field] / max(other[field], 1e-9) for shot, other in zip(shots, others, strict=True)))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks.http2", description=__doc__)
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--seconds", type=int, default=2, help="of each shot")
    made.add_argument("--only", help="scenarios whose name contains this")
    return made


if __name__ == "__main__":
    sys.exit(main())
