"""Whose container an address is, from the moment when the engine tells it to that of its end."""

from __future__ import annotations

import asyncio

from tests.fakes.runtime import FakeEngine
from tests.integration.activation.conftest import KEY, Here
from tests.support.wait import eventually


async def test_an_address_is_its_component_s_while_its_container_runs(here: Here, engine: FakeEngine) -> None:
    here.put(idlebehavior="pause")
    assert (await here.ask()).status == 200
    (instance,) = here.deployment.pool.instances
    address = instance.address.host
    assert here.activation.callers.find(address) == KEY
    assert here.activation.callers.find("127.0.0.1") is None
    engine.delays["start"] = 0.5  # the next one gets the same address
    await engine.kill(instance.container)
    await eventually(lambda: here.activation.callers.find(address) is None)


async def test_all_is_settled_when_no_container_runs_whose_address_is_not_known(here: Here, engine: FakeEngine) -> None:
    engine.delays["start"] = 0.2
    assert here.activation.callers.settled
    here.put()
    asking = asyncio.create_task(here.ask())
    await eventually(lambda: here.count("start") == 1)
    assert not here.activation.callers.settled
    assert (await asking).status == 200
    assert here.activation.callers.settled


async def test_nothing_is_settled_before_the_engine_was_listed(engine: FakeEngine) -> None:
    here = Here(engine)
    assert not here.activation.callers.settled
    await here.start()
    assert here.activation.callers.settled
    await here.stop()


async def test_a_process_that_has_ended_has_no_address_any_more_though_nobody_has_told_it(here: Here) -> None:
    here.put()
    assert (await here.ask()).status == 200
    (instance,) = here.deployment.pool.instances
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
    instance.processes = (process.pid, 0)
    assert here.activation.callers.find(instance.address.host) is None
