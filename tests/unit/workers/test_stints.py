"""How a worker that others wait for keeps its slots for its own waiters a little, and how little it says about it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from maelstrom.workers.lent import STINT_SECONDS
from maelstrom.workers.wants import ANSWER_SECONDS, LOOKS, QUIET_SECONDS
from tests.unit.workers.fleet import Caller, FakeWorker, Fleet

REQUEST = 0.0001  # s: far less than a stint


def asked(worker: FakeWorker, count: int = 1, left: float = 300.0) -> list[Caller]:
    callers = [Caller(left) for _ in range(count)]
    for caller in callers:
        worker.ask(caller)
    return callers


def crowded(slots: int = 4, waiting: int = 40, **fields: object) -> Fleet:
    """Two workers with half of the slots each, and callers that wait in both."""
    fleet = Fleet(2, [slots], **fields)
    for _ in range(slots // 2):
        for worker in fleet.workers:
            asked(worker)
            fleet.settle()
    for worker in fleet.workers:
        asked(worker)
    fleet.settle()
    fleet.now += 2 * ANSWER_SECONDS
    for worker in fleet.workers:
        asked(worker, waiting - 1)
    fleet.settle()
    assert [len(worker.open) for worker in fleet.workers] == [slots // 2] * 2
    return fleet


def turn(fleet: Fleet, *, back: bool = True) -> None:
    """Every request ends, and each is followed by one more on its connection; what is due is done."""
    for worker in fleet.workers:
        for caller in list(worker.open):
            worker.end(caller)
            if back:
                asked(worker)
    fleet.settle()
    fleet.wait(REQUEST)


def test_where_short_requests_wait_there_are_far_fewer_messages_than_requests() -> None:
    fleet = crowded()
    sent = fleet.sent
    served = sum(worker.pool.served for worker in fleet.workers)
    for _ in range(500):
        turn(fleet)
    requests = sum(worker.pool.served for worker in fleet.workers) - served
    assert requests == 2000
    assert fleet.sent - sent < requests * 0.3


def test_a_worker_that_others_wait_for_gives_all_that_it_had_back_within_a_stint_and_not_at_once() -> None:
    fleet = Fleet(2, [4])
    one, other = fleet.workers
    asked(one, 4)
    fleet.settle()
    had = len(one.open)
    assert had == 4
    fleet.wait(1.0)
    (first,) = asked(one)
    fleet.wait(2 * ANSWER_SECONDS)
    asked(one, 900)
    one.leave(first)
    one.borrower._wants.tell()
    asked(other, had)
    fleet.settle()
    assert list(fleet.pool.queue) == list(other.branch.seekers.values())
    since, seen = fleet.now, []
    while fleet.now - since < STINT_SECONDS + 2 * REQUEST:
        for caller in list(one.open):
            one.end(caller)
        fleet.settle()
        seen.append(len(other.open))
        fleet.now += REQUEST
    assert seen[0] == 1  # the first that is free
    assert seen[-1] == had
    steps = [seen.index(n) for n in range(1, had + 1)]
    assert all(after - before > 10 for before, after in pairwise(steps))


def test_who_is_quiet_waits_in_the_line_of_all_when_its_time_is_over() -> None:
    fleet = Fleet(2, [1])
    one, other = fleet.workers
    asked(one)
    fleet.settle()
    asked(one)
    fleet.settle()
    fleet.now += 2 * ANSWER_SECONDS
    (quiet,) = asked(one)
    fleet.settle()
    assert len(fleet.pool.queue) == 1
    since = fleet.now
    while len(fleet.pool.queue) < 2:
        assert fleet.now - since <= QUIET_SECONDS
        fleet.wait(QUIET_SECONDS / LOOKS)
    asked(other)
    fleet.settle()
    one.leave(quiet)
    fleet.wait(QUIET_SECONDS / LOOKS)
    assert len(fleet.pool.queue) == 2  # one of each


def test_without_a_slot_of_its_own_or_without_a_sign_that_none_is_free_a_worker_asks_at_once() -> None:
    fleet = Fleet(2, [2])
    one, other = fleet.workers
    (long,) = asked(one)
    fleet.settle()
    (next_one,) = asked(one)
    fleet.settle()
    assert next_one.instance is not None
    (waiting,) = asked(other)
    fleet.settle()
    assert len(fleet.pool.queue) == 1
    fleet.now += 1.0
    asked(other)
    fleet.settle()
    assert len(fleet.pool.queue) == 2  # nothing of what is in use there would serve it
    assert long.instance is not None
    assert waiting.instance is None


def test_in_one_worker_who_came_first_is_first_whether_it_asked_or_was_quiet() -> None:
    fleet = crowded(slots=2, waiting=20)
    expected = {worker: list(worker.waiting) for worker in fleet.workers}
    begun: dict[FakeWorker, list[Caller]] = {worker: [] for worker in fleet.workers}
    while any(worker.waiting for worker in fleet.workers):
        turn(fleet, back=False)
        for worker in fleet.workers:
            begun[worker] += [caller for caller in worker.open if caller in expected[worker]]
        fleet.now += 0.003
    assert begun == expected


def test_turns_over_keys_are_decided_in_one_place() -> None:
    """Nobody is quiet, and every slot goes home, where a component asks for fairness."""
    fleet = crowded(slots=2, waiting=5, fairness="client")
    assert len(fleet.pool.queue) == 10
    (working,) = fleet.workers[0].open
    fleet.workers[0].end(working)
    assert [message[0] for message in fleet.workers[0].outbox] == ["back"]


def test_what_is_free_elsewhere_is_found_by_those_who_are_quiet() -> None:
    """In the main process, and where another worker has no use for it; what that uses it keeps."""
    fleet = Fleet(2, [8])
    one, other = fleet.workers
    asked(one, 4)
    fleet.settle()
    busy = asked(other, 4)
    fleet.settle()
    (first,) = asked(one)
    fleet.wait(2 * ANSWER_SECONDS)
    quiet = asked(one, 3)
    one.leave(first)
    fleet.wait(QUIET_SECONDS / LOOKS)
    assert [caller.instance for caller in quiet] == [None] * 3
    other.end(busy[0])
    other.end(busy[1])
    for _ in range(LOOKS - 2):
        fleet.wait(QUIET_SECONDS / LOOKS)
    assert len([caller for caller in quiet if caller.instance]) == 2
    assert not fleet.pool.queue  # nobody had to ask
    assert len(other.open) == 2
    (freed, *_) = other.open
    source = Caller()
    fleet.ask(source)
    other.end(freed)
    fleet.settle()
    assert source.instance is not None  # he was before
    fleet.end(source)
    fleet.wait(QUIET_SECONDS / LOOKS)
    assert [caller.instance is None for caller in quiet] == [False] * 3


def test_who_is_quiet_is_demand() -> None:
    fleet = crowded(slots=4, waiting=10)
    assert len(fleet.pool.queue) == 2
    for worker in fleet.workers:
        worker.borrower.look()
    fleet.settle()
    assert fleet.pool.demand == 4 + 20
    fleet.crash(fleet.workers[0], unsent=0)
    assert fleet.pool.elsewhere == 9


def test_a_worker_with_few_slots_now_refuses_nobody_who_would_be_served_in_time() -> None:
    """What one worker has is no measure of what will be: only the line of all is."""
    fleet = Fleet(2, [8], fairness="client")
    one, other = fleet.workers
    callers = [*asked(one, 30, left=10.0), *asked(other, 30, left=10.0)]
    fleet.settle()
    for _ in range(4):
        fleet.now += 1.0
        for worker in fleet.workers:
            for caller in list(worker.open):
                worker.end(caller)
        fleet.settle()
    for caller in list(one.open)[1:]:
        one.end(caller)
    late = asked(one, left=5.0)  # before the main process has answered: one slot here, and many who wait
    fleet.settle()
    assert [caller.error for caller in [*callers, *late]] == [None] * 61


def test_the_line_of_all_knows_how_fast_it_moves_whoever_serves_it() -> None:
    fleet = crowded(slots=2, waiting=400)
    for _ in range(600):
        turn(fleet)
    assert fleet.pool.queue
    measured = fleet.pool.pace.seconds(1, 1)
    assert measured == pytest.approx(REQUEST, rel=0.5)


def test_a_worker_that_drains_keeps_nothing_that_it_does_not_use() -> None:
    fleet = Fleet(2, [2])
    one, _ = fleet.workers
    first, second = asked(one, 2)
    fleet.settle()
    one.end(first)
    assert fleet.made[0].in_flight == 2
    one.borrower.leave()
    fleet.settle()
    assert fleet.made[0].in_flight == 1
    one.end(second)
    fleet.settle()
    assert fleet.made[0].in_flight == 0
    (last,) = asked(one)  # one more on a connection that was kept open
    fleet.settle()
    one.end(last)
    fleet.settle()
    assert fleet.made[0].in_flight == 0


def test_an_instance_that_was_never_used_says_nothing_of_how_fast_the_line_moves() -> None:
    fleet = Fleet(2, [1])
    one, other = fleet.workers
    asked(one)
    fleet.settle()
    asked(other)
    fleet.settle()
    for _ in range(3):
        fleet.now += 1.0
        fleet.lender.told(one.branch, "i0", 0, None, 1)  # on another instance of the component
    assert fleet.pool.pace.seconds(1, 1) == pytest.approx(1.0)
