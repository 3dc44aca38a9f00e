"""Waiting for something to become true: never a sleep of a guessed length."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(
    check: Callable[[], T | Awaitable[T]],
    *,
    within: float = 5.0,
    every: float = 0.02,
    ignoring: tuple[type[Exception], ...] = (AssertionError,),
) -> T:
    """Calls `check` (plain or async) again and again until its result is truthy, and returns that.

    What `ignoring` names counts as "not yet". After `within` seconds: an AssertionError that says what was seen last.
    """
    deadline = time.monotonic() + within
    while True:
        seen: object
        try:
            found = check()
            result: T = await found if inspect.isawaitable(found) else found  # type: ignore[assignment]
            if result:
                return result
            seen = result
        except ignoring as error:
            seen = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {within:g} s; seen last: {seen!r}")
        await asyncio.sleep(every)
