"""The stories of faults: a seed tells the same one again, and all of them together leave nothing out."""

from __future__ import annotations

from tests.cluster.plan import OF_ALL, OF_NODES, RECOVERY_SECONDS, plan


def test_a_seed_tells_the_same_story_again() -> None:
    assert plan(7, 10, nodes=3, sources=2) == plan(7, 10, nodes=3, sources=2)
    assert plan(7, 10, nodes=3, sources=2) != plan(8, 10, nodes=3, sources=2)


def test_a_story_takes_about_the_minutes_that_were_asked_for() -> None:
    rounds = plan(7, 10, nodes=3, sources=2)
    seconds = sum(part.seconds + RECOVERY_SECONDS for part in rounds)
    assert 600 <= seconds < 630


def test_every_fault_comes_and_hits_every_node_and_every_source() -> None:
    faults = [fault for seed in range(50) for part in plan(seed, 5, nodes=3, sources=2) for fault in part.faults]
    assert {fault.kind for fault in faults} == {*OF_NODES, *OF_ALL}
    assert {fault.node for fault in faults if fault.kind in OF_NODES} == {0, 1, 2}
    assert {fault.source for fault in faults if fault.kind == "limit"} == {0, 1}
    assert all(part.faults for seed in range(50) for part in plan(seed, 5, nodes=3, sources=2))


def test_a_node_is_hit_once_in_a_round() -> None:
    for seed in range(50):
        for part in plan(seed, 5, nodes=3, sources=2):
            hit = [fault.node for fault in part.faults if fault.kind in OF_NODES]
            assert len(hit) == len(set(hit))
