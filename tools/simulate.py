"""`make simulate SEEDS=…`: random runs of the leases' simulation, many at once, until the first violation.

SEEDS: how many, or FIRST-LAST; default 20000. PROCESSES: default one for each core. A run that fails is printed with
the command that replays it.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Iterator

CHUNK = 100  # seeds
REPORT_SECONDS = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="20000")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    first, last = _range(arguments.seeds)
    if first == last:
        return _replay(first)
    start = reported = time.monotonic()
    runs = requests = 0
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        for done, served, failure in pool.imap_unordered(_chunk, _chunks(first, last)):
            runs, requests = runs + done, requests + served
            if failure:
                print(failure, flush=True)
                return 1
            if time.monotonic() - reported > REPORT_SECONDS or runs == last - first + 1:
                reported = time.monotonic()
                print(f"{runs} seeds, {requests} requests, {runs / (reported - start):.0f} seeds/s", flush=True)
    print(f"no violation in {runs} seeds ({first}-{last})")
    return 0


def _chunk(seeds: range) -> tuple[int, int, str]:
    """How many runs, their requests, and what was violated."""
    from tests.unit.leases.simulation import Violation, simulate

    gc.disable()
    served = 0
    for number, seed in enumerate(seeds):
        try:
            served += simulate(seed).oracle.served
        except Violation as violation:
            return number + 1, served, str(violation)
        if number % 25 == 0:
            gc.collect()
    return len(seeds), served, ""


def _replay(seed: int) -> int:
    from tests.unit.leases.simulation import Violation, simulate

    try:
        world = simulate(seed)
    except Violation:
        traceback.print_exc()
        return 1
    print(f"seed {seed}: no violation, {world.oracle.served} requests")
    return 0


def _chunks(first: int, last: int) -> Iterator[range]:
    return (range(start, min(start + CHUNK, last + 1)) for start in range(first, last + 1, CHUNK))


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return (int(first), int(last)) if last else (0, int(first) - 1)


if __name__ == "__main__":
    sys.exit(main())
