"""`make faults`: three real nodes under random faults for minutes. SEED=… tells the same story again."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
import traceback
from collections import Counter

from tests.cluster.checks import unseen
from tests.cluster.cluster import LONG_FREEZE, LOST_COMMITS, NODES
from tests.cluster.plan import Round, plan
from tests.cluster.run import LIMITS, Run
from tests.cluster.story import Story
from tests.support.aws import stand_in
from tests.support.images import component_image


def main() -> int:
    options = _options()
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    again = f"make faults MINUTES={options.minutes:g} SEED={seed}"
    rounds = plan(seed, options.minutes, nodes=len(NODES), sources=len(LIMITS))
    say(f"{len(rounds)} rounds, {again}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with stand_in(poll_seconds=20) as aws, Run.over(aws, component_image()) as run:
        try:
            story = Story(run)
            for number, part in enumerate(rounds, 1):
                say(f"{number:3} {part}: all at work again after {story.play(part):.1f} s")
            run.finish()
            tell_faults(rounds, run)
        except AssertionError:
            traceback.print_exc()
            say(run.cluster.logs())
            say(f"failed in this round, or after it; {again}")
            return 1
        for source in run.work:
            tell_work(source, run)
    say("no limit was exceeded")
    return 0


def tell_faults(rounds: list[Round], run: Run) -> None:
    """What was done, and how often its effect was seen."""
    done: Counter[str] = Counter(fault.kind for part in rounds for fault in part.faults)
    seen = run.cluster.happened
    say("faults seen: " + ", ".join(f"{kind} {seen[kind]} of {times}" for kind, times in sorted(done.items())))
    say(", ".join(f"{what} {seen[what]}" for what in (LONG_FREEZE, LOST_COMMITS)))
    assert unseen(done, seen) == []


def tell_work(source: str, run: Run) -> None:
    work, ledger = run.work[source], run.cluster.ledger
    failed = sum(1 for outcome in work.outcomes if outcome.error)
    statuses = Counter(event.status for event in ledger.events if event.source == source and event.kind == "end")
    attempts = ", ".join(f"{times} {status or 'without an end'}" for status, times in sorted(statuses.items(), key=str))
    say(f"{source}: {len(work.items)} items, each ended once, {failed} of them failed; attempts: {attempts}")
    say(f"{source}: most open {ledger.peak(source)}, limits {[change.limit for change in run.limits[source]]}")


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)  # noqa: T201 - a program


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
