"""Followed logs of an engine that ends its stream early."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

from maelstrom.model.component import ComponentKey
from maelstrom.runtime.logs import follow_logs

# milliseconds, in the order of the file
WRITTEN = [(900, "a"), (1300, "b"), (1200, "late"), (1300, "c"), (1300, "d"), (2400, "e"), (2400, "f")]
START = 1_800_000_000  # seconds since 1970


class Stream:
    def __init__(self, lines: list[tuple[int, str]]) -> None:
        self._lines = lines

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at, text in self._lines:
            when = datetime.fromtimestamp(START + at // 1000, UTC)
            yield f"{when:%Y-%m-%dT%H:%M:%S}.{at % 1000:03}Z {text}\n".encode()

    def close(self) -> None: ...


class EngineThatEndsEarly:
    """Gives so many lines while it follows, and after that all since the time that is asked for."""

    def __init__(self, given: int) -> None:
        self._given = given

    async def call(self, *_: object) -> dict[str, Any]:
        return {"Config": {"Tty": True}}

    async def stream(self, _: str, opened: Callable[[EngineThatEndsEarly], Stream], *, patient: bool) -> Stream:
        return opened(self)

    def open_logs(self, _: str, *, since: float, follow: bool, tail: str) -> Stream:
        lines = [(at, text) for at, text in WRITTEN if START + at / 1000 >= since]
        return Stream(lines[: self._given] if follow else lines)


async def test_what_was_not_given_while_it_followed_is_read_after_that_and_nothing_twice() -> None:
    for given in range(len(WRITTEN) + 1):
        engine: Any = EngineThatEndsEarly(given)
        lines = follow_logs(engine, "container", ComponentKey("shop", "web"), since=0, follow=True)
        texts = [line.text async for line in lines]
        assert texts == [text for _, text in WRITTEN]
