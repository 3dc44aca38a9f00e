"""Two real worker processes, containers that are played by the test, and the main process's side in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest_asyncio

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.daemon.sockets import bind
from maelstrom.daemon.worker import COMMAND
from maelstrom.gateway import GatewayStats
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.instance import Address
from maelstrom.model.project_answers import ProjectAnswers
from maelstrom.model.settings import Listen, Settings
from maelstrom.workers.briefing import Rule
from maelstrom.workers.crew import Crew
from maelstrom.workers.line import Door
from tests.integration.gateway.world import Caller, Container, Conversation


class Work:
    """What containers of a component do with a request: counted from its head to the end of the work, and not ended
    by a caller that leaves."""

    def __init__(self, seconds: float = 0.002) -> None:
        self.seconds = seconds
        self.now = self.peak = 0
        self.processes: Counter[str] = Counter()  # answered, by the beginning of the gateway's request ids
        self.gate = asyncio.Event()  # work takes until it is open
        self.gate.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, talk: Conversation) -> None:
        while True:
            request = await talk.message()
            self.processes[request.head["x-request-id"].partition("-")[0]] += 1
            task = asyncio.create_task(self._do())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.shield(task)
            talk.reply()

    async def _do(self) -> None:
        self.now += 1
        self.peak = max(self.peak, self.now)
        await asyncio.sleep(self.seconds)
        await self.gate.wait()
        self.now -= 1


@dataclass
class Node:
    """The main process, as far as workers meet it."""

    crew: Crew
    stats: GatewayStats
    port: int
    tls_port: int
    pools: dict[str, Pool] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    answers: dict[str, ProjectAnswers] = field(default_factory=dict)
    wanted: Counter[str] = field(default_factory=Counter)
    containers: list[Container] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)

    def component(self, name: str, *, host: str = "", **fields: Any) -> Pool:
        """A component with no instance; workers are told of it when `tell` is called."""
        key = ComponentKey("shop", name)
        component = Component(key, 1, 1, ComponentDefinition(image="x", **fields))
        pool = Pool(component, lambda pool: self.wanted.update([pool.component.name]), lambda pool: None)
        self.pools[key.full_name] = pool
        self.rules.append(Rule(f"shop/{name}/site", host or f"{name}.test", "", False, key.full_name))
        return pool

    def tell(self) -> None:
        components = {pool.component.key: pool.component for pool in self.pools.values() if not pool.closed}
        rules = [rule for rule in self.rules if not self.pools[rule.component].closed]
        self.crew.follow(components, rules, dict(self.answers))

    async def instance(self, pool: Pool, script: Any) -> Instance:
        container = await Container(script).start()
        self.containers.append(container)
        instance = Instance(f"{pool.component.name}{len(pool.instances)}", pool.component.key, 1, "f", 0)
        instance.limit = pool.component.definition.maxconcurrency
        instance.address = Address("127.0.0.1", container.port)
        instance.state = "ready"
        pool.instances.append(instance)
        pool.grant()
        return instance

    async def caller(self) -> Caller:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        caller = Caller(reader, writer)
        self.callers.append(caller)
        return caller

    async def ask(self, name: str) -> tuple[int, str]:
        """Status and error code of one request on a connection of its own."""
        caller = await self.caller()
        answer = await caller.ask(get(name))
        caller.close()
        return answer.status, answer.code


def get(name: str) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: %b.test\r\n\r\n" % name.encode()


class Crowd:
    """Clients that ask again and again, each on its connection; one that is told to close comes back, as one that is
    cut."""

    def __init__(self, node: Node, name: str, clients: int) -> None:
        self.codes: Counter[object] = Counter()
        self._node = node
        self._name = name
        self._over = asyncio.Event()
        self._clients = clients

    async def __aenter__(self) -> Crowd:
        self._tasks = [asyncio.create_task(self._client()) for _ in range(self._clients)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await asyncio.gather(*self._tasks)

    async def _client(self) -> None:
        while not self._over.is_set():
            caller = await self._node.caller()
            try:
                while not self._over.is_set():
                    answer = await caller.ask(get(self._name))
                    self.codes[answer.status] += 1
                    if answer.head.get("connection") == "close":
                        break
            except (ConnectionError, asyncio.IncompleteReadError):
                self.codes["cut"] += 1
            caller.close()


@contextlib.asynccontextmanager
async def running(workers: int, follows: Node | None = None, **fields: Any) -> AsyncIterator[Node]:
    """`follows`: a node whose sockets it has too; then its workers do not begin before they may. `fields`: settings."""
    tasks: set[asyncio.Task[Any]] = set()
    failed: list[BaseException] = []

    def spawn(work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        tasks.add(task)
        task.add_done_callback(done)
        return task

    def done(task: asyncio.Task[Any]) -> None:
        tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            failed.append(error)

    settings = Settings(state_dir=Path("/"), node_name="one", gateway_workers=workers, **fields)
    stats = GatewayStats()
    if follows is None:
        (plain,) = await bind("MAEL_PUBLIC_LISTEN", Listen(host="127.0.0.1", port=0))
        (tls,) = await bind("MAEL_PUBLIC_TLS_LISTEN", Listen(host="127.0.0.1", port=0))
    else:
        plain, tls = (door.socket.dup() for door in follows.crew.doors)
    pools: dict[str, Pool] = {}
    crew = Crew(settings, find=pools.get, stats=stats, spawn=spawn, command=COMMAND)
    crew.doors += [Door(plain), Door(tls, tls=True)]
    node = Node(crew, stats, plain.getsockname()[1], tls.getsockname()[1], pools)
    if follows is not None:
        crew.may_begin.clear()
    crew.start()
    try:
        await (crew.ready() if follows is None else crew.there())
        yield node
    finally:
        await crew.drain(0.0)
        for caller in node.callers:
            caller.close()
        for container in node.containers:
            await container.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert not failed, failed


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node() -> AsyncIterator[Node]:
    async with running(2) as made:
        yield made
