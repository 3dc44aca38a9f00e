"""The protocol of lent slots in virtual time, and that a mistake in it would be seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.workers.borrower import Borrower
from maelstrom.workers.branch import Branch
from maelstrom.workers.lender import Lender
from maelstrom.workers.lent import LentPool
from maelstrom.workers.wants import Wants
from tests.unit.workers.simulation import Load, Simulation, Violation

SEEDS = range(16)


@pytest.mark.parametrize("seed", SEEDS)
def test_limits_hold_order_is_kept_and_nobody_waits_for_ever(seed: int) -> None:
    assert Simulation(seed).run().served


def test_with_slots_for_all_nothing_is_said() -> None:
    done = Simulation(1, Load(workers=2, limits=[256], clients=64, seconds=0.001)).run()
    assert done.messages < done.served * 0.01


def keeps_for_ever(pool: LentPool, now: float) -> bool:
    """It never gives a slot back while somebody waits here."""
    return not pool.queue


def gives_back_and_uses(pool: LentPool, instance: Instance, now: float) -> None:
    """It says that a slot is back, and serves its next waiter with it."""
    Pool.release(pool, instance, now)
    if pool.pressed:
        pool._borrower.gives_back(instance, 1, 0)


def says_nothing(*_: object) -> None: ...


def forgets(lender: Lender, branch: Branch, id: str, slots: int, *rest: Any) -> None:
    """A slot is lost on the way."""
    if slots > 1:
        BACK(lender, branch, id, slots - 1, *rest)


def frees_at_once(lender: Lender, branch: Branch, held: object) -> int:
    """What a dead worker had is free, whatever containers still work on."""
    return SETTLE(lender, branch, {})


def serves_the_last(pool: LentPool) -> None:
    """Who came last is first."""
    while pool.queue and (free := [one for one in pool.instances if one.accepts]):
        waiter = next(reversed(pool.queue))
        del pool.queue[waiter]
        pool._borrower.over(pool, waiter)
        free[0].in_flight += 1
        pool.in_flight += 1
        waiter.granted(free[0])


BACK, SETTLE = Lender.back, Lender.settle
MISTAKES: list[tuple[type, str, Callable[..., object], str]] = [
    (LentPool, "_is_due", keeps_for_ever, "overtaken"),
    (LentPool, "release", gives_back_and_uses, "its limit is|took more"),
    (LentPool, "grant", serves_the_last, "overtaken in its own"),
    (Wants, "_look", says_nothing, "quiet for"),
    (Lender, "_review", says_nothing, "overtaken|for ever"),
    (Lender, "back", forgets, "slots were lost|for ever"),
    (Lender, "settle", frees_at_once, "its limit is"),
    (Borrower, "look", says_nothing, "slots were lost"),
]


def all_of_them() -> None:
    for seed in SEEDS:
        Simulation(seed, Load(workers=2, limits=[2], clients=16, seconds=0.01, deaths=2)).run()


@pytest.mark.parametrize(("kind", "name", "wrong", "found"), MISTAKES, ids=[one[2].__name__ for one in MISTAKES])
def test_a_mistake_is_seen(
    monkeypatch: pytest.MonkeyPatch, kind: type, name: str, wrong: Callable[..., object], found: str
) -> None:
    monkeypatch.setattr(kind, name, wrong)
    with pytest.raises(Violation, match=found):
        all_of_them()
