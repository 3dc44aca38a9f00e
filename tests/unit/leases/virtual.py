"""A node's duration clock in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.support.virtual_time import VirtualLoop

T = TypeVar("T")


class VirtualClock:
    """`rate` seconds pass on it in each of the running loop's."""

    def __init__(self, rate: float = 1.0) -> None:
        self.rate = rate
        self.ahead = 0.0  # e.g. time suspended

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() * self.rate + self.ahead

    def now(self) -> float:
        raise AssertionError("no wall clock decides anything")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.rate)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs it on a virtual loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
