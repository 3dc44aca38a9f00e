"""Whose start is next, where not all can be begun at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from maelstrom.activation.governor import Governor
from maelstrom.activation.urgency import Urgency

PEOPLE, QUEUES, NOBODY = Urgency


class Line:
    """Starts under a governor for one machine with four cores; `began` names them in their order."""

    def __init__(self) -> None:
        self.governor = Governor(cores=4)
        self.began: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}
        self._urgency: dict[str, Urgency] = {}

    async def add(self, urgency: Urgency, *names: str) -> None:
        for name in names:
            self._urgency[name] = urgency
            self._ends[name] = asyncio.Event()
            self.tasks[name] = asyncio.get_running_loop().create_task(self._start(name))
        await settle()

    async def _start(self, name: str) -> None:
        async with self.governor.turn(lambda: self._urgency[name]):
            self.began.append(name)
            await self._ends[name].wait()

    async def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()
        await settle()

    async def rises(self, name: str, urgency: Urgency) -> None:
        self._urgency[name] = urgency
        self.governor.look()
        await settle()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    found = Line()
    yield found
    for task in found.tasks.values():
        task.cancel()
    await asyncio.gather(*found.tasks.values(), return_exceptions=True)


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{n}" for n in range(count)]


async def test_people_have_all_turns_and_go_in_the_order_in_which_they_came(line: Line) -> None:
    await line.add(PEOPLE, *names("p", 10))
    assert line.began == names("p", 8)
    await line.end("p3")
    assert line.began == names("p", 9)


async def test_what_nobody_waits_for_leaves_room_for_who_may_come(line: Line) -> None:
    await line.add(NOBODY, *names("n", 20))
    assert line.began == ["n0", "n1"]
    await line.add(PEOPLE, "p")
    assert line.began == ["n0", "n1", "p"]
    await line.end("n0", "n1")
    assert line.began == ["n0", "n1", "p", "n2"], "one beside the person's"
    await line.end("p")
    assert line.began == ["n0", "n1", "p", "n2", "n3"]


async def test_queues_go_before_nobody_and_after_people(line: Line) -> None:
    await line.add(NOBODY, *names("n", 4))
    await line.add(QUEUES, *names("q", 4))
    assert line.began == ["n0", "n1", "q0", "q1"]
    await line.add(PEOPLE, *names("p", 5))
    assert line.began[4:] == names("p", 4)
    await line.end("n0")
    assert line.began[8:] == ["p4"]
    await line.end("n1", "q0", "q1", *names("p", 5))
    assert line.began[9:11] == ["q2", "q3"]


async def test_one_that_somebody_begins_to_wait_for_goes_first(line: Line) -> None:
    await line.add(NOBODY, *names("n", 5))
    await line.rises("n4", PEOPLE)
    assert line.began == ["n0", "n1", "n4"]


async def test_a_start_that_is_given_up_leaves_its_place_and_its_turn(line: Line) -> None:
    await line.add(NOBODY, *names("n", 4))
    line.tasks["n2"].cancel()
    line.tasks["n0"].cancel()
    await settle()
    assert line.began == ["n0", "n1", "n3"]


async def test_people_who_keep_coming_do_not_hold_up_the_others_for_ever(line: Line) -> None:
    await line.add(NOBODY, *names("n", 3))
    for n in range(20):
        await line.add(PEOPLE, f"p{n}", f"q{n}")
        await line.end(f"p{n}", f"n{n}" if n < 3 else f"q{n}")
    assert {"n0", "n1", "n2"} <= set(line.began)
