"""A node that has nothing but cron: the real registry, leases, role and ledger; the component is a function.

As a process, `python -m tests.integration.cron.node URL NAME`, it prints each request that its component gets.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

from maelstrom.activation.work import WorkAnswer, WorkRequest
from maelstrom.leases.clock import SteadyClock
from maelstrom.leases.keeper import LeaseKeeper
from maelstrom.registry.cron import CronLedger
from maelstrom.registry.cron_opening import Writer
from maelstrom.registry.registry import Registry
from maelstrom.registry.view import View
from maelstrom.sources.cron.cron import Cron
from maelstrom.sources.delivery import Means
from tests.fakes.sources import FakeWorker, Handler, TaskOwner, answer

BEAT, TTL = 0.25, 1.5


class Node:
    """`end` is a clean stop, `kill` none at all."""

    def __init__(self, registry: Registry, url: str, name: str, handle: Handler) -> None:
        clock = SteadyClock()
        self.registry = registry
        self.tasks = TaskOwner()
        self.worker = FakeWorker(handle)
        self.view = View(registry)
        self.keeper = LeaseKeeper(
            registry.engine,
            node=name,
            state_dir_id=name,
            beat_seconds=BEAT,
            ttl_seconds=TTL,
            clock=clock,
            listen_url=None if url.startswith("sqlite") else url,
        )
        self.role = self.keeper.role("cron")
        means = Means(self.worker, lambda key: self.view.snapshot.components.get(key), clock, self.tasks.spawn)
        ledger = CronLedger(registry.engine, Writer(name, name, f"{name} {random.random()}"))
        self.cron = Cron(
            ledger,
            self.role,
            view=self.view,
            means=means,
            random=random.random,
            zone=ZoneInfo("UTC"),
            able=lambda: True,
        )

    async def start(self) -> None:
        await self.keeper.start()
        await self.view.refresh()
        self.cron.start()
        for name, run in (("leases", self.keeper.run), ("view", self.view.run), ("cron", self.cron.run)):
            self.tasks.spawn(run(), name)

    async def end(self) -> None:
        self.keeper.leave()
        await self.cron.stop(5)
        await self.keeper.stop()
        await self.kill()

    async def kill(self) -> None:
        await self.tasks.end()

    @property
    def times(self) -> list[str]:
        """Planned times of the requests that its component got."""
        return [one.headers["Maelstrom-Scheduled-At"] for one in self.worker.exchanges]


@asynccontextmanager
async def node(url: str, name: str, handle: Handler = lambda request: answer()) -> AsyncIterator[Node]:
    registry = await Registry.open(url, migrate=False)
    made = Node(registry, url, name, handle)
    try:
        await made.start()
        yield made
    finally:
        await made.kill()
        await registry.close()
    assert made.tasks.died == []


async def main(url: str, name: str) -> None:
    def tell(request: WorkRequest) -> WorkAnswer:
        sys.stdout.write(dict(request.headers)["Maelstrom-Scheduled-At"] + "\n")
        sys.stdout.flush()
        return answer()

    async with node(url, name, tell):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
