"""The limit holds and capacity is used again, whatever happens to nodes, lines and the database; the check can fail."""

from __future__ import annotations

import pytest

from tests.unit.leases.mutations import MUTATIONS, Mutation
from tests.unit.leases.simulation import FAULTS, Violation, simulate

RUNS_OF_ALL = 24
RUNS_OF_EACH = 2


@pytest.mark.parametrize("seed", range(RUNS_OF_ALL))
def test_no_limit_is_exceeded_and_no_capacity_lost_under_all_faults(seed: int) -> None:
    assert simulate(seed).served > 0


@pytest.mark.parametrize("fault", sorted(set(FAULTS)))
def test_no_limit_is_exceeded_and_no_capacity_lost_under_one_kind_of_fault(fault: str) -> None:
    for seed in range(RUNS_OF_EACH):
        assert simulate(100 + seed, faults=(fault,)).served > 0


def test_a_run_uses_all_of_the_limit() -> None:
    world = simulate(1, faults=("toggle",), loss=0.0)
    assert world.most == world.limit


def test_the_same_seed_gives_the_same_run() -> None:
    first, second = simulate(3), simulate(3)
    assert (first.served, first.most, first.limits) == (second.served, second.most, second.limits)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_the_simulation_notices(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation(monkeypatch)
    faults, first = MUTATIONS[mutation]
    for seed in range(first, first + 60):
        try:
            simulate(seed, faults=faults)
        except Violation:
            return
    pytest.fail("not noticed in 60 runs")
