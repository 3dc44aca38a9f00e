"""The real gateway with real pools and instances that are always there, behind the routes of a thousand hosts.

What is under /limited/ may work on half as many requests at once as there are connections: the others wait in line.

`python -m benchmarks.gateway.serve PORT UPSTREAM [IDLE_SECONDS]`; with that, what lasts long lives by that idle time.
BENCH_PROFILE names a file for a profile.
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
from maelstrom.gateway import Gateway, Policy, Route, Tls
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.instance import Address
from maelstrom.model.settings import Listen
from maelstrom.plan.routes import RouteEntry, RouteTable

HOSTS = 1000
LIMIT = 32


async def serve(port: int, upstream: int, idle: int | None = None, tls: Tls | None = None) -> None:
    tasks: set[asyncio.Task[Any]] = set()

    def spawn(work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    gateway = Gateway(find=lambda name: None, spawn=spawn)
    web, limited = Route(pool("web", 256, upstream, idle)), Route(pool("limited", LIMIT, upstream))
    hosts = [f"host{n}.example.test" for n in range(HOSTS)] + ["127.0.0.1"]
    entries = [RouteEntry(hostname=host, pathprefix="/", stripprefix=False, target=web) for host in hosts]
    entries += [RouteEntry(hostname=host, pathprefix="/limited", stripprefix=False, target=limited) for host in hosts]
    gateway.set_routes(RouteTable.build(entries))
    await gateway.listen(
        Listen(host="127.0.0.1", port=port),
        Policy(name="public", health_path=b"/_mael_health_check", show_reasons=False),
        tls=tls,
    )
    gc.collect()
    gc.freeze()  # as the daemon does
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await gateway.drain(0.2)


def pool(name: str, limit: int, upstream: int, idle: int | None = None) -> Pool:
    definition = ComponentDefinition(image="x", maxconcurrency=limit, maxqueue=10_000, idlebytesseconds=idle)
    component = Component(ComponentKey("shop", name), 1, 1, definition)
    made = Pool(component, lambda pool: None, lambda pool: None)
    instance = Instance(name, component.key, 1, "f", limit)
    instance.address = Address("127.0.0.1", upstream)
    instance.state = "ready"
    made.instances.append(instance)
    return made


def run(serving: Coroutine[Any, Any, None]) -> None:
    profile = os.environ.get("BENCH_PROFILE")
    profiler = cProfile.Profile() if profile else None
    if profiler is not None:
        profiler.enable()
    uvloop.run(serving)
    if profiler is not None and profile is not None:
        profiler.disable()
        profiler.dump_stats(profile)


def main() -> None:
    port, upstream, *idle = map(int, sys.argv[1:])
    run(serve(port, upstream, idle[0] if idle else None))


if __name__ == "__main__":
    main()
