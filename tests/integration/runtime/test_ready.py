"""The wait for a first good answer, against servers of this process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from maelstrom.model.instance import Address
from maelstrom.runtime.ready import ReadyTimeout, probe, wait_ready
from tests.support.wait import eventually

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
Answer = Callable[[str], bytes | Awaitable[bytes]]


@asynccontextmanager
async def server(answer: Answer, at: Address | None = None) -> AsyncGenerator[Address, None]:
    """Answers each request's target with raw bytes, then closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            said = answer(head.decode().split(" ")[1])
            writer.write(said if isinstance(said, bytes) else await said)
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, at.host if at else "127.0.0.1", at.port if at else 0)
    try:
        yield Address(*listening.sockets[0].getsockname()[:2])
    finally:
        listening.close()


def free_address() -> Address:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return Address(*taken.getsockname())


async def never() -> bytes:
    await asyncio.sleep(60)
    return b""


async def test_a_server_that_is_up_is_ready_at_once_with_its_phases() -> None:
    async with server(lambda _: OK) as address:
        phases = await wait_ready(address, "/health?x=1", seconds=5)
    assert set(phases) == {"port_open", "first_ok"}
    assert all(ms >= 0 for ms in phases.values())


async def test_the_health_path_is_asked_as_it_is_written() -> None:
    asked: list[str] = []

    def answer(target: str) -> bytes:
        asked.append(target)
        return OK

    async with server(answer) as address:
        await wait_ready(address, "/a%20b/?q=%2F", seconds=5)
    assert asked == ["/a%20b/?q=%2F"]


async def test_it_is_ready_when_somebody_begins_to_listen() -> None:
    address = free_address()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(wait_ready(address, "/", seconds=10))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        async with server(lambda _: OK, address):
            phases = await waiting
    assert phases["port_open"] > phases["first_ok"]


async def test_only_exactly_200_is_good() -> None:
    answers = [b"HTTP/1.1 503 Warming\r\n\r\nsoon", b"HTTP/1.1 204 No Content\r\n\r\n", OK]
    async with server(lambda _: answers.pop(0)) as address:
        await wait_ready(address, "/", seconds=10)
    assert answers == []


async def test_redirects_within_the_address_are_followed() -> None:
    def answer(target: str) -> bytes:
        if target == "/ready":
            return OK
        to = {"/": "/a/b", "/a/b": "../ready"}[target]
        return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\n\r\n".encode()

    async with server(answer) as address:
        assert await probe(address, "/") == ""


async def test_redirects_to_elsewhere_and_without_end_are_failures() -> None:
    async with server(lambda _: b"HTTP/1.1 301 Moved\r\nLocation: https://example.org/\r\n\r\n") as address:
        assert "redirects away, to https://example.org/" in await probe(address, "/")
    async with server(lambda _: b"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n") as address:
        assert "redirects" in await probe(address, "/")


async def test_a_redirect_to_what_is_no_address_is_a_failure() -> None:
    async with server(lambda _: b"HTTP/1.1 301 Moved\r\nLocation: http://[\r\n\r\n") as address:
        assert "redirects to what is no address" in await probe(address, "/")


async def test_a_bad_answer_is_shown_with_the_beginning_of_its_body() -> None:
    async with server(lambda _: b"HTTP/1.1 500 Oops\r\n\r\nno database\nat all") as address:
        assert await probe(address, "/") == "500 Oops: no database at all"


async def test_interim_answers_come_before_the_answer() -> None:
    async with server(lambda _: b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + OK) as address:
        assert await probe(address, "/") == ""


@pytest.mark.parametrize(
    "said", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 2000\r\n\r\n", b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n"]
)
async def test_what_is_no_http_is_no_good_answer(said: bytes) -> None:
    async with server(lambda _: said) as address:
        assert await probe(address, "/") != ""


async def test_an_endless_head_is_given_up() -> None:
    async with server(lambda _: b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000) as address:
        assert "65536" in await probe(address, "/")


async def test_a_silent_server_fails_a_check_by_its_time_out() -> None:
    async with server(lambda _: never()) as address:
        assert await probe(address, "/", 0.05) == "no answer within 0.05 s"


async def test_nobody_there_is_said_in_words() -> None:
    assert await probe(free_address(), "/") == "Connection refused"


async def test_time_runs_out_with_what_was_seen_last() -> None:
    async with server(lambda _: b"HTTP/1.1 503 Warming\r\n\r\n") as address:
        with pytest.raises(ReadyTimeout, match=r"within 0\.1 s") as raised:
            await wait_ready(address, "/", seconds=0.1)
    assert raised.value.last_probe == "503 Warming"
    assert not raised.value.ended


async def test_a_server_that_opens_and_says_nothing_is_not_told_as_one_that_was_not_there() -> None:
    address = free_address()
    waiting = asyncio.create_task(outcome(address, asyncio.Event(), 0.6))
    await asyncio.sleep(0)
    async with server(lambda _: never(), address):
        assert (await waiting).last_probe.startswith("no answer within 0.")


async def test_the_end_of_the_container_ends_the_wait_even_while_a_stranger_answers() -> None:
    """F121: the engine gives the address of a dead container to the next one."""
    ended = asyncio.Event()
    async with server(lambda _: never()) as address, asyncio.TaskGroup() as group:
        waiting = group.create_task(outcome(address, ended))
        await asyncio.sleep(0)
        ended.set()
        error = await waiting
    assert error.ended
    assert "exited" in str(error)


async def outcome(address: Address, ended: asyncio.Event, seconds: float = 30) -> ReadyTimeout:
    with pytest.raises(ReadyTimeout) as raised:
        await wait_ready(address, "/", seconds=seconds, ended=ended)
    return raised.value


async def test_a_good_answer_after_the_end_is_not_believed() -> None:
    ended = asyncio.Event()

    def answer(_: str) -> bytes:
        ended.set()
        return OK

    async with server(answer) as address:
        assert (await outcome(address, ended)).ended


async def test_a_port_that_is_accepted_but_closed_without_a_byte_is_not_open_yet() -> None:
    """As the engine's own proxy of a published port does before the component listens."""
    closed = 0

    def answer(_: str) -> bytes:
        nonlocal closed
        closed += 1
        return b"" if closed < 5 else OK

    async with server(answer) as address:
        phases = await wait_ready(address, "/", seconds=10)
    assert closed == 5
    assert phases["port_open"] > 5


async def test_a_cancelled_wait_leaves_no_task_behind() -> None:
    before = len(asyncio.all_tasks())
    address = free_address()
    task = asyncio.ensure_future(wait_ready(address, "/", seconds=30, ended=asyncio.Event()))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: len(asyncio.all_tasks()) == before)
