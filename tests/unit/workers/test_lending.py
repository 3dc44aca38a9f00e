"""How slots travel between workers: what is sent, and what is not."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from maelstrom.workers.wants import LOOKS, QUIET_SECONDS
from tests.unit.workers.fleet import NAME, Caller, FakeWorker, Fleet


def asked(worker: FakeWorker, **fields: object) -> Caller:
    caller = Caller(**fields)  # type: ignore[arg-type]
    worker.ask(caller)
    return caller


def test_a_claim_of_a_lent_slot_sends_nothing() -> None:
    fleet = Fleet(2, [8])
    worker, _ = fleet.workers
    first = asked(worker)
    fleet.settle()
    worker.end(first)
    again = asked(worker)
    assert again.instance is not None
    worker.end(again)
    assert worker.outbox == []


def test_who_asks_often_is_lent_more_than_it_asks_for_but_not_all() -> None:
    fleet = Fleet(2, [64])
    worker, _ = fleet.workers
    for _ in range(20):
        asked(worker)
    fleet.settle()
    assert all(caller.instance is not None for caller in worker.open)
    assert 20 < worker.borrower.holdings["i0"].instance.limit < 64
    for _ in range(44):
        asked(worker)
        fleet.settle()
    assert len(worker.open) == 64  # what it really needs it gets


def test_a_worker_that_alone_has_waiters_passes_slots_on_to_them_itself() -> None:
    fleet = Fleet(2, [1])
    worker, _ = fleet.workers
    first, second, third = asked(worker), asked(worker), asked(worker)
    fleet.settle()
    worker.end(first)
    assert second.instance is not None
    fleet.wait(QUIET_SECONDS / LOOKS)
    assert len(fleet.pool.queue) == 1
    worker.end(second)
    assert third.instance is not None


def test_who_came_first_is_served_first_whichever_process_it_came_to() -> None:
    fleet = Fleet(2, [1])
    one, other = fleet.workers
    working = asked(one)
    fleet.settle()
    order = []
    for n in range(6):
        caller = asked(fleet.workers[n % 2])
        fleet.wait(0.1)  # longer than anybody is quiet
        order.append((fleet.workers[n % 2], caller))
    served = []
    at, caller = one, working
    for _ in order:
        fleet.wait(1.0)  # longer than a stint
        at.end(caller)
        fleet.settle()
        ((at, caller),) = [(w, c) for w in (one, other) for c in w.open]
        served.append((at, caller))
    assert served == order


def test_a_worker_keeps_what_it_has_again_when_those_who_waited_elsewhere_have_left() -> None:
    fleet = Fleet(2, [1])
    one, other = fleet.workers
    working = asked(one)
    fleet.settle()
    waiting = asked(other)
    fleet.settle()
    assert one.pool.pressed
    other.leave(waiting)
    fleet.wait(QUIET_SECONDS / LOOKS)
    assert not one.pool.pressed
    one.end(working)
    assert one.outbox == []


def test_a_source_waits_in_the_same_line() -> None:
    fleet = Fleet(2, [1])
    worker, _ = fleet.workers
    first = asked(worker)
    fleet.settle()
    worker.end(first)  # the worker keeps the slot
    source = Caller()
    fleet.ask(source)
    second = asked(worker)  # it has not heard yet
    fleet.settle()
    assert source.instance is None
    third = asked(worker)
    fleet.settle()
    fleet.wait(1.0)  # longer than a stint
    worker.end(second)
    fleet.settle()
    assert source.instance is not None
    assert third.instance is None
    fleet.end(source)
    fleet.settle()
    assert third.instance is not None


def test_what_is_not_used_goes_back_before_an_instance_is_taken_for_idle() -> None:
    fleet = Fleet(1, [8])
    (worker,) = fleet.workers
    first = asked(worker)
    fleet.settle()
    worker.end(first)
    ended = fleet.now
    (instance,) = fleet.made
    for _ in range(9):
        fleet.now += 0.1
        worker.borrower.look()
        fleet.settle()
    assert instance.in_flight == 0
    assert instance.last_used == ended


def test_what_is_lent_and_not_in_use_is_no_load() -> None:
    fleet = Fleet(1, [64])
    (worker,) = fleet.workers
    callers = [asked(worker) for _ in range(4)]
    fleet.settle()
    worker.borrower.look()
    fleet.settle()
    assert fleet.pool.in_flight > 4
    assert (fleet.pool.busy, fleet.pool.demand) == (4, 4)
    for caller in callers:
        worker.end(caller)
    worker.borrower.look()
    fleet.settle()
    assert fleet.pool.demand == 0
    assert fleet.made[0].in_flight > 0


def test_slots_of_a_dead_worker_come_back_as_its_containers_end_what_it_had_open() -> None:
    fleet = Fleet(2, [3])
    worker, other = fleet.workers
    callers = [asked(worker) for _ in range(3)]
    fleet.settle()
    worker.end(callers[0])
    worker.borrower.look()
    fleet.settle()
    worker.ask(Caller())  # it has not told of it yet
    assert fleet.made[0].spare == 1
    waiting = asked(other)
    fleet.settle()
    fleet.crash(worker, unsent=0)
    ((_, uses),) = fleet.dead
    assert not fleet.reap(worker, uses)
    assert fleet.pool.busy == 3
    assert waiting.instance is None
    uses["i0"] = 2
    assert not fleet.reap(worker, uses)
    fleet.settle()
    assert waiting.instance is not None
    uses.clear()
    assert fleet.reap(worker, uses)
    assert fleet.made[0].in_flight == other.branch.loans["i0"].slots == 1


def test_one_connection_of_http2_may_carry_all_that_a_dead_worker_had_open() -> None:
    fleet = Fleet(1, [3])
    (worker,) = fleet.workers
    (instance,) = fleet.made
    instance.address = replace(instance.address, http2=True)
    for _ in range(3):
        asked(worker)
    fleet.settle()
    fleet.crash(worker, unsent=0)
    assert not fleet.reap(worker, Counter({instance.id: 1}))
    assert instance.in_flight == 3
    assert fleet.reap(worker, Counter())
    assert instance.in_flight == 0


def test_who_waited_in_a_dead_worker_waits_no_more() -> None:
    fleet = Fleet(2, [])
    worker, other = fleet.workers
    asked(worker)
    asked(other)
    fleet.settle()
    fleet.crash(worker, unsent=0)
    assert len(fleet.pool.queue) == 1


def test_an_instance_that_drains_gets_nothing_more_and_is_empty_when_its_requests_have_ended() -> None:
    fleet = Fleet(2, [4])
    idle: list[object] = []
    fleet.pool.on_idle = idle.append
    worker, _ = fleet.workers
    first = asked(worker)
    fleet.settle()
    (instance,) = fleet.made
    instance.state = "draining"
    fleet.pool.recall(instance)
    fleet.settle()
    assert instance.in_flight == 1
    late = asked(worker)
    fleet.settle()
    assert late.instance is None
    worker.end(first)
    fleet.settle()
    assert idle == [fleet.pool]
    assert instance.in_flight == 0


def test_a_suspect_instance_gets_nothing_until_the_engine_has_confirmed_it_also_when_messages_cross() -> None:
    fleet = Fleet(1, [4])
    (worker,) = fleet.workers
    first = asked(worker)
    fleet.settle()
    second = [asked(worker) for _ in range(4)]
    while worker.outbox:
        fleet.hear(worker)  # granted, but not read by the worker
    worker.doubt(first)
    while worker.inbox:
        worker.read()
    assert any(caller.instance is None for caller in second)
    fleet.settle()
    assert len(fleet.pool.queue) == sum(caller.instance is None for caller in second) > 0
    fleet.confirm()
    fleet.settle()
    assert len(worker.open) == 4


def test_a_component_that_was_removed_and_is_back_is_served_by_the_instances_that_it_still_has() -> None:
    fleet = Fleet(1, [2])
    (worker,) = fleet.workers
    first = asked(worker)
    fleet.settle()
    waiting = [asked(worker), asked(worker)]
    fleet.settle()
    worker.borrower.follow([], [NAME])
    assert waiting[-1].error is not None
    refused = asked(worker)
    assert refused.error is not None
    assert refused.error.code == "no_route"
    worker.borrower.follow([fleet.component], [])
    worker.end(first)
    fleet.settle()
    again = asked(worker)
    fleet.settle()
    assert again.instance is not None


def test_a_full_queue_is_full_for_all_processes_together() -> None:
    fleet = Fleet(2, [], maxqueue=3)
    one, other = fleet.workers
    callers = [asked(worker) for worker in (one, other, one, other)]
    fleet.settle()
    assert [caller.error.code if caller.error else "" for caller in callers] == ["", "", "", "queue_full"]


def test_clients_take_turns_over_all_processes_where_the_component_is_fair() -> None:
    fleet = Fleet(2, [1], fairness="client")
    one, other = fleet.workers
    working = asked(one, key=b"a")
    fleet.settle()
    for _ in range(5):
        asked(one, key=b"a")
    fleet.settle()
    quiet = asked(other, key=b"b")
    fleet.settle()
    one.end(working)
    fleet.settle()
    ((at, next_one),) = [(w, c) for w in (one, other) for c in w.open]
    at.end(next_one)
    fleet.settle()
    assert quiet.instance is not None


def test_a_deadline_is_known_to_the_main_process() -> None:
    fleet = Fleet(1, [])
    (worker,) = fleet.workers
    asked(worker, left=5.0)
    fleet.settle()
    fleet.now += 2.0
    (seeker,) = fleet.pool.queue
    assert seeker.seconds_left() == 3.0


def test_a_worker_knows_how_an_instance_became_ready_also_after_a_wake() -> None:
    fleet = Fleet(1, [1])
    (worker,) = fleet.workers
    (instance,) = fleet.made
    for ready_at, woken, phases in ((101.0, False, {"start": 90.0}), (140.0, True, {"wake": 9.0})):
        instance.ready_at, instance.woken, instance.receipt.phases = ready_at, woken, phases
        first = asked(worker)
        fleet.settle()
        assert first.instance is not None
        known = first.instance
        assert (known.ready_at, known.woken, known.receipt.phases) == (ready_at, woken, phases)
        worker.end(first)
        fleet.now += 5.0
        worker.borrower.look()
        fleet.settle()
        assert instance.in_flight == 0
    assert len(worker.pool.instances) == 1
