"""Instances that are frozen while nobody needs them: woken by the next caller, stopped later, replaced if they fail."""

from __future__ import annotations

import asyncio

import pytest

from maelstrom.activation.instance import Instance
from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import EngineUnavailable, RuntimeFailed
from tests.fakes.container import FakeContainer
from tests.fakes.runtime import FakeEngine
from tests.integration.activation.conftest import KEY, Here
from tests.support.wait import eventually

PAUSE = {"idlebehavior": "pause", "idletimeoutseconds": 100}
OTHER = ComponentKey("shop", "other")


def the(here: Here) -> Instance:
    (instance,) = here.deployment.pool.instances
    return instance


def container(here: Here) -> FakeContainer:
    return here.engine.containers[the(here).container]


async def frozen(here: Here) -> Instance:
    """After one request and the idle time."""
    assert (await here.ask()).status == 200
    await is_frozen(here)
    return the(here)


def pass_time(here: Here, key: ComponentKey = KEY) -> None:
    """Longer than the idle time."""
    deployment = here.activation.deployments[key]
    deployment.meter.last_used = float("-inf")
    for instance in deployment.pool.instances:
        instance.last_used -= 1000
        instance.frozen_at -= 1000


async def is_frozen(here: Here) -> None:
    pass_time(here)
    await eventually(lambda: [s for _, s in here.states()] == ["frozen"] and container(here).paused, within=10)


async def test_it_is_frozen_when_idle_and_woken_by_the_next_caller_with_a_receipt(here: Here) -> None:
    here.put(**PAUSE)
    instance = await frozen(here)
    assert here.deployment.target == 0
    answers = await asyncio.gather(*(here.ask() for _ in range(5)))
    assert {a.status for a in answers} == {200}
    assert the(here) is instance
    assert here.count("create") == 1
    assert list(instance.receipt.phases) == ["wake", "port_open", "first_ok"]
    assert (here.deployment.stats.freezes, here.deployment.stats.wakes) == (1, 1)
    await is_frozen(here)


async def test_connections_that_are_kept_to_it_are_closed_when_it_is_frozen(here: Here) -> None:
    class Kept:
        closed = False

        def lost(self) -> None:
            self.closed = True

    here.put(**PAUSE)
    assert (await here.ask()).status == 200
    instance, link = the(here), Kept()
    instance.links.add(link)
    instance.idle.append(link)
    await is_frozen(here)
    assert (link.closed, instance.idle, instance.links) == (True, [], set())


async def test_it_is_stopped_when_it_was_frozen_long_enough(here: Here, engine: FakeEngine) -> None:
    here.put(**PAUSE, stopafterseconds=1000)
    await frozen(here)
    pass_time(here)
    await eventually(lambda: not engine.containers, within=10)
    assert here.states() == []
    assert (await here.ask()).status == 200


async def test_as_many_as_should_always_run_stay_awake_and_those_that_wait_wake_the_others(here: Here) -> None:
    here.put(**PAUSE, mininstances=1, maxinstances=3, maxconcurrency=1)
    assert (await here.ask()).status == 200
    here.deployment.target = 3  # as under load
    await eventually(lambda: [s for _, s in here.states()] == ["ready"] * 3)
    pass_time(here)
    await eventually(lambda: sorted(s for _, s in here.states()) == ["frozen", "frozen", "ready"], within=15)
    answers = await asyncio.gather(*(here.ask("/sleep?s=0.3") for _ in range(3)))
    assert {a.status for a in answers} == {200}
    assert here.deployment.stats.wakes == 2
    assert here.count("create") == 3


async def test_a_frozen_one_is_not_checked_and_begins_anew_when_it_wakes(here: Here) -> None:
    here.put(**PAUSE, httphealthcheckseconds=1, httphealthcheckmaxfailures=1)
    instance = await frozen(here)
    instance.health_failures = 1  # from a time long past
    begun = here.activation.health.last_pass
    await eventually(lambda: here.activation.health.last_pass > begun + 1.5, within=10)
    assert the(here).state == "frozen"
    assert (await here.ask()).status == 200
    assert (the(here), the(here).health_failures) == (instance, 0)


async def test_one_that_does_not_answer_when_it_wakes_is_replaced_for_those_who_wait(
    here: Here, engine: FakeEngine
) -> None:
    here.put(**PAUSE, httpstarthealthcheckseconds=1)
    instance = await frozen(here)
    engine.containers[instance.container].unpause = lambda: False  # type: ignore[method-assign]
    assert (await here.ask()).status == 200
    assert instance.container not in engine.containers
    assert the(here) is not instance
    assert instance.black_box is not None


async def test_one_that_died_while_it_was_frozen_is_not_woken(here: Here, engine: FakeEngine) -> None:
    here.put(**PAUSE)
    instance = await frozen(here)
    await engine.kill(instance.container)
    await eventually(lambda: here.deployment.pool.instances == [])
    assert (await here.ask()).status == 200
    assert here.count("create") == 2


async def test_one_whose_death_nobody_told_is_replaced_at_the_wake(here: Here, engine: FakeEngine) -> None:
    here.put(**PAUSE)
    instance = await frozen(here)
    engine.lose()
    await engine.kill(instance.container)
    await eventually(lambda: here.activation.watch.lost)
    engine.reachable = True
    assert (await here.ask()).status == 200
    assert the(here) is not instance


async def test_without_the_engine_who_wants_a_frozen_one_is_told_so_and_it_is_woken_afterwards(
    here: Here, engine: FakeEngine
) -> None:
    here.put(**PAUSE)
    instance = await frozen(here)
    engine.fail("thaw", EngineUnavailable("away"))
    answer = await here.ask()
    assert (answer.status, answer.code) == (503, "start_failed")
    assert "could not be woken: away" in answer.message
    assert (await here.ask()).status == 200
    assert the(here) is instance


