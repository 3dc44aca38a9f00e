"""Lines that containers write, whole and in order, of those who can be read."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import pytest

from maelstrom.runtime.port import LogLine, Observed, Runtime
from tests.contract.runtime.test_containers import started
from tests.contract.runtime.worlds import World, component
from tests.support.wait import eventually

KEY = component("any").key
pytestmark = pytest.mark.parametrize("here", ["fake", "docker"], indirect=True)  # a log knows of no network


async def test_lines_come_with_component_stream_and_time(here: World) -> None:
    runtime = here.runtime()
    container, observed = await started(runtime, here.image)
    await say(observed, "text=hello%20w%C3%B6rld")
    await say(observed, "text=trouble&stream=stderr")
    lines = await read(runtime, container, until="trouble")
    told = {line.text: line for line in lines}
    assert told["hello wörld"].stream == "stdout"
    assert told["trouble"].stream == "stderr"
    assert {(line.container, line.component) for line in lines} == {(container, KEY)}
    assert all(line.at.startswith("20") and line.at.endswith("Z") for line in lines)


async def test_many_lines_in_one_go_stay_whole_and_in_order(here: World) -> None:
    runtime = here.runtime()
    container, observed = await started(runtime, here.image)
    await say(observed, "text=first%0Asecond%0Athird&n=50")
    await say(observed, "text=end")
    lines = [line.text for line in await read(runtime, container, until="end")]
    assert lines[-151:] == ["first", "second", "third"] * 50 + ["end"]


async def test_a_line_of_any_length_comes_in_parts_that_make_it_whole(here: World) -> None:
    runtime = here.runtime()
    container, observed = await started(runtime, here.image)
    await say(observed, "text=0123456789&times=15000")
    await say(observed, "text=end")
    lines = [line.text for line in await read(runtime, container, until="end")]
    assert [len(text) for text in lines[-4:]] == [65536, 65536, 18928, 3]
    assert "".join(lines[-4:-1]) == "0123456789" * 15000


async def test_following_tells_what_is_written_later_and_ends_with_the_container(here: World) -> None:
    runtime = here.runtime()
    container, observed = await started(runtime, here.image)
    seen: list[str] = []

    async def follow() -> None:
        async for line in runtime.logs(container, KEY, since=0, follow=True):
            seen.append(line.text)  # noqa: PERF401 - seen while it goes on

    async with asyncio.TaskGroup() as group:
        group.create_task(follow())
        await eventually(lambda: any("listening" in text for text in seen))
        await say(observed, "text=later")
        await eventually(lambda: "later" in seen)
        await runtime.stop(container, 5)
    assert seen[-1] == "bye"


async def test_who_stops_reading_holds_nothing(here: World) -> None:
    runtime = here.runtime()
    container, observed = await started(runtime, here.image)
    async with aclosing(runtime.logs(container, KEY, since=0, follow=True)) as lines:  # type: ignore[type-var]
        first: LogLine = await anext(lines)
    assert "listening" in first.text
    await say(observed, "text=nobody%20reads%20this")


async def test_only_lines_since_a_time_are_told(here: World) -> None:
    runtime = here.runtime()
    container, observed = await started(runtime, here.image)
    await say(observed, "text=before")
    await read(runtime, container, until="before")
    now = time.time()
    await say(observed, "text=after")
    assert [line.text for line in await read(runtime, container, until="after", since=now)] == ["after"]


async def test_the_tail_has_the_last_lines_also_of_a_dead_container(here: World) -> None:
    runtime = here.runtime()
    container, observed = await started(runtime, here.image)
    await say(observed, "text=line&n=5")
    await read(runtime, container, until="line")
    await say(observed, "text=last%20words&stream=stderr")
    await here.kill(container)
    assert await runtime.log_tail(container, 3) == ("line", "line", "last words")


async def test_a_log_driver_that_keeps_nothing_gives_nothing(here: World) -> None:
    runtime = here.runtime()
    container, _ = await started(runtime, here.image, logdriver="none")
    assert await runtime.log_tail(container, 10) == ()
    assert [line async for line in runtime.logs(container, KEY, since=0, follow=False)] == []


async def test_logs_of_a_container_that_is_gone_are_empty(here: World) -> None:
    lines = here.runtime().logs("f" * 64, KEY, since=0, follow=True)
    assert [line async for line in lines] == []


async def read(runtime: Runtime, container: str, *, until: str, since: float = 0) -> list[LogLine]:
    """All lines, once one of them is there: the engine writes them down a moment after they were written."""

    async def found() -> list[LogLine] | None:
        lines = [line async for line in runtime.logs(container, KEY, since=since, follow=False)]
        return lines if until in [line.text for line in lines] else None

    return await eventually(found)


async def say(observed: Observed, query: str) -> None:
    """Makes the component write to its log."""
    assert observed.address is not None
    reader, writer = await asyncio.open_connection(observed.address.host, observed.address.port)
    writer.write(f"GET /print?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert b" 200 " in await reader.read()
    writer.close()
