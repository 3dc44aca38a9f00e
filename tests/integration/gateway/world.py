"""A gateway over real sockets between scripted callers and scripted containers, and a clock that can be put forward."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Self

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.gateway import AccessLog, Gateway, Limits, Listener, Policy, Route
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.instance import Address
from maelstrom.model.settings import Listen
from maelstrom.plan.routes import RouteEntry, RouteTable
from tests.support.wait import eventually

SECONDS = 5.0  # for anything that must happen at once
CONTAINER = "127.0.0.9"  # a caller with another address than the one it calls
SELF = ComponentKey("shop", "caller")  # who calls on the internal listener, as far as it knows


class Stream:
    """One end of a TCP connection. Everything that waits gives up after a few seconds."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._rest = b""

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def flush(self) -> None:
        async with asyncio.timeout(SECONDS):
            await self.writer.drain()

    async def until(self, mark: bytes) -> bytes:
        """What comes, `mark` included."""
        async with asyncio.timeout(SECONDS):
            return await self.reader.readuntil(mark)

    async def exactly(self, n: int) -> bytes:
        async with asyncio.timeout(SECONDS):
            return await self.reader.readexactly(n)

    async def some(self) -> bytes:
        async with asyncio.timeout(SECONDS):
            return await self.reader.read(65536)

    async def rest(self) -> bytes:
        """All up to the end of the other side's sending; ConnectionResetError if it ends otherwise."""
        async with asyncio.timeout(SECONDS):
            return await self.reader.read(-1)

    async def ended(self) -> bool:
        """Whether nothing more came, orderly or not."""
        with contextlib.suppress(ConnectionError):
            return await self.rest() == b""
        return True

    async def gone(self) -> None:
        """Waits for the other side's end, whatever it still sends."""
        with contextlib.suppress(ConnectionError):
            while await self.some():
                pass

    def end_sending(self) -> None:
        with contextlib.suppress(OSError):  # the other side may have reset it already
            self.writer.write_eof()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        if sock.fileno() < 0:
            return  # it was reset from the other end meanwhile
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def stop_reading(self) -> None:
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]

    async def head(self) -> Head:
        return Head.parse(await self.until(b"\r\n\r\n"))

    async def chunked(self) -> tuple[bytes, bytes]:
        """(data, trailer lines) of a chunked body."""
        data = b""
        while size := int((await self.until(b"\r\n")).strip(), 16):
            data += await self.exactly(size)
            assert await self.exactly(2) == b"\r\n"
        trailers = b""
        while (line := await self.until(b"\r\n")) != b"\r\n":
            trailers += line
        return data, trailers

    async def message(self) -> Message:
        """A head and its body, framed as the head says (a request's way: no body without framing)."""
        head = await self.head()
        trailers = b""
        if head.has("transfer-encoding"):
            body, trailers = await self.chunked()
        else:
            body = await self.exactly(int(head.get("content-length") or 0))
        return Message(head, body, trailers)

    async def answer(self, *, to_head: bool = False) -> Message:
        """An answer; one without framing lasts until the connection ends."""
        head = await self.head()
        if to_head or head.status in (101, 204, 304) or head.status < 200:
            return Message(head, b"", b"")
        if head.has("transfer-encoding"):
            return Message(head, *await self.chunked())
        if head.has("content-length"):
            return Message(head, await self.exactly(int(head["content-length"])), b"")
        return Message(head, await self.rest(), b"")


@dataclass(frozen=True)
class Head:
    raw: bytes
    first: str
    headers: list[tuple[str, str]]

    @classmethod
    def parse(cls, raw: bytes) -> Head:
        lines = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
        return cls(raw, lines[0], headers)

    @property
    def status(self) -> int:
        return int(self.first.split(" ")[1])

    def all(self, name: str) -> list[str]:
        return [value for given, value in self.headers if given == name]

    def has(self, name: str) -> bool:
        return bool(self.all(name))

    def get(self, name: str) -> str:
        values = self.all(name)
        assert len(values) <= 1, f"{name} stands there {len(values)} times"
        return values[0] if values else ""

    def __getitem__(self, name: str) -> str:
        assert self.has(name), f"no {name} in {self.raw!r}"
        return self.get(name)


@dataclass(frozen=True)
class Message:
    head: Head
    body: bytes
    trailers: bytes

    @property
    def status(self) -> int:
        return self.head.status

    @property
    def code(self) -> str:
        return self.head.get("maelstrom-error")


Script = Callable[["Conversation"], Awaitable[None]]


class Conversation(Stream):
    """A container's end of one connection, for the script of a test."""

    def __init__(self, container: Container, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self.container = container
        self.number = container.connections

    async def head(self) -> Head:
        head = await super().head()
        self.container.requests.append(head)
        return head

    def reply(self, body: bytes = b"hello", *lines: str, status: str = "200 OK") -> None:
        extra = "".join(f"{line}\r\n" for line in lines)
        self.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body)


async def friendly(talk: Conversation) -> None:
    """Answers everything with what it was sent, and keeps the connection."""
    while True:
        request = await talk.message()
        talk.reply(request.body or b"hello")


