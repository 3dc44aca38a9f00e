"""What must hold of a run, judged from the ledger alone and from what the service says: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.cluster.ledger import FAILING, Event

LEARN_SECONDS = 1.0  # in which every node has heard of a lower limit
SEEN_ONCE = 2  # times that a fault is done: then it has been seen; one may fall into a moment when nothing was to harm
TRAVEL_SECONDS = 1.0  # from an admission until the component tells of it, on a busy machine


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit in force from some time on: for a higher one from before it was put, for a lower one from after."""

    since: float
    limit: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an item ended at the service: well, or with the name of an error."""

    item: str
    error: str = ""


def excesses(
    events: Iterable[Event], limits: Sequence[Limit], learn: float = LEARN_SECONDS + TRAVEL_SECONDS
) -> list[Event]:
    """Begins of one source that brought more work into the open than any limit of the last moments allows."""
    return [e for e in events if e.kind == "begin" and e.open > highest(limits, e.at - learn, e.at)]


def open_at(events: Iterable[Event], moment: Event) -> list[Event]:
    """How what was open right after that event began, for people who look for the cause."""
    found: dict[tuple[str, int], Event] = {}
    for event in events:
        if event.kind == "begin":
            found[event.item, event.attempt] = event
        else:
            found.pop((event.item, event.attempt), None)
        if event is moment:
            break
    return list(found.values())


def highest(limits: Sequence[Limit], begin: float, end: float) -> int:
    """The highest limit in force at any time between."""
    before = [change for change in limits if change.since <= begin][-1:]
    within = [change for change in limits if begin < change.since <= end]
    return max((change.limit for change in (*before, *within)), default=0)


def wrong_outcomes(outcomes: Iterable[Outcome], ends: Mapping[str, Sequence[int]]) -> list[str]:
    """What the service says of items against what the component did: a success needs a 200, a failure a refusal."""
    wrong = []
    for outcome in outcomes:
        statuses = ends.get(outcome.item, ())
        if not outcome.error and 200 not in statuses:
            wrong.append(f"{outcome.item} succeeded, the component ended it with {list(statuses)}")
        if outcome.error and (outcome.error != f"maelstrom_{FAILING}" or FAILING not in statuses):
            wrong.append(f"{outcome.item} failed with {outcome.error}, the component ended it with {list(statuses)}")
    return wrong


def not_once(outcomes: Iterable[Outcome], items: Iterable[str]) -> list[str]:
    """Items that did not end, and those that ended more than once or were never sent."""
    left = list(items)
    wrong = []
    for outcome in outcomes:
        if outcome.item in left:
            left.remove(outcome.item)
        else:
            wrong.append(f"{outcome.item} ended once too often")
    return [*wrong, *(f"{item} did not end" for item in left)]


def unseen(done: Mapping[str, int], seen: Mapping[str, int]) -> list[str]:
    """Faults that were done, and had no effect that could be seen: nothing is shown of them."""
    return [kind for kind, times in done.items() if times >= SEEN_ONCE and not seen.get(kind)]
