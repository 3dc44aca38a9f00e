"""Lanes that take turns, however many keys there are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maelstrom.plan.lanes import Lane, Lanes


def filled(*keys: str, own: int = 100) -> Lanes[str]:
    """Waiters called `a0`, `a1`, … after their keys."""
    lanes: Lanes[str] = Lanes(own)
    for n, key in enumerate(keys):
        lanes.add(lanes.lane(key.encode()), f"{key}{n}")
    return lanes


def test_lanes_take_turns_and_each_keeps_its_order() -> None:
    lanes = filled(*"aaabbc")
    assert [lanes.take() for _ in range(6)] == ["a0", "b3", "c5", "a1", "b4", "a2"]
    assert not len(lanes)


def test_a_newcomer_knows_how_many_are_served_before_it_at_least() -> None:
    lanes = filled(*"aaabbc")
    assert [lanes.ahead(key) for key in (b"a", b"b", b"c", b"d")] == [6, 5, 3, 0]


def test_others_who_come_meanwhile_are_reckoned_with_once_they_were_seen() -> None:
    """Each time that the noisy one has its turn, two others come and go before its next."""
    lanes = filled(*"n" * 40)
    assert lanes.ahead(b"n") == 40
    for n in range(20):
        lanes.add(b"x", f"x{n}")
        lanes.add(b"y", f"y{n}")
        for _ in range(3):
            lanes.take()
    assert lanes.size(b"n") == 20
    assert lanes.ahead(b"n") == 60


def test_the_fullest_lane_gives_its_last() -> None:
    lanes = filled(*"abbbccaa")
    size, last = lanes.longest()
    assert (size, last) in ((3, "b3"), (3, "a7"))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=80))
def test_few_lanes_hold_many_keys_and_each_keys_own_order(steps: list[tuple[bool, int]]) -> None:
    lanes: Lanes[tuple[bytes, int]] = Lanes(3)
    waiting: dict[tuple[bytes, int], Lane] = {}
    for n, (comes, number) in enumerate(steps):
        key = b"%d" % number
        if comes:
            lane = lanes.lane(key)
            lanes.add(lane, (key, n))
            waiting[key, n] = lane
        elif waiting:
            taken = lanes.take()
            assert taken == min(waiter for waiter in waiting if waiter[0] == taken[0])
            del waiting[taken]
        assert len(lanes) == len(set(waiting.values())) <= 6
