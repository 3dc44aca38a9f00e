"""The simulation's times: short, and with little to spare, so that no fault hides behind what is spared."""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from maelstrom.leases import fitness, history, keeper, later, rows, session, term, watch, writer
from maelstrom.plan.backoff import Backoff
from tests.fakes import lease_rows

TTL, BEAT = 3.0, 0.7
LONGEST = 6.0  # s, of a request
LOST_COMMITS = 5.0  # s that may go back with a failover
CONFIRM_SECONDS, SLACK_SECONDS, EXTRA_SECONDS = 1.0, 0.1, 0.1
RATE = 0.0045  # two clocks differ by less than the margin

CONSTANTS: tuple[tuple[ModuleType, str, Any], ...] = (
    (term, "SLACK_SECONDS", SLACK_SECONDS),
    (term, "EXTRA_SECONDS", EXTRA_SECONDS),
    (watch, "WRITE_BACK_SECONDS", 1.5),
    (watch, "KEEP_DEAD_SECONDS", 9.0),
    (history, "WRITE_SECONDS", 0.0),
    (session, "REMEMBER_SECONDS", 6.0),
    (rows, "SETTLED_AT_FIRST_MS", round(LONGEST * 1000)),
    (keeper, "boot_id", lambda: ""),  # is read from a file
    (fitness, "TROUBLE_SECONDS", 1.0),
    (fitness, "TRY_AGAIN", Backoff(first=2.0, cap=4.0)),
)
RANDOM_IDS = (later, session, writer, lease_rows)


class Id:
    def __init__(self, number: int) -> None:
        self.hex = f"{number:032x}"


@contextmanager
def quick(seed: int) -> Iterator[None]:
    """Short times, ids that are counted, and chance from the seed: the same seed gives the same run."""
    logging.getLogger("maelstrom.leases").setLevel(logging.CRITICAL)
    random.seed(seed)
    numbers = itertools.count(1)
    changed = [*CONSTANTS, *((module, "uuid4", lambda: Id(next(numbers))) for module in RANDOM_IDS)]
    before = []
    for module, name, value in changed:
        before.append((module, name, getattr(module, name)))
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in reversed(before):
            setattr(module, name, value)
