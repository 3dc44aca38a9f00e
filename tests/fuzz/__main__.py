"""Differential fuzzing for long: `make fuzz RUNS=1000000`, or `python -m tests.fuzz`.

RUNS inputs in all, half of them requests and half answers, from SEED on (random if not given), in PROCESSES processes.
One in twenty is a whole connection of HTTP/2, with up to some dozens of requests; `--only NAME` plays one check alone.
A difference is printed with its round; `--check NAME --round N` plays that one again. Exit code 1 if there was one.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.fuzz.checks import CHECKS

SHOWN = 20  # differences that are printed
PIECE = 2000  # rounds that a process plays before it tells


def main() -> int:
    options = parser().parse_args()
    if options.round is not None:
        _, _, wrong = play(options.check, options.round, 1)
        tell("\n".join(wrong) or f"round {options.round}: no difference")
        return len(wrong)
    seed = random.SystemRandom().randrange(1 << 40) if options.seed is None else options.seed
    tell(f"{options.runs} inputs from seed {seed} in {options.processes} processes")
    started, done, passed = time.monotonic(), dict.fromkeys(CHECKS, 0), dict.fromkeys(CHECKS, 0)
    found: list[str] = []
    with ProcessPoolExecutor(options.processes) as pool:
        for rounds, (name, through, wrong) in pool.map(
            _play, *zip(*pieces(options.runs, seed, options.only), strict=True)
        ):
            done[name] += rounds
            passed[name] += through
            for text in wrong:
                if len(found) < SHOWN:
                    tell(f"{name}: {text}")
                found.append(text)
    for name, count in done.items():
        tell(f"{name}: {count} inputs, {passed[name]} of them got through whole")
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    tell(f"at most {memory} MiB of memory in a process")
    tell(f"{len(found)} differences in {time.monotonic() - started:.0f} s")
    return int(bool(found))


def pieces(runs: int, seed: int, only: str | None) -> Iterator[tuple[str, int, int]]:
    """(check, first round, how many), all checks by turns."""
    left = {only: runs} if only else {name: round(runs * check.share) for name, check in CHECKS.items()}
    first = seed
    while any(left.values()):
        for name, rest in left.items():
            if count := min(PIECE, rest):
                yield name, first, count
                first += count
                left[name] -= count


def _play(name: str, first: int, count: int) -> tuple[int, tuple[str, int, list[str]]]:
    return count, play(name, first, count)


def play(name: str, first: int, count: int) -> tuple[str, int, list[str]]:
    """(the check's name, how many messages got through, each difference with its round)."""
    return asyncio.run(_rounds(name, first, count))


async def _rounds(name: str, first: int, count: int) -> tuple[str, int, list[str]]:
    logging.getLogger("maelstrom").setLevel(logging.CRITICAL)  # it tells of each container that breaks the rules
    check = CHECKS[name]
    wires = check.wires()
    passed, wrong = 0, []
    for n in range(first, first + count):
        try:
            passed += check.play(wires, n)
        except Exception as error:  # noqa: BLE001 - whatever it is, the round is told and the others are played
            wrong.append(f"{type(error).__name__}: {error} [play again: --check {name} --round {n}]")
            wires = check.wires()
    return name, passed, wrong


def tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a program


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    made.add_argument("--runs", type=int, default=100_000)
    made.add_argument("--seed", type=int)
    made.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    made.add_argument("--only", choices=CHECKS, help="all inputs for this check")
    made.add_argument("--check", choices=CHECKS, default="requests-behind")
    made.add_argument("--round", type=int, help="plays one round of --check again")
    return made


if __name__ == "__main__":
    sys.exit(main())
