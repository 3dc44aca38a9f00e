"""What judges the cluster tests can fail: too much at work, and ends that do not fit, are seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from tests.cluster.checks import Limit, Outcome, excesses, highest, not_once, open_at, unseen, wrong_outcomes
from tests.cluster.ledger import FAILING, Event, scripted


def step(at: float, kind: Literal["begin", "end"], item: str, open: int) -> Event:
    return Event(at, "s", item, 1, kind, open)


def test_one_more_than_the_limit_is_an_excess() -> None:
    events = [step(1, "begin", "a", 1), step(2, "begin", "b", 2), step(3, "begin", "c", 3), step(4, "end", "a", 2)]
    assert excesses(events, [Limit(0, 3)]) == []
    assert [event.item for event in excesses(events, [Limit(0, 2)])] == ["c"]


def test_a_lower_limit_counts_once_every_node_may_know_it_and_a_higher_one_at_once() -> None:
    lower = [Limit(0, 4), Limit(10, 2)]
    assert [highest(lower, at - 1, at) for at in (9, 10.5, 11, 12)] == [4, 4, 2, 2]
    higher = [Limit(0, 2), Limit(10, 4)]
    assert [highest(higher, at - 1, at) for at in (9, 10, 12)] == [2, 4, 4]
    assert excesses([step(10.5, "begin", "a", 4)], lower, learn=1) == []
    assert len(excesses([step(11.5, "begin", "a", 4)], lower, learn=1)) == 1


def test_what_was_open_at_an_excess_is_told() -> None:
    a, b, c = step(1, "begin", "a", 1), step(2, "begin", "b", 2), step(4, "begin", "c", 2)
    assert open_at([a, b, step(3, "end", "a", 1), c, step(5, "end", "b", 1)], c) == [b, c]


def test_a_success_needs_the_components_200_and_a_failure_its_refusal() -> None:
    ends = {"a": [500, 200], "b": [500], "c": [FAILING]}
    refused = f"maelstrom_{FAILING}"
    assert wrong_outcomes([Outcome("a"), Outcome("c", refused)], ends) == []
    assert len(wrong_outcomes([Outcome("b"), Outcome("never")], ends)) == 2
    assert len(wrong_outcomes([Outcome("b", refused), Outcome("c", "Maelstrom.LeaseLost")], ends)) == 2


def test_each_item_ends_once() -> None:
    assert not_once([Outcome("a"), Outcome("b")], ["b", "a"]) == []
    assert len(not_once([Outcome("a"), Outcome("a")], ["a", "b"])) == 2


def test_a_fault_without_any_effect_shows_nothing() -> None:
    assert unseen({"kill": 2, "cut": 2}, {"kill": 2, "cut": 1}) == []
    assert unseen({"kill": 2, "cut": 2}, {"kill": 2}) == ["cut"]
    assert unseen({"cut": 1}, {}) == []  # there may have been nothing to cut just then


def fates(kind: str) -> Iterator[list[int]]:
    for number in range(300):
        yield [scripted(f"x-{kind}-{number}", attempt).status for attempt in (1, 2, 3)]


def test_the_script_has_every_fate_and_only_tasks_are_refused_for_good() -> None:
    assert {tuple(fate) for fate in fates("steps")} >= {(200,) * 3, (FAILING,) * 3, (500, 200, 200)}
    assert all(200 in fate for fate in fates("queue"))
    assert any(scripted(f"x-steps-{number}", 1).seconds > 60 for number in range(300))