class Container:
    """A server that does what its script says, once per connection."""

    def __init__(self, script: Script = friendly) -> None:
        self.script = script
        self.connections = 0
        self.requests: list[Head] = []
        self.talks: list[Conversation] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> Self:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        talk = Conversation(self, reader, writer)
        self.talks.append(talk)
        try:
            # Where the gateway closes the connection the script is at its end; what else is wrong fails the test.
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                await self.script(talk)
        finally:
            writer.close()
            self._tasks.discard(task)

    def stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def close(self) -> None:
        self.stop_listening()
        for talk in self.talks:
            # A transport that wrote its last bytes after close() has no loop any more and fails here (CPython 3.11).
            with contextlib.suppress(AttributeError):
                talk.writer.transport.abort()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Caller(Stream):
    """A client's end."""

    @property
    def port(self) -> int:
        port: int = self.writer.get_extra_info("sockname")[1]
        return port

    async def ask(self, data: bytes, *, to_head: bool = False) -> Message:
        self.send(data)
        return await self.answer(to_head=to_head)


@dataclass
class World:
    """The gateway, what is behind it, and the time."""

    gateway: Gateway
    public: Listener
    internal: Listener
    pools: dict[str, Pool] = field(default_factory=dict)
    wanted: list[str] = field(default_factory=list)
    containers: list[Container] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)
    entries: list[RouteEntry[Route]] = field(default_factory=list)
    clock: Clock = field(default_factory=lambda: Clock())
    book: Book = field(default_factory=lambda: Book())

    async def component(
        self, *scripts: Script, name: str = "web", host: str = "", prefix: str = "/", strip: bool = False, **fields: Any
    ) -> Pool:
        """A component with one ready instance per script."""
        definition = ComponentDefinition(image="x", **{"maxconcurrency": 10, **fields})
        component = Component(ComponentKey("shop", name), 1, 1, definition)
        pool = Pool(component, lambda pool: self.wanted.append(pool.component.name), lambda pool: None)
        self.pools[component.key.full_name] = pool
        for script in scripts:
            await self.instance(pool, script)
        if host or prefix:
            self.entries.append(RouteEntry(hostname=host, pathprefix=prefix, stripprefix=strip, target=Route(pool)))
        self.gateway.set_routes(RouteTable.build(self.entries))
        return pool

    async def instance(self, pool: Pool, script: Script = friendly, *, http2: bool = False) -> Instance:
        """One more ready instance; who waits gets it."""
        container = await Container(script).start()
        self.containers.append(container)
        definition = pool.component.definition
        number = len(pool.instances)
        instance = Instance(f"i{number}", pool.component.key, 1, "f", definition.maxconcurrency)
        instance.address = Address("127.0.0.1", container.port, http2)
        instance.state = "ready"
        instance.ready_at = self.clock.monotonic()
        pool.instances.append(instance)
        pool.grant()
        return instance

    async def caller(self, listener: Listener | None = None, address: str | None = None) -> Caller:
        """`address`: its own, a local one."""
        host, port = (listener or self.public).address
        local = (address, 0) if address is not None else None
        reader, writer = await asyncio.open_connection(host, port, limit=1 << 22, local_addr=local)
        caller = Caller(reader, writer)
        self.callers.append(caller)
        return caller

    async def ask(self, data: bytes, *, to_head: bool = False) -> Message:
        """One request on a connection of its own."""
        return await (await self.caller()).ask(data, to_head=to_head)

    def pass_time(self, seconds: float) -> None:
        """It is later now; whatever is due happens."""
        self.clock.offset += seconds
        self.gateway.timers.look()

    def leave(self) -> None:
        """All callers end their connections."""
        for caller in self.callers:
            if not caller.writer.is_closing():
                caller.reset()

    @property
    def in_flight(self) -> int:
        return sum(pool.in_flight for pool in self.pools.values())

    async def at_rest(self) -> None:
        """Everything that was claimed has been given back."""
        await eventually(lambda: not self.in_flight and not any(pool.queue for pool in self.pools.values()))
        for pool in self.pools.values():
            assert [i.in_flight for i in pool.instances] == [0] * len(pool.instances)


@dataclass
class Book:
    """Whose an address is."""

    addresses: dict[str, ComponentKey] = field(default_factory=lambda: {CONTAINER: SELF})
    settled: bool = True

    def find(self, address: str) -> ComponentKey | None:
        return self.addresses.get(address)


@dataclass
class Clock:
    offset: float = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.offset


@contextlib.asynccontextmanager
async def world(
    *, limits: Limits | None = None, access: AccessLog | None = None, public: Policy | None = None
) -> AsyncIterator[World]:
    clock = Clock()
    tasks: set[asyncio.Task[Any]] = set()

    def spawn(work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
    pools: dict[str, Pool] = {}
    book = Book()
    gateway = Gateway(
        find=pools.get, spawn=spawn, limits=limits, access=access, monotonic=clock.monotonic, callers=book
    )
    policy = public or Policy(name="public", health_path=b"/_mael_health_check", show_reasons=False)
    here = Listen(host="127.0.0.1", port=0)
    made = World(
        gateway,
        await gateway.listen(here, policy),
        await gateway.listen(here, Policy.internal()),
        pools=pools,
        clock=clock,
        book=book,
    )
    made.gateway.doorkeeper.by_address = True
    try:
        yield made
        made.leave()
        await made.at_rest()
    finally:
        made.leave()
        await gateway.drain(0.0)
        for container in made.containers:
            await container.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert not errors, errors
    assert not any(instance.links for pool in pools.values() for instance in pool.instances)


def request(text: str, body: bytes = b"") -> bytes:
    """A request written with plain line ends, one header a line; indentation is taken off."""
    return re.sub(r"\n[ ]*", "\r\n", text.strip()).encode("latin-1") + b"\r\n\r\n" + body


GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
