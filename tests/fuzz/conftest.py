"""How long the fuzzers run: bounded in the normal suite, for minutes with `pytest -m fuzz` or FUZZ_SECONDS."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest

ROUNDS = 4000
LONG_SECONDS = 300.0


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fuzz: bounded here; selected by -m fuzz it runs for minutes (FUZZ_SECONDS)")


def seconds(config: pytest.Config) -> float:
    """0: a bounded number of rounds."""
    chosen = config.option.markexpr == "fuzz"
    return float(os.environ.get("FUZZ_SECONDS", LONG_SECONDS if chosen else 0.0))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if seconds(config) and item.get_closest_marker("fuzz"):
            item.add_marker(pytest.mark.timeout(seconds(config) + 120))


class Rounds:
    """Dice for each round, made of its number: one that fails can be played again alone (FUZZ_ROUND)."""

    def __init__(self, seconds: float, only: int | None, first: int) -> None:
        self._seconds = seconds
        self._only = only
        self._first = first

    def __iter__(self) -> Iterator[tuple[int, random.Random]]:
        if self._only is not None:
            yield self._only, random.Random(self._only)
            return
        end = time.monotonic() + self._seconds
        n = self._first
        while n < self._first + ROUNDS or time.monotonic() < end:
            yield n, random.Random(n)
            n += 1


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Rounds:
    only = os.environ.get("FUZZ_ROUND")
    long = seconds(request.config)
    first = random.SystemRandom().randrange(1 << 32) if long else 0
    return Rounds(long, None if only is None else int(only), first)
