"""Which queue is asked next: by priority, without waiting at one while another has work."""

from __future__ import annotations

import pytest

from maelstrom.sources.sqs.walk import LONGEST_WAIT, Walk, in_order


def url(name: str) -> str:
    return f"https://sqs/1/{name}"


def walk(*names: str, now: float = 0.0) -> Walk:
    made = Walk()
    made.found([url(name) for name in names], now)
    return made


def ask(of: Walk, now: float, *full: str) -> tuple[str, int]:
    """One receive, which brings something from the queues that are `full`."""
    queue, wait = of.next(now)
    of.asking(queue, wait)
    name = queue.rpartition("/")[2]
    of.asked(queue, wait, brought=name in full, now=now)
    return name, wait


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        (["j-10", "j-2", "j-1"], ["j-1", "j-2", "j-10"]),
        (["j-1", "j1", "j"], ["j", "j1", "j-1"]),
        (["a2b10", "a2b9", "a10b1"], ["a2b9", "a2b10", "a10b1"]),
        (["j-02", "j-2", "j-002"], ["j-002", "j-02", "j-2"]),
        (["j-2.fifo", "j-10.fifo", "j-x"], ["j-2.fifo", "j-10.fifo", "j-x"]),
    ],
)
def test_numbers_in_names_count_as_numbers(names: list[str], ordered: list[str]) -> None:
    assert [found.rpartition("/")[2] for found in in_order(map(url, names))] == ordered


def test_a_single_queue_is_waited_at() -> None:
    assert ask(walk("a"), 0) == ("a", LONGEST_WAIT)


def test_a_queue_is_asked_until_it_has_nothing_then_the_next() -> None:
    of = walk("a", "b", "c")
    assert [ask(of, 0, "a")[0] for _ in range(3)] == ["a", "a", "a"]
    assert [ask(of, 1, "b")[0] for _ in range(4)] == ["a", "b", "b", "b"]
    assert [ask(of, 2)[0] for _ in range(3)] == ["b", "c", "a"]


def test_after_a_while_the_first_is_asked_again() -> None:
    of = walk("a", "b")
    ask(of, 0)
    assert ask(of, 14, "b") == ("b", 0)
    assert ask(of, 15, "b") == ("a", 0)
    assert ask(of, 15, "b") == ("b", 0)


def test_an_empty_round_ends_with_a_wait_at_each_queue() -> None:
    of = walk("a", "b", "c")
    assert [ask(of, 0) for _ in range(3)] == [("a", 0), ("b", 0), ("c", 0)]
    waits = []
    for _ in range(3):
        queue, wait = of.next(0.1)
        of.asking(queue, wait)
        waits.append((queue.rpartition("/")[2], wait))
    assert waits == [("a", 5), ("b", 5), ("c", LONGEST_WAIT)]


def test_what_is_waited_at_everywhere_needs_no_round() -> None:
    of = walk("a", "b")
    for _ in range(2):
        ask(of, 0)
    of.asking(url("a"), 20)
    assert of.next(100) == (url("b"), LONGEST_WAIT)


def test_queues_that_nobody_waits_at_are_asked_in_rounds() -> None:
    of = walk(*(f"q-{number}" for number in range(4)))
    for _ in range(4):
        ask(of, 0)
    assert ask(of, 0) == ("q-0", 5)
    assert [ask(of, 5)[0] for _ in range(4)] == ["q-0", "q-1", "q-2", "q-3"]
    assert ask(of, 5) == ("q-0", 5)


def test_many_queues_make_rounds_rarer() -> None:
    of = walk(*(f"q-{number}" for number in range(100)))
    for _ in range(100):
        ask(of, 0)
    assert ask(of, 0) == ("q-0", 15)


def test_a_find_at_a_wait_begins_a_round_there() -> None:
    of = walk("a", "b")
    for _ in range(2):
        ask(of, 0)
    of.asking(url("b"), 20)
    of.asked(url("b"), 20, brought=True, now=3)
    assert ask(of, 3, "b") == ("b", 0)


def test_a_restart_begins_at_the_first() -> None:
    of = walk("a", "b")
    ask(of, 0)
    of.restart(1)
    assert ask(of, 1) == ("a", 0)


def test_new_queues_are_asked_at_once_and_those_that_are_gone_no_more() -> None:
    of = walk("a", "b")
    for _ in range(2):
        ask(of, 0)
    of.found(map(url, ["a", "a-0", "b"]), 60)
    assert [ask(of, 60)[0] for _ in range(3)] == ["a", "a-0", "b"]
    of.gone(url("a"))
    assert of.queues == [url("a-0"), url("b")]
    assert ask(of, 66)[0] == "a-0"
    of.gone(url("a-0"))
    of.gone(url("b"))
    assert of.stale(61)


def test_a_queue_that_is_gone_in_the_middle_of_a_round_does_not_end_it() -> None:
    of = walk("a", "b", "c")
    ask(of, 0)
    of.gone(url("b"))
    assert ask(of, 0) == ("c", 0)
    assert ask(of, 0)[1] > 0


def test_the_list_is_read_once_a_minute() -> None:
    of = Walk()
    assert of.stale(0)
    of.found([url("a")], 5)
    assert not of.stale(64)
    assert of.stale(65)
