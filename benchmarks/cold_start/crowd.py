"""Many cold components at a time: ten that are asked for at once, and one while twenty others start by themselves.

Beside it, in the same round: ten `docker run -d` at once, and the one component's start alone.
"""

from __future__ import annotations

import asyncio
import statistics

import docker

from benchmarks.cold_start.daemon import Daemon, component
from benchmarks.cold_start.ways import docker_run

TEN, TWENTY = 10, 20


async def measure(cluster: str, image: str, port: int, rounds: int) -> dict[str, list[float]]:
    client = docker.APIClient(version="auto")
    daemon = await asyncio.to_thread(Daemon, cluster, image, port)
    rows: dict[str, list[float]] = {name: [] for name in ("docker", "maelstromd", "alone", "urgent")}
    crowd = {f"c{n}": component(image, port, f"/c{n}/") for n in range(TEN)}
    try:
        for _ in range(rounds):
            await daemon.settle(client)
            runs = await asyncio.gather(*(docker_run(client, image, port) for _ in range(TEN)))
            rows["docker"].append(max(run["total"] for run in runs))
            await asyncio.to_thread(daemon.put, "crowd", crowd)
            await daemon.settle(client)
            rows["maelstromd"].append(max(await asyncio.gather(*(daemon.ask(f"/{name}/") for name in crowd))))
            await daemon.settle(client)
            rows["alone"].append(await daemon.ask("/"))
            await daemon.settle(client)
            rows["urgent"].append(await urgent(daemon, image, port))
            await asyncio.to_thread(daemon.put, "background", {"b0": component(image, port, "/b0/")})
    finally:
        await asyncio.to_thread(daemon.stop)
        client.close()
    return rows


async def urgent(daemon: Daemon, image: str, port: int) -> float:
    """One request for a cold component while twenty others are begun because they should always run."""
    twenty = {f"b{n}": {**component(image, port, f"/b{n}/"), "mininstances": 1} for n in range(TWENTY)}
    await asyncio.to_thread(daemon.put, "background", twenty)
    await asyncio.sleep(0.5)  # some of them are under way, most wait
    return await daemon.ask("/")


def report(rows: dict[str, list[float]]) -> None:
    middle = {name: statistics.median(values) for name, values in rows.items()}
    print(f"{'ms':48}{'median':>9}{'min':>9}{'max':>9}{'ratio':>8}")
    for name, text, to in (
        ("docker", f"{TEN} x docker run -d at once, the last one", "docker"),
        ("maelstromd", f"{TEN} cold components at once, the last one", "docker"),
        ("alone", "one cold component, alone", "alone"),
        ("urgent", f"the same while {TWENTY} start in the background", "alone"),
    ):
        values = rows[name]
        print(f"{text:48}{middle[name]:9.1f}{min(values):9.1f}{max(values):9.1f}{middle[name] / middle[to]:8.2f}")
