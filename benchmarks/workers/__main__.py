"""The public gateway by one process and by several: `make bench-workers`, or `python -m benchmarks.workers`.

Nothing is pinned: load (wrk), upstream (nginx) and gateway share all cores of the machine, as they do where a node's
containers run beside it. So the rate can rise with processes only as far as the others leave cores free; printed beside
it is what a request costs the gateway's processes together, and all processes of the run, which gives the most that the
machine could do. Cases take turns in each round, the median of the rounds is printed. Needs nginx and wrk.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.gateway.load import Shot
from benchmarks.workers.run import Servers, shoot

FIELDS = ("rate", "p50", "p99", "cpu")


class Scenario(NamedTuple):
    name: str
    connections: int
    limit: int  # of the one instance


SCENARIOS = (
    Scenario("slots for all: 64 connections, limit 256", 64, 256),
    Scenario("few slots: 64 connections, limit 8", 64, 8),
    Scenario("one slot: 64 connections, limit 1", 64, 1),
    Scenario("few slots, a long line: 512 connections, limit 8", 512, 8),
    Scenario("one connection", 1, 256),
)


def main() -> int:
    options = parser().parse_args()
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores for load, upstream and gateway together; medians of {options.rounds} rounds")
    for scenario in SCENARIOS:
        rows: dict[int, list[tuple[Shot, float]]] = {n: [] for n in options.workers}
        folder = tempfile.TemporaryDirectory(prefix="bench-workers-")
        with folder as path, Servers(Path(path), options.workers, scenario.limit) as servers:
            for workers in rows:
                shoot(servers, workers, scenario.connections, 1)
            for _ in range(options.rounds):
                for workers, shots in rows.items():
                    shots.append(shoot(servers, workers, scenario.connections, options.seconds))
        show(scenario, rows, cores)
    return 0


def show(scenario: Scenario, rows: dict[int, list[tuple[Shot, float]]], cores: int) -> None:
    print(f"\n{scenario.name}")
    print("processes     req/s  of one   p50 µs   p99 µs  CPU µs  all CPU     most  errors")
    first = median(shot.rate for shot, _ in rows[min(rows)])
    for workers, shots in rows.items():
        rate, p50, p99, cpu = (median(getattr(shot, field) for shot, _ in shots) for field in FIELDS)
        whole = median(all_cpu for _, all_cpu in shots)
        errors = sum(shot.errors for shot, _ in shots)
        row = f"{workers:<10}{rate:9.0f}{rate / first:8.2f}{p50:9.0f}{p99:9.0f}{cpu:8.1f}{whole:9.1f}"
        print(f"{row}{cores * 1e6 / whole:9.0f}{errors:8d}", flush=True)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--seconds", type=int, default=3, help="of each shot")
    made.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    return made


if __name__ == "__main__":
    sys.exit(main())