async def test_a_new_version_removes_a_frozen_one_and_starts_nothing_for_nobody(here: Here, engine: FakeEngine) -> None:
    here.put(**PAUSE)
    await frozen(here)
    here.put(version=2, **PAUSE, environment=("A=1",))
    await eventually(lambda: not engine.containers)
    assert (await here.ask()).status == 200
    assert here.states() == [(2, "ready")]


async def test_a_removed_component_takes_its_frozen_instance_along(here: Here, engine: FakeEngine) -> None:
    here.put(**PAUSE)
    await frozen(here)
    here.remove()
    await eventually(lambda: not engine.containers and KEY not in here.activation.deployments)


async def test_one_that_is_being_woken_when_its_component_goes_is_stopped(here: Here, engine: FakeEngine) -> None:
    here.put(**PAUSE)
    await frozen(here)
    engine.delays["thaw"] = 0.3
    caller = asyncio.create_task(here.ask())
    await eventually(lambda: here.count("thaw") == 1)
    here.remove()
    assert (await caller).code == "no_route"
    await eventually(lambda: not engine.containers and KEY not in here.activation.deployments)


async def test_a_caller_who_comes_while_it_is_being_frozen_is_served(here: Here, engine: FakeEngine) -> None:
    here.put(**PAUSE)
    engine.delays["freeze"] = 0.3
    assert (await here.ask()).status == 200
    pass_time(here)
    await eventually(lambda: here.count("freeze") == 1, within=10)
    assert (await here.ask()).status == 200
    assert here.count("create") == 1


async def test_one_that_the_engine_cannot_freeze_is_stopped(here: Here, engine: FakeEngine) -> None:
    here.put(**PAUSE)
    engine.fail("freeze", RuntimeFailed("no freezer"))
    assert (await here.ask()).status == 200
    pass_time(here)
    await eventually(lambda: not engine.containers, within=10)


async def test_one_that_somebody_else_unpauses_serves_until_it_is_idle_again(here: Here, engine: FakeEngine) -> None:
    here.put(**PAUSE)
    instance = await frozen(here)
    engine.unpause(instance.container)
    await eventually(lambda: instance.state == "ready")
    await is_frozen(here)
    assert the(here) is instance


async def test_one_that_somebody_else_pauses_is_replaced_for_its_failed_checks(here: Here, engine: FakeEngine) -> None:
    here.put(**PAUSE, httphealthcheckseconds=1, httphealthcheckmaxfailures=1)
    assert (await here.ask()).status == 200
    engine.pause(the(here).container)
    instance = the(here)
    here.activation.health.check_seconds = 0.5
    await eventually(lambda: instance.container not in engine.containers, within=10)
    assert (await here.ask()).status == 200


async def test_the_longest_frozen_ones_go_first_where_memory_is_short(engine: FakeEngine) -> None:
    here = Here(engine, memory_mib=500)
    await here.start()
    try:
        here.put(**PAUSE, reservememory=200)
        first = await frozen(here)
        here.put(key=OTHER, **PAUSE, reservememory=200)
        assert (await here.ask(key=OTHER)).status == 200
        pass_time(here, OTHER)
        await eventually(lambda: {s for _, s in here.states()} == {"frozen"}, within=10)
        third = ComponentKey("shop", "third")
        here.put(key=third, reservememory=200)
        answer = await here.ask(key=third)
        assert (answer.status, answer.code) == (200, "")
        assert first.container not in engine.containers
        assert len(engine.containers) == 2
        big = ComponentKey("shop", "big")
        here.put(key=big, reservememory=450)
        answer = await here.ask(key=big)
        assert answer.code == "no_capacity", "nothing is stopped where that would not be enough"
        assert len(engine.containers) == 2
    finally:
        await here.stop()


async def test_the_next_process_adopts_a_frozen_one_as_it_is(engine: FakeEngine) -> None:
    first = Here(engine)
    await first.start()
    first.put(**PAUSE)
    kept = (await frozen(first)).container
    await first.stop()
    second = Here(engine)
    second.put(**PAUSE)
    await second.start()
    try:
        begun = second.activation.converger.last_pass
        await eventually(lambda: second.activation.converger.last_pass > begun + 0.6)
        assert second.states() == [(1, "frozen")]
        assert engine.containers[kept].paused
        assert (await second.ask()).status == 200
        assert list(engine.containers) == [kept]
        assert second.count("create") == 1, "that of the first process"
    finally:
        await second.stop()


async def test_frozen_ones_are_stopped_at_the_end_where_containers_are(engine: FakeEngine) -> None:
    here = Here(engine)
    await here.start()
    here.put(**PAUSE)
    await frozen(here)
    await here.stop(stop_containers=True)
    assert engine.containers == {}


@pytest.mark.parametrize("order", ["startstop", "stopstart"])
async def test_a_new_version_rolls_over_awake_and_frozen_ones(here: Here, engine: FakeEngine, order: str) -> None:
    rules = {**PAUSE, "maxconcurrency": 1, "restartorder": order}
    here.put(**rules, mininstances=2)
    await eventually(lambda: [s for _, s in here.states()] == ["ready", "ready"])
    pass_time(here)
    here.put(version=2, **rules, environment=("A=1",))
    await eventually(lambda: {v for v, _ in here.states()} <= {2}, within=15)
    assert (await here.ask()).status == 200
    assert {v for v, _ in here.states()} == {2}
