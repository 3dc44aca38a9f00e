"""Planned times whose runs are not kept any more, as few spans: what lies in one was decided. Pure.

One span would do if clocks were never set back: the times up to the last one. But what was fired while the clock was
ahead is later than times that are still to come, and these must not be taken for decided.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

Spans = tuple[tuple[int, int], ...]  # first and last time of each, in order

APART_SECONDS = 900  # so far from the next one a time begins a span of its own
MOST_SPANS = 8  # the lowest become one: nobody comes back to what lies between them


def covers(spans: Spans, time: int) -> bool:
    return any(first <= time <= last for first, last in spans)


def extended(spans: Spans, times: Iterable[int]) -> Spans:
    """With these times in them."""
    found: list[tuple[int, int]] = []
    for first, last in sorted([*spans, *((time, time) for time in times)]):
        if found and first - found[-1][1] <= APART_SECONDS:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    lowest = found[: max(1, len(found) - MOST_SPANS + 1)]
    return ((lowest[0][0], lowest[-1][1]), *found[len(lowest) :]) if found else ()


def as_text(spans: Spans) -> str:
    return json.dumps(spans)


def read(text: str) -> Spans:
    return tuple((int(first), int(last)) for first, last in json.loads(text))
