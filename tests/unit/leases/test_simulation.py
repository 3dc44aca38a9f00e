"""The limit holds and capacity is used again, whatever happens to nodes, lines and the database; the check can fail."""

from __future__ import annotations

import pytest

from tests.unit.leases.mutations import MUTATIONS, Mutation
from tests.unit.leases.simulation import FAULTS, Violation, simulate

SEEDS = 2_000  # `make simulate` runs more of them
AT_ONCE = 100
TRIES = 300  # until a mutation is noticed


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_no_limit_is_exceeded_and_no_capacity_lost_under_all_faults(first: int) -> None:
    served = sum(simulate(seed).oracle.served for seed in range(first, first + AT_ONCE))
    assert served > 5 * AT_ONCE


@pytest.mark.parametrize("fault", sorted(set(FAULTS)))
def test_no_limit_is_exceeded_and_no_capacity_lost_under_one_kind_of_fault(fault: str) -> None:
    assert sum(simulate(seed, faults=(fault,)).oracle.served for seed in range(5)) > 0


def test_a_run_uses_all_of_the_limit() -> None:
    world = simulate(1, faults=("toggle",), loss=0.0)
    assert world.oracle.most == world.limit


def test_the_same_seed_gives_the_same_run() -> None:
    first, second = simulate(3), simulate(3)
    assert (first.now, first.oracle.served, first.oracle.limits) == (
        second.now,
        second.oracle.served,
        second.oracle.limits,
    )


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_the_simulation_notices(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation(monkeypatch)
    faults, first = MUTATIONS[mutation]
    for seed in range(first, first + TRIES):
        try:
            simulate(seed, faults=faults)
        except Violation:
            return
    pytest.fail(f"not noticed in {TRIES} runs")
