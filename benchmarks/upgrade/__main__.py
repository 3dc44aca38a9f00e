"""Command line of the benchmark; see the package's docstring."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.support.daemon import Daemon
from tests.support.engine import own_cluster
from tests.support.images import component_image
from tests.support.load import Load, most_at_a_time
from tests.support.wait import eventually

LIMIT = 8
AROUND_SECONDS = 1.0  # before and after the new process is ready


def main() -> int:
    parser = argparse.ArgumentParser(description="Upgrades of a node under load.")
    parser.add_argument("--upgrades", type=int, default=10)
    parser.add_argument("--rate", type=int, default=200, help="requests a second")
    parser.add_argument("--workers", type=int, default=1, help="MAEL_GATEWAY_WORKERS")
    options = parser.parse_args()
    with own_cluster() as cluster, tempfile.TemporaryDirectory(prefix="maelstrom-bench-") as directory:
        settings = {"MAEL_CLUSTER_NAME": cluster, "MAEL_GATEWAY_WORKERS": str(options.workers)}
        daemon = Daemon(Path(directory), "one", settings)
        try:
            daemon.start()
            daemon.put(project(component_image()))
            return asyncio.run(measure(daemon, options.upgrades, options.rate))
        finally:
            daemon.terminate()


def project(image: str) -> str:
    return f"""
name: bench
components:
  web:
    image: {image}
    httphealthcheckpath: /health
    mininstances: 1
    maxinstances: 1
    maxconcurrency: {LIMIT}
    eventsources:
      site: {{http: {{pathprefix: /}}}}
"""


async def measure(daemon: Daemon, upgrades: int, rate: int) -> int:
    load = Load(daemon.public, rate)
    print(f"{'upgrade':>8} {'asked to ready':>15} {'slowest request':>16} {'p99':>8}  (ms)")
    async with load.running():
        await eventually(lambda: load.answers["200"] > rate, within=30)
        for number in range(1, upgrades + 1):
            former, asked = daemon.ready["pid"], time.monotonic()
            os.kill(former, signal.SIGHUP)
            await eventually(lambda former=former: _is_followed(daemon, former), within=60)  # type: ignore[misc]
            ready = time.monotonic()
            await asyncio.sleep(AROUND_SECONDS)
            # the one before is to be gone, or the next upgrade is refused
            await eventually(lambda: daemon.log().count("maelstrom.daemon stopped") == number, within=60)  # noqa: B023
            took = [s for at, s in load.seconds if ready - AROUND_SECONDS < at < ready + AROUND_SECONDS]
            p99 = statistics.quantiles(took, n=100)[98]
            print(
                f"{number:>8} {(ready - asked) * 1000:>15.0f} {max(took) * 1000:>16.0f} {p99 * 1000:>8.0f}", flush=True
            )
    most = await most_at_a_time(daemon.public)
    print(f"answers: {dict(load.answers)}; at most {most} of {LIMIT} at a time in the container")
    return 0 if set(load.answers) == {"200"} and most <= LIMIT else 1


def _is_followed(daemon: Daemon, former: int) -> bool:
    daemon.look_ready()
    return bool(daemon.ready["pid"] != former)


if __name__ == "__main__":
    sys.exit(main())
