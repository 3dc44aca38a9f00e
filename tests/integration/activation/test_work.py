"""Work that sources deliver, by HTTP/1.1: which connection it takes, and what becomes of it when that ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.activation.transport import Transport
from maelstrom.activation.work import WORK_BODY_LIMIT, WorkAnswer, WorkRequest
from maelstrom.gateway.wire.answer_reader import AnswerReader
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.instance import Address
from tests.support.wait import eventually

KEY = ComponentKey("shop", "web")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ONCE = WorkRequest("POST", "/", body=b"x")
AGAIN = WorkRequest("POST", "/", body=b"x", repeatable=True)


class Connection:
    """One that the component has accepted, in its handler's hands."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes | None:
        """The head of the next one; None where none comes any more."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0)
        await self.reader.readexactly(length)
        return head


class World:
    def __init__(self, limit: int) -> None:
        self.pool = Pool(Component(KEY, 1, 1, ComponentDefinition(image="x")), lambda pool: None, lambda pool: None)
        self.instance = Instance("i", KEY, 1, "f", limit)
        self.instance.state = "ready"
        self.pool.instances.append(self.instance)
        self.transport = Transport(lambda key: self.pool, AnswerReader)
        self.connections: list[Connection] = []
        self.heads: list[bytes] = []
        self.ended = 0

    async def work(self, request: WorkRequest, seconds: float = 5) -> WorkAnswer:
        return await self.transport.work(KEY, request, seconds=seconds)

    async def answer(self, connection: Connection) -> bool:
        """Takes one request and answers it; False where there is none."""
        head = await connection.request()
        if head is None:
            return False
        self.heads.append(head)
        connection.writer.write(OK)
        return True


Handler = Callable[[World, Connection], Awaitable[None]]


@asynccontextmanager
async def component(handler: Handler, limit: int = 10) -> AsyncGenerator[World, None]:
    world = World(limit)
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        connection = Connection(reader, writer)
        world.connections.append(connection)
        try:
            await handler(world, connection)
        except ConnectionError:
            pass  # it was cut
        finally:
            world.ended += 1
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    world.instance.address = Address(*listening.sockets[0].getsockname()[:2])
    try:
        yield world
    finally:
        await world.transport.stop()
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert world.pool.in_flight == 0


async def patient(world: World, connection: Connection) -> None:
    while await world.answer(connection):
        pass


async def once(world: World, connection: Connection) -> None:
    """Closes after an answer, and has not said that it would."""
    await world.answer(connection)


async def test_work_that_may_be_sent_twice_shares_a_connection() -> None:
    async with component(patient) as world:
        answers = [await world.work(AGAIN) for _ in range(3)]
        assert [(answer.status, answer.body) for answer in answers] == [(200, b"ok")] * 3
        assert len(world.connections) == 1
        assert all(b"\r\nConnection:" not in head for head in world.heads)


async def test_all_other_work_has_a_connection_of_its_own() -> None:
    async with component(patient) as world:
        for request in (AGAIN, ONCE, ONCE):
            assert (await world.work(request)).status == 200
        assert len(world.connections) == 3
        assert [b"\r\nConnection: close\r\n" in head for head in world.heads] == [False, True, True]


async def test_what_works_at_one_request_at_a_time_has_no_connection_kept_open() -> None:
    async with component(patient, limit=1) as world:
        assert (await world.work(AGAIN)).status == 200
        await eventually(lambda: world.ended == 1)
        assert not world.instance.links


async def test_a_connection_is_kept_for_a_moment_only() -> None:
    async with component(patient) as world:
        assert (await world.work(AGAIN)).status == 200
        await eventually(lambda: world.ended == 1)
        assert not world.instance.links


async def test_a_kept_connection_that_the_component_closed_is_no_failure() -> None:
    async with component(once) as world:
        for _ in range(20):
            assert (await world.work(AGAIN)).status == 200
        assert len(world.heads) == 20
        assert not world.instance.suspect


async def test_a_request_is_not_sent_again_when_its_answer_had_begun() -> None:
    async def handler(world: World, connection: Connection) -> None:
        await world.answer(connection)
        await connection.request()
        connection.writer.write(OK[:20])

    async with component(handler) as world:
        assert (await world.work(AGAIN)).status == 200
        assert (await world.work(AGAIN)).code == "upstream_broken"
        assert len(world.connections) == 1
        assert world.instance.suspect


async def test_a_new_connection_that_ends_without_an_answer_is_not_tried_again() -> None:
    async def handler(world: World, connection: Connection) -> None:
        await connection.request()

    async with component(handler) as world:
        assert (await world.work(AGAIN)).code == "upstream_broken"
        assert len(world.connections) == 1


async def test_work_ends_at_once_when_its_instance_does() -> None:
    async def handler(world: World, connection: Connection) -> None:
        await connection.reader.read()

    async with component(handler) as world:
        working = [asyncio.ensure_future(world.work(request, 60)) for request in (ONCE, AGAIN)]
        await eventually(lambda: len(world.connections) == 2)
        world.instance.cut()
        assert [(await work).code for work in working] == ["upstream_broken"] * 2
        await eventually(lambda: world.ended == 2)


async def test_work_that_is_cancelled_or_late_is_over_for_the_component() -> None:
    async def handler(world: World, connection: Connection) -> None:
        while await connection.reader.read(65536):
            pass

    async with component(handler) as world:
        assert (await world.work(AGAIN, 0.05)).code == "deadline"
        working = asyncio.ensure_future(world.work(AGAIN))
        await eventually(lambda: len(world.connections) == 2)
        working.cancel()
        await eventually(lambda: world.ended == 2)
        assert not world.instance.links


async def test_what_comes_unasked_on_a_kept_connection_ends_it() -> None:
    async def handler(world: World, connection: Connection) -> None:
        if await world.answer(connection):
            await connection.writer.drain()
            await asyncio.sleep(0)
            connection.writer.write(OK.replace(b"ok", b"no"))
            await patient(world, connection)

    async with component(handler) as world:
        for _ in range(5):
            answer = await world.work(AGAIN)
            await eventually(lambda: not world.instance.links)
            assert answer.body == b"ok"


async def test_a_long_answer_is_read_and_cut() -> None:
    async def handler(world: World, connection: Connection) -> None:
        await connection.request()
        connection.writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * (WORK_BODY_LIMIT + 5))

    async with component(handler) as world:
        answer = await world.work(ONCE)
        assert (len(answer.body), answer.truncated) == (WORK_BODY_LIMIT, True)


async def test_a_header_with_a_line_end_is_never_sent() -> None:
    async with component(patient) as world:
        for value in ("a\r\nX-B: 1", "a\nb", "a\rb", "a\0b"):
            with pytest.raises(ValueError, match="line end"):
                await world.work(WorkRequest("POST", "/", (("X-A", value),)))
        assert not world.heads
