"""Command line of the benchmark; see the package's docstring."""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
from collections.abc import Awaitable, Callable
from pathlib import Path

import docker

from benchmarks.cold_start import crowd
from benchmarks.cold_start.daemon import Daemon
from benchmarks.cold_start.ways import Frozen, docker_run, runtime_start
from maelstrom.runtime.docker import DockerRuntime
from tools import base_image, engine_api

IMAGE = "maelstrom-bench-cold-start:1"
CLUSTER = f"bench-{os.getpid()}"
BASELINE = "docker run -d"
UNPAUSE = "the engine's unpause"
WAKE = "maelstromd, frozen"
REST_SECONDS = 0.4  # an engine says that a container runs, or is gone, before it has done all that belongs to it
FROZEN = {"idlebehavior": "pause", "stopafterseconds": 86_400}

Way = Callable[[], Awaitable[dict[str, float]]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Cold starts beside `docker run -d` of the same image.")
    parser.add_argument("--runs", type=int, default=30, help="rounds, each measures every way once")
    parser.add_argument("--image", default="", help="an image that serves HTTP; default: the least server there is")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of many starts at once; 0: none")
    options = parser.parse_args()
    image = options.image or built()
    results = asyncio.run(measure(image, options.port, options.runs))
    report(results)
    if options.rounds:
        print()
        crowd.report(asyncio.run(crowd.measure(f"{CLUSTER}-crowd", image, options.port, options.rounds)))


def built() -> str:
    engine_api.build(Path(__file__).parent / "image", IMAGE, {"BASE": base_image.ensure()}, {})
    return IMAGE


async def measure(image: str, port: int, runs: int) -> dict[str, list[dict[str, float]]]:
    client = docker.APIClient(version="auto")
    plain, pooled = runtime_with(0), runtime_with(1)
    daemon = await asyncio.to_thread(Daemon, CLUSTER, image, port)
    without = await asyncio.to_thread(lambda: Daemon(f"{CLUSTER}-without", image, port, pool=0))
    sleepy = await asyncio.to_thread(lambda: Daemon(f"{CLUSTER}-frozen", image, port, pool=0, **FROZEN))
    await sleepy.wake(client)
    frozen = Frozen(client, image)
    ways: dict[str, Way] = {
        BASELINE: lambda: docker_run(client, image, port),
        "runtime, plain": lambda: runtime_start(plain, image, port),
        "runtime, sandbox ready": lambda: runtime_start(pooled, image, port),
        "maelstromd": lambda: daemon.request(client),
        "maelstromd, no sandboxes": lambda: without.request(client),
        UNPAUSE: frozen.unpause,
        WAKE: lambda: sleepy.wake(client),
    }
    results: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    try:
        await daemon.settle(client)
        for way in ways.values():
            await way()  # the first of each opens connections and fills caches
        for _ in range(runs):
            for name, way in ways.items():
                await asyncio.sleep(REST_SECONDS)  # alike for all: the engine of nobody is busy with what was before
                results[name].append(await way())
    finally:
        for one in (daemon, without, sleepy):
            await asyncio.to_thread(one.stop)
        frozen.remove()
        await plain.close()
        await pooled.close()
        client.close()
    return results


def runtime_with(sandboxes: int) -> DockerRuntime:
    return DockerRuntime(
        cluster=CLUSTER,
        node=f"bench-{sandboxes}",
        private_url="http://127.0.0.1:1",
        environ=os.environ,
        sandboxes=sandboxes,
    )


def report(results: dict[str, list[dict[str, float]]]) -> None:
    print(f"{'ms until the first byte':28}{'median':>9}{'p90':>9}{'min':>9}{'max':>9}{'ratio':>8}")
    baseline = statistics.median(row["total"] for row in results[BASELINE])
    for name, rows in results.items():
        for phase in ["total", *(phase for phase in rows[0] if phase != "total")]:
            values = sorted(row[phase] for row in rows)
            median = statistics.median(values)
            ninety = values[min(len(values) - 1, int(len(values) * 0.9))]
            label = name if phase == "total" else f"  {phase}"
            ratio = f"{median / baseline:8.2f}" if phase == "total" else ""
            print(f"{label:28}{median:9.1f}{ninety:9.1f}{values[0]:9.1f}{values[-1]:9.1f}{ratio}")
    wake, unpause = (statistics.median(row["total"] for row in results[name]) for name in (WAKE, UNPAUSE))
    print(f"a request to a frozen one is answered {wake - unpause:.1f} ms after what the engine's unpause takes")


if __name__ == "__main__":
    main()
