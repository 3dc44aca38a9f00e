"""The public gateway by one process or by several, with one instance that is always there.

`python -m benchmarks.workers.serve PORT UPSTREAM WORKERS LIMIT`; WORKERS 1 is the path without lent slots.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.daemon.sockets import bind
from maelstrom.daemon.worker import COMMAND
from maelstrom.gateway import Gateway, GatewayStats, Limits, Policy, Route
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.instance import Address
from maelstrom.model.settings import Listen, Settings
from maelstrom.plan.routes import RouteEntry, RouteTable
from maelstrom.workers.briefing import Rule
from maelstrom.workers.crew import Crew
from maelstrom.workers.line import Door

KEY = ComponentKey("shop", "web")


def pool_of(upstream: int, limit: int) -> Pool:
    component = Component(KEY, 1, 1, ComponentDefinition(image="x", maxconcurrency=limit, maxqueue=10_000))
    pool = Pool(component, lambda pool: None, lambda pool: None)
    instance = Instance("i", KEY, 1, "f", limit)
    instance.address = Address("127.0.0.1", upstream)
    instance.state = "ready"
    pool.instances.append(instance)
    return pool


async def serve(port: int, upstream: int, workers: int, limit: int) -> None:
    tasks: set[asyncio.Task[Any]] = set()

    def spawn(work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    settings = Settings(state_dir=Path("/"), node_name="bench", gateway_workers=workers)
    pool = pool_of(upstream, limit)
    sockets = await bind("MAEL_PUBLIC_LISTEN", Listen(host="127.0.0.1", port=port))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if workers == 1:
        gateway = Gateway(find=lambda name: None, spawn=spawn, limits=Limits.of(settings))
        gateway.set_routes(RouteTable.build([RouteEntry("", "/", False, Route(pool))]))
        for one in sockets:
            await gateway.listen(one, Policy.public(settings))
        gc.collect()
        gc.freeze()  # as the daemon does
        await stop.wait()
        await gateway.drain(0.2)
        return
    crew = Crew(settings, find=lambda name: pool, stats=GatewayStats(), spawn=spawn, command=COMMAND)
    crew.doors += [Door(one) for one in sockets]
    crew.follow({KEY: pool.component}, [Rule("site", "", "/", False, KEY.full_name)], {})
    crew.start()
    await stop.wait()
    await crew.drain(0.2)


if __name__ == "__main__":
    uvloop.run(serve(*map(int, sys.argv[1:])))
