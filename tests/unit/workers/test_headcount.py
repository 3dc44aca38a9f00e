"""Clients are counted over all workers, in memory that they share."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from maelstrom.gateway.wire.origin import Crowds
from maelstrom.workers import headcount
from maelstrom.workers.headcount import Headcount, Headcounts

WORKERS = 3


@given(steps=st.lists(st.tuples(st.integers(0, WORKERS - 1), st.integers(0, 3), st.booleans()), max_size=60))
def test_each_worker_knows_what_the_others_have_and_a_dead_one_has_nothing(steps: list[tuple[int, int, bool]]) -> None:
    with Headcounts(WORKERS) as counts:
        workers = [Headcount(counts.descriptor, column) for column in range(WORKERS)]
        known = [Counter[str]() for _ in workers]
        for at, number, comes in steps:
            client = f"192.0.2.{number}"
            if comes:
                known[at][client] += 1
                workers[at].add(client, 1)
            elif known[at][client]:
                known[at][client] -= 1
                workers[at].add(client, -1)
            elif not number:
                known[at].clear()
                counts.empty(at)
            for one, worker in enumerate(workers):
                others = sum(known[other][client] for other in range(WORKERS) if other != one)
                assert worker.elsewhere(client) == others


def test_clients_that_share_places_are_counted_too_high_and_never_too_low() -> None:
    with Headcounts(2) as counts:
        here, there = (Headcount(counts.descriptor, column) for column in range(2))
        clients = [f"192.0.2.{n}" for n in range(256)] * 40
        for client in clients:
            there.add(client, 1)
        assert {here.elsewhere(client) for client in clients} == {40}
        assert here.elsewhere("198.51.100.1") in (0, 40)


def test_a_limit_holds_over_two_processes() -> None:
    with Headcounts(2) as counts:
        here, there = (Crowds(5, Headcount(counts.descriptor, column)) for column in range(2))
        entered = [crowds.enter("192.0.2.1") for crowds in (here, there) * 3]
        assert [key is not None for key in entered] == [True] * 5 + [False]
        here.leave("192.0.2.1")
        assert there.enter("192.0.2.1") is not None
        assert here.enter("192.0.2.1") is None
        assert here.enter("192.0.2.2") is not None


def test_all_places_are_in_the_own_column() -> None:
    with Headcounts(2) as counts:
        one = Headcount(counts.descriptor, 1)
        places = {place for n in range(1000) for place in one._places(f"192.0.2.{n}")}
        assert min(places) >= 0
        assert max(places) < headcount.PLACES
