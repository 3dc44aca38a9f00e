"""The real gateway with a real pool and one instance that is always there.

`python -m benchmarks.gateway.serve PORT UPSTREAM`; BENCH_PROFILE names a file for a profile.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any

import uvloop

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.gateway import Gateway, Policy, Route
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.instance import Address
from maelstrom.model.settings import Listen
from maelstrom.plan.routes import RouteEntry, RouteTable


async def serve(port: int, upstream: int) -> None:
    tasks: set[asyncio.Task[Any]] = set()

    def spawn(work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    definition = ComponentDefinition(image="x", maxconcurrency=256, maxqueue=10_000)
    component = Component(ComponentKey("shop", "web"), 1, 1, definition)
    pool = Pool(component, lambda pool: None, lambda pool: None)
    instance = Instance("i", component.key, 1, "f", 256)
    instance.address = Address("127.0.0.1", upstream)
    instance.state = "ready"
    pool.instances.append(instance)
    gateway = Gateway(find=lambda name: None, spawn=spawn)
    gateway.set_routes(
        RouteTable.build([RouteEntry(hostname="", pathprefix="/", stripprefix=False, target=Route(pool))])
    )
    await gateway.listen(
        Listen(host="127.0.0.1", port=port),
        Policy(name="public", health_path=b"/_mael_health_check", show_reasons=False),
    )
    gc.collect()
    gc.freeze()  # as the daemon does
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await gateway.drain(0.2)


def main() -> None:
    profile = os.environ.get("BENCH_PROFILE")
    profiler = cProfile.Profile() if profile else None
    if profiler is not None:
        profiler.enable()
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
    if profiler is not None and profile is not None:
        profiler.disable()
        profiler.dump_stats(profile)


if __name__ == "__main__":
    main()
