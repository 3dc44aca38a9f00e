"""The gateway beside nginx, HAProxy, Caddy, Go's reverse proxy and a direct call: `make bench-gateway`.

One proxy process each, pinned to one core; the load (wrk) and the upstream (nginx, answers from memory) have another
one. Each round runs every case once, in turn; ratios are taken within a round and their median is printed, so that
what else the machine does meanwhile hits all alike. All do the same work: keep-alive both sides, hop-by-hop headers
removed, the same headers added; the gateway routes among a thousand hosts. Needs nginx and wrk; what else is missing is
left out and named. `compiled` is the gateway with its compiled core, where there is a C compiler. Loopback only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.gateway.load import IDLE, Scenario, Shot, idle_bytes, shoot
from benchmarks.gateway.peers import PEERS
from benchmarks.gateway.report import Rows, show, verdict
from benchmarks.gateway.servers import Servers
from tools.compiled import build
from tools.machine import Failure

SCENARIOS = (
    Scenario("1 KiB, 64 connections", "/small", 64, least=0.6, target=0.75),
    Scenario("1 KiB, 64 connections, every head different", "/small", 64, unique=True, target=0.75),
    Scenario("1 KiB, 64 connections, 32 at once", "/limited/small", 64, target=0.75),
    Scenario("1 KiB, 1 connection", "/small", 1, latency=2.0),
    Scenario("1 KiB POST, 64 connections", "/small", 64, body=1024, target=0.75),
    Scenario("1 KiB chunked answers, 64 connections", "/chunked", 64, target=0.75),
    Scenario("1 MiB, 16 connections", "/large", 16, least=0.8, target=1.0),
    Scenario("64 KiB uploads, 16 connections", "/small", 16, body=65536, target=0.75),
)


QUIET_CORES = 0.08  # of other work, in cores, that a shot may have beside it
QUIET_TRIES = 4


def main() -> int:
    options = parser().parse_args()
    missing = [
        name for name in ("nginx", "wrk") if shutil.which(name) is None and not Path(f"/usr/sbin/{name}").exists()
    ]
    if missing:
        print(
            f"{' and '.join(missing)} must be installed (Debian, Ubuntu: apt install nginx-light wrk)", file=sys.stderr
        )
        return 2
    compiled = compiled_core()
    for peer in PEERS:
        if peer.find() is None:
            print(peer.missing())
    cores = sorted(os.sched_getaffinity(0))
    chosen = [s for s in SCENARIOS if options.only is None or options.only in s.name]
    results: dict[str, Rows] = {}
    folder = tempfile.TemporaryDirectory(prefix="bench-gateway-")
    with folder as path, Servers(Path(path), proxy_core=cores[0], load_core=cores[-1], compiled=compiled) as servers:
        for scenario in chosen:
            results[scenario.name] = run(servers, scenario, options)
            show(scenario, results[scenario.name])
        for name in ("gateway", "compiled"):
            if name in servers.ports and options.only is None:
                print(f"{name}: {idle_bytes(servers, name)} bytes for each of {IDLE} idle connections")
    if options.json:
        shots = {
            name: {case: [s.as_json() for s in row] for case, row in rows.items()} for name, rows in results.items()
        }
        Path(options.json).write_text(json.dumps(shots))
    return verdict(chosen, results) if options.check else 0


def compiled_core() -> Path | None:
    try:
        return build()
    except Failure as failure:
        print(f"without the compiled core: {failure}")
        return None


def run(servers: Servers, scenario: Scenario, options: argparse.Namespace) -> Rows:
    """Every case once a round; the first round only warms up."""
    rows: Rows = {name: [] for name in servers.ports}
    for name in rows:
        shoot(servers, name, scenario, 1)
    for _ in range(options.rounds):
        for name, shots in rows.items():
            shots.append(quiet_shot(servers, name, scenario, options))
    return rows


def quiet_shot(servers: Servers, case: str, scenario: Scenario, options: argparse.Namespace) -> Shot:
    """The first shot in which the machine did little else, or the quietest of a few."""
    tried: list[Shot] = []
    for _ in range(options.tries):
        tried.append(shoot(servers, case, scenario, options.seconds))
        if tried[-1].other <= QUIET_CORES:
            break
    return min(tried, key=lambda shot: shot.other)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=__doc__)
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--seconds", type=int, default=3, help="of each shot")
    made.add_argument("--tries", type=int, default=QUIET_TRIES, help="shots until one has a quiet machine, at most")
    made.add_argument("--only", help="scenarios whose name contains this")
    made.add_argument("--json", help="file for all shots")
    made.add_argument("--check", action="store_true", help="exit code 1 if a limit is missed")
    return made


if __name__ == "__main__":
    sys.exit(main())
