"""`make faults`: three real nodes under random faults for minutes. SEED=… tells the same story again."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
import traceback

from tests.cluster.cluster import NODES
from tests.cluster.plan import plan
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
        except AssertionError:
            traceback.print_exc()
            say(run.cluster.logs())
            say(f"failed in this round, or after it; {again}")
            return 1
        for source, work in run.work.items():
            say(f"{source}: {len(work.items)} items, each ended once; most open {run.cluster.ledger.peak(source)}")
    say("no limit was exceeded")
    return 0


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)  # noqa: T201 - a program


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
