"""A new version that only treats its containers otherwise: they go on, and by the new rules at once."""

from __future__ import annotations

import asyncio

from tests.fakes.runtime import FakeEngine
from tests.integration.activation.conftest import Here
from tests.support.wait import eventually


async def test_rules_are_in_force_at_once_on_the_very_containers_that_run(here: Here, engine: FakeEngine) -> None:
    here.put(maxconcurrency=1, maxinstances=1)
    working = asyncio.create_task(here.ask("/sleep?s=30"))
    await eventually(lambda: here.deployment.pool.in_flight == 1)
    waiting = asyncio.create_task(here.ask())
    await eventually(lambda: here.deployment.pool.queue)
    (before,) = engine.containers
    here.put(version=2, maxconcurrency=2, maxinstances=1)
    assert (await waiting).status == 200
    assert not working.done()
    assert here.states() == [(2, "ready")]
    assert list(engine.containers) == [before]
    working.cancel()


async def test_a_frozen_one_goes_when_idle_ones_are_to_be_stopped(here: Here, engine: FakeEngine) -> None:
    rules = {"idletimeoutseconds": 1}
    here.put(**rules, idlebehavior="pause")
    assert (await here.ask()).status == 200
    await eventually(lambda: here.states() == [(1, "frozen")], within=10)
    here.put(version=2, **rules, idlebehavior="stop")
    await eventually(lambda: not engine.containers)
    assert here.count("create") == 1


async def test_checks_come_at_the_new_interval_also_where_the_last_one_was_long_before_the_change(here: Here) -> None:
    here.put(mininstances=1, httphealthcheckseconds=3600)
    await eventually(lambda: here.states() == [(1, "ready")])
    (instance,) = here.deployment.pool.instances
    instance.health_failures = 1  # until a check is good
    instance.ready_at -= 5
    here.put(version=2, mininstances=1, httphealthcheckseconds=5)
    await eventually(lambda: instance.health_failures == 0)
    assert here.deployment.pool.instances == [instance]


async def test_the_next_process_adopts_what_was_started_under_other_rules(engine: FakeEngine) -> None:
    first = Here(engine)
    await first.start()
    first.put(mininstances=1, maxconcurrency=1)
    await eventually(lambda: first.states() == [(1, "ready")])
    await first.stop()
    second = Here(engine)
    second.put(version=2, mininstances=1, maxconcurrency=7)
    await second.start()
    try:
        await eventually(lambda: second.states() == [(2, "ready")])
        assert [i.limit for i in second.deployment.pool.instances] == [7]
        assert second.count("create") == 1, "that of the first process"
    finally:
        await second.stop()
