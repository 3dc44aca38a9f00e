"""From a claim to a container and back, with everything that goes wrong on the way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter

import pytest

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.activation.transport import claim
from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import RuntimeFailed
from tests.fakes.runtime import FakeEngine
from tests.integration.activation.conftest import IMAGE, KEY, Here
from tests.support.wait import eventually


async def test_any_number_of_callers_wait_for_one_start(here: Here) -> None:
    here.put(maxconcurrency=5)
    answers = await asyncio.gather(*(here.ask() for _ in range(50)))
    assert {a.status for a in answers} == {200}
    assert here.count("create") == 1


async def test_nobody_calls_nobody_starts_and_min_instances_do(here: Here) -> None:
    here.put()
    here.put(key=ComponentKey("shop", "always"), mininstances=2)
    await eventually(lambda: [s for _, s in here.states()] == ["ready", "ready"])
    assert here.count("create") == 2


async def test_a_caller_who_leaves_frees_his_place(here: Here) -> None:
    here.put(maxconcurrency=1)
    assert (await here.ask()).status == 200
    leaving = asyncio.create_task(here.ask("/hang"))
    waiting = [asyncio.create_task(here.ask()) for _ in range(3)]
    await eventually(lambda: here.deployment.pool.demand == 4)
    waiting[0].cancel()
    leaving.cancel()
    answers = await asyncio.gather(*waiting[1:])
    assert {a.status for a in answers} == {200}
    assert here.deployment.pool.demand == 0


async def test_the_deadline_is_one_outcome_whether_waiting_or_worked(here: Here) -> None:
    here.put(maxconcurrency=1)
    assert (await here.ask()).status == 200
    answers = await asyncio.gather(here.ask("/hang", seconds=0.5), here.ask("/hang", seconds=0.5))
    assert [(a.status, a.code) for a in answers] == [(504, "deadline")] * 2
    assert here.deployment.pool.demand == 0


async def test_a_start_that_fails_is_told_backed_off_and_tried_again_by_the_next_caller(
    here: Here, engine: FakeEngine
) -> None:
    here.put()
    engine.fail("start", RuntimeFailed("port is taken"))
    first, second = await here.ask(), await here.ask()
    assert [(a.status, a.code) for a in (first, second)] == [(503, "start_failed")] * 2
    assert "port is taken" in first.message
    assert here.count("create") == 1, "the second caller is not made to wait for what is known"
    assert here.states() == [(1, "failed")]

    async def served() -> bool:
        return (await here.ask()).status == 200

    await eventually(served, within=10, every=0.1)
    assert here.states() == [(1, "ready")]
    assert engine.containers.keys() == {here.deployment.pool.instances[0].container}, "what failed was removed"


async def test_the_back_off_grows_while_starts_go_on_to_fail(here: Here) -> None:
    here.put(environment=("EXIT_AT_START=4",), mininstances=1)
    await eventually(lambda: here.deployment.failures >= 3, within=20)
    assert here.count("create") < 10
    box = here.activation.statuses()[0].black_box
    assert box is not None
    assert (box.exit_code, box.oom_killed) == (4, False)


async def test_a_start_that_is_given_up_is_ended_once_however_long_its_container_takes_to_go(
    here: Here, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.delays["remove"] = 1.5  # more than a tick
    here.put(environment=("START_DELAY=30",), mininstances=1)
    await eventually(lambda: here.count("start") == 1)
    here.put(version=2, mininstances=1)
    await eventually(lambda: here.states() == [(2, "ready")], within=10)
    assert (here.count("remove"), here.count("stop")) == (1, 0)
    assert len(engine.containers) == 1
    assert "internal error" not in caplog.text
    assert "draining took too long" not in caplog.text


async def test_a_new_version_is_not_held_back_by_the_failures_of_the_old_one(here: Here) -> None:
    here.put(environment=("EXIT_AT_START=4",))
    assert (await here.ask()).status == 503
    here.put(version=2)
    assert (await here.ask()).status == 200


async def test_a_new_version_that_fails_leaves_the_old_one_serving_which_goes_on_when_it_is_put_again(
    here: Here,
) -> None:
    here.put()
    assert (await here.ask()).status == 200
    here.put(version=2, environment=("EXIT_AT_START=4",))
    await eventually(lambda: here.deployment.failures >= 1)
    answers = [await here.ask() for _ in range(20)]
    assert Counter(a.status for a in answers) == {200: 20}
    assert (1, "ready") in here.states()
    (serving,) = [i.container for i in here.deployment.pool.instances if i.state == "ready"]
    here.put(version=3)
    await eventually(lambda: here.states() == [(3, "ready")])
    assert [i.container for i in here.deployment.pool.instances] == [serving]


async def test_a_moved_tag_rolls_to_the_new_image_at_the_same_version(here: Here, engine: FakeEngine) -> None:
    here.put()
    assert (await here.ask()).status == 200
    (before,) = engine.containers
    engine.add_image("web:next")
    engine.tag("web:next", IMAGE)
    await eventually(lambda: list(engine.containers) and before not in engine.containers)
    await eventually(lambda: here.states() == [(1, "ready")])
    assert here.count("create") == 2


async def test_a_pull_that_moves_the_tag_does_not_restart_for_ever(here: Here, engine: FakeEngine) -> None:
    engine.registry["docker.io/library/web:1"] = engine.add_image("other", "sha256:new")
    here.put(pullimageonstart=True, mininstances=1)
    await eventually(lambda: here.states() == [(1, "ready")])
    here.put(version=2, pullimageonstart=True, mininstances=1, environment=("A=1",))
    await eventually(lambda: here.states() == [(2, "ready")])
    assert here.count("create") == 2


async def test_a_missing_image_is_pulled_once_for_all_and_a_failed_pull_fails_the_start(
    here: Here, engine: FakeEngine
) -> None:
    here.put(image="registry.example:5000/app:2")
    answer = await here.ask()
    assert (answer.status, answer.code) == (503, "start_failed")
    assert "manifest unknown" in answer.message
    engine.registry["registry.example:5000/app:2"] = "sha256:app"
    engine.delays["pull"] = 0.1
    here.put(version=2, image="registry.example:5000/app:2", mininstances=3)
    answers = await asyncio.gather(*(here.ask() for _ in range(5)))
    assert {a.status for a in answers} == {200}
    await eventually(lambda: [s for _, s in here.states()] == ["ready"] * 3)
    assert here.count("pull") == 2


async def test_an_engine_that_is_lost_stops_nothing_that_is_warm_and_is_listed_when_back(
    here: Here, engine: FakeEngine
) -> None:
    here.put(maxconcurrency=5)
    assert (await here.ask()).status == 200
    engine.lose()
    await eventually(lambda: here.activation.watch.lost)
    assert (await here.ask()).status == 200
    # it dies while nobody can say so
    (container,) = engine.containers
    await engine.kill(container)
    engine.restore()
    await eventually(lambda: container not in engine.containers)
    assert (await here.ask()).status == 200
    assert here.activation.watch.lost == ""


async def test_a_broken_exchange_is_retried_where_nothing_was_sent_and_the_address_is_looked_at(
    here: Here, engine: FakeEngine
) -> None:
    here.put(maxconcurrency=5)
    assert (await here.ask()).status == 200
    (container,) = engine.containers
    engine.lose()  # its death is not told
    await engine.kill(container)
    await eventually(lambda: here.activation.watch.lost)
    engine.reachable = True  # calls answer, the event never came
    assert (await here.ask()).status == 200
    assert container not in engine.containers


async def test_a_busy_instance_is_drained_not_stopped_when_its_component_goes(here: Here, engine: FakeEngine) -> None:
    here.put()
    assert (await here.ask()).status == 200
    working = asyncio.create_task(here.ask("/sleep?s=0.5"))
    await eventually(lambda: here.deployment.pool.in_flight == 1)
    here.remove()
    assert (await here.ask()).code == "no_route"
    assert (await working).status == 200
    await eventually(lambda: not engine.containers)
    await eventually(lambda: KEY not in here.activation.deployments)


class Stream:
    """An exchange that lives by its bytes, not by a deadline."""

    def __init__(self, pool: Pool, instance: Instance) -> None:
        self._pool = pool
        self._instance = instance
        instance.links.add(self)

    def lost(self) -> None:
        self._pool.release(self._instance, time.monotonic())


async def test_draining_has_a_limit(here: Here, engine: FakeEngine) -> None:
    here.put(maxdurationseconds=1)
    assert (await here.ask()).status == 200
    pool = here.deployment.pool
    Stream(pool, await claim(pool))
    here.remove()
    await eventually(lambda: not engine.containers)
    assert pool.in_flight == 0


async def test_work_that_may_last_longer_than_its_components_requests_is_not_cut_by_draining(
    here: Here, engine: FakeEngine
) -> None:
    here.put(maxdurationseconds=1)
    assert (await here.ask()).status == 200
    working = asyncio.create_task(here.ask("/sleep?s=1.7", seconds=10))
    await eventually(lambda: here.deployment.pool.in_flight == 1)
    here.remove()
    assert (await working).status == 200
    await eventually(lambda: not engine.containers)


async def test_a_rollout_that_lowers_the_deadline_does_not_cut_what_was_let_in_before(
    here: Here, engine: FakeEngine
) -> None:
    here.put(maxdurationseconds=300)
    assert (await here.ask()).status == 200
    pool = here.deployment.pool
    (before,) = pool.instances
    stream = Stream(pool, await claim(pool))
    here.put(version=2, maxdurationseconds=1, environment=("NEW=1",))
    assert (await here.ask("/sleep?s=2.2", seconds=10)).status == 200
    assert (before.state, before.in_flight) == ("draining", 1)
    stream.lost()
    await eventually(lambda: len(engine.containers) == 1)


async def test_a_component_removed_while_it_starts_leaves_nothing(here: Here, engine: FakeEngine) -> None:
    here.put(environment=("START_DELAY=30",))
    caller = asyncio.create_task(here.ask())
    await eventually(lambda: engine.containers)
    here.remove()
    assert (await caller).code == "no_route"
    await eventually(lambda: not engine.containers)


async def test_no_memory_is_said_so_and_is_no_failed_start(engine: FakeEngine) -> None:
    here = Here(engine, memory_mib=300)
    await here.start()
    try:
        here.put(reservememory=200)
        other = ComponentKey("shop", "other")
        here.put(key=other, reservememory=200)
        assert (await here.ask()).status == 200
        answer = await here.ask(key=other)
        assert (answer.status, answer.code) == (503, "no_capacity")
        here.remove()

        async def served() -> bool:
            return (await here.ask(key=other)).status == 200

        await eventually(served, within=10, every=0.1)
    finally:
        await here.stop()


async def test_load_that_lasts_starts_more_and_quiet_takes_them_away_only_when_idle(here: Here) -> None:
    here.put(maxconcurrency=1, maxinstances=3, idletimeoutseconds=1)
    stop = asyncio.Event()

    async def load() -> None:
        while not stop.is_set():
            assert (await here.ask("/sleep?s=0.2")).status == 200

    clients = [asyncio.create_task(load()) for _ in range(6)]
    await eventually(lambda: [s for _, s in here.states()] == ["ready"] * 3, within=30)
    stop.set()
    await asyncio.gather(*clients)
    await eventually(lambda: here.states() == [], within=15)


async def test_the_next_process_adopts_what_fits_and_removes_the_rest(engine: FakeEngine) -> None:
    first = Here(engine)
    await first.start()
    first.put(mininstances=1)
    changed = ComponentKey("shop", "changed")
    first.put(key=changed, mininstances=1)
    await eventually(lambda: [s for _, s in first.states()] == ["ready", "ready"])
    kept = first.deployment.pool.instances[0].container
    await first.stop()

    second = Here(engine)
    second.put(mininstances=1)
    second.put(version=2, key=changed, environment=("A=1",))
    await second.start()
    try:
        await eventually(lambda: list(engine.containers) == [kept])
        assert (await second.ask()).status == 200
        assert second.count("create") == 2, "those of the first process"
    finally:
        await second.stop()


async def test_deaths_one_after_another_are_slowed_down_but_the_first_ones_are_replaced_at_once(
    here: Here, engine: FakeEngine
) -> None:
    here.put(mininstances=1)
    for n in range(5):
        await eventually(lambda: [s for _, s in here.states()] == ["ready"])
        assert here.deployment.not_before == 0.0, f"death {n}"
        (container,) = engine.containers
        await engine.kill(container)
        await eventually(lambda container=container: container not in engine.containers)
    await eventually(lambda: here.deployment.not_before > 0)


async def test_a_components_lines_are_copied_to_the_daemons_output_where_that_is_asked_for(
    here: Here, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "maelstrom.componentlog")
    here.put(logdriver="maelstrom")
    assert (await here.ask("/print?text=hello-there&n=2")).status == 200
    await eventually(lambda: caplog.text.count("componentlog shop_web - hello-there") == 2)


async def test_a_list_that_fails_once_is_tried_again(engine: FakeEngine) -> None:
    engine.fail("list", RuntimeFailed("busy"), times=2)
    here = Here(engine)
    await here.start()
    try:
        here.put()
        assert (await here.ask()).status == 200
    finally:
        await here.stop()


async def test_a_stop_waits_for_containers_that_are_being_stopped(engine: FakeEngine) -> None:
    here = Here(engine)
    await here.start()
    here.put()
    assert (await here.ask()).status == 200
    engine.delays["stop"] = 0.3
    here.remove()
    await eventually(lambda: ("stop", next(iter(engine.containers))) in engine.calls)
    await here.stop()
    assert engine.containers == {}


async def test_containers_that_are_stopped_at_the_end_are_not_replaced(engine: FakeEngine) -> None:
    here = Here(engine)
    await here.start()
    here.put(mininstances=2)
    await eventually(lambda: [s for _, s in here.states()] == ["ready", "ready"])
    engine.delays["stop"] = 1.2  # more than two ticks: time enough for the loop to miss them
    await here.stop(stop_containers=True)
    assert engine.containers == {}
    assert here.count("create") == 2


async def test_what_cannot_start_is_not_tried_again_for_nobody(here: Here) -> None:
    here.put(environment=("EXIT_AT_START=4",))
    assert (await here.ask()).status == 503
    await eventually(lambda: here.deployment.pool.failure is None, within=10)  # the back-off is over
    assert here.deployment.target == 0
    assert here.count("create") == 1


async def test_callers_who_wait_for_a_first_instance_start_no_second_one(here: Here) -> None:
    here.put(maxconcurrency=1, environment=("UNHEALTHY_FOR=7",))
    answers = await asyncio.gather(*(here.ask(seconds=30) for _ in range(5)))
    assert {a.status for a in answers} == {200}
    assert here.count("create") == 1
