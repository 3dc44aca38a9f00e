"""A limit that changes while slots are lent: a lower one lets end what is open, a higher one serves who waits."""

from __future__ import annotations

from maelstrom.activation.deployment import Deployment
from tests.unit.workers.fleet import Caller, Fleet, component


def put(fleet: Fleet, **fields: object) -> None:
    deployment = Deployment(fleet.component, "f", lambda _: None, lambda _: None)
    deployment.pool = fleet.pool
    deployment.want(component(**fields), "f")
    fleet.settle()


def open_now(fleet: Fleet) -> int:
    return fleet.uses().total()


def end_one(fleet: Fleet) -> None:
    worker = next(worker for worker in fleet.workers if worker.open)
    worker.end(worker.open[0])
    fleet.settle()


def test_workers_keep_nothing_of_what_a_container_may_have_no_more() -> None:
    fleet = Fleet(2, [6])
    for n in range(6):
        fleet.workers[n % 2].ask(Caller())
        fleet.settle()
    assert open_now(fleet) == 6
    put(fleet, maxconcurrency=2)
    for n in range(4):
        fleet.workers[n % 2].ask(Caller())
        fleet.settle()
    seen = [open_now(fleet)]
    for _ in range(5):
        end_one(fleet)
        fleet.wait(0.1)
        seen.append(open_now(fleet))
    assert seen == [6, 5, 4, 3, 2, 2]
    put(fleet, maxconcurrency=5)
    fleet.wait(0.1)
    assert open_now(fleet) == 5


def test_idle_slots_come_back_when_the_limit_is_lowered() -> None:
    fleet = Fleet(2, [100])
    for _ in range(5):  # who asks often is lent much
        caller = Caller()
        fleet.workers[0].ask(caller)
        fleet.settle()
        fleet.workers[0].ask(Caller())
        fleet.settle()
    assert fleet.pool.in_flight > open_now(fleet)
    put(fleet, maxconcurrency=1)
    assert fleet.pool.in_flight == open_now(fleet)
    fleet.workers[0].ask(Caller())
    fleet.settle()
    assert open_now(fleet) == 10
