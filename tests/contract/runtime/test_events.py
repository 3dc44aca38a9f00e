"""What the engine tells while it is there, and what is told when it is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from maelstrom.model.errors import EngineUnavailable
from maelstrom.runtime.port import Runtime
from tests.contract.runtime.conftest import Heard
from tests.contract.runtime.test_containers import started
from tests.contract.runtime.worlds import World, component

Hear = Callable[[Runtime], Heard]


async def test_listening_begins_with_a_resync(here: World, hear: Hear) -> None:
    heard = hear(here.runtime())
    await heard.until(lambda event: True)
    assert heard.kinds() == ["resync"]


async def test_a_death_is_told_with_its_container_and_code(here: World, hear: Hear) -> None:
    runtime = here.runtime()
    heard = hear(runtime)
    await heard.until(lambda event: event.kind == "resync")
    container, _ = await started(runtime, here.image)
    await here.kill(container)
    death = await heard.until(lambda event: event.kind == "die")
    assert death.container == container
    assert "137" in death.reason


async def test_that_a_frozen_one_goes_on_is_told_whoever_woke_it(here: World, hear: Hear) -> None:
    runtime = here.runtime()
    heard = hear(runtime)
    await heard.until(lambda event: event.kind == "resync")
    ours, _ = await started(runtime, here.image)
    theirs, _ = await started(runtime, here.image)
    for container in (ours, theirs):
        await runtime.freeze(container)
    await runtime.thaw(ours)
    await here.unpause(theirs)
    await heard.until(lambda event: event.container == theirs)
    assert [(event.kind, event.container) for event in heard.events if event.container] == [
        ("unpause", ours),
        ("unpause", theirs),
    ]


async def test_every_death_after_the_resync_is_told_in_order(here: World, hear: Hear) -> None:
    runtime = here.runtime()
    containers = [(await started(runtime, here.image))[0] for _ in range(3)]
    heard = hear(runtime)
    await heard.until(lambda event: event.kind == "resync")
    for container in containers:
        await here.kill(container)
    await heard.until(lambda event: event.container == containers[-1])
    assert [event.container for event in heard.events if event.kind == "die"] == containers


async def test_deaths_of_other_nodes_containers_are_not_told(here: World, hear: Hear) -> None:
    own, other = here.runtime(), here.runtime("node2")
    heard = hear(own)
    await heard.until(lambda event: event.kind == "resync")
    theirs, _ = await started(other, here.image)
    ours, _ = await started(own, here.image)
    await here.kill(theirs)
    await here.kill(ours)
    await heard.until(lambda event: event.container == ours)
    assert theirs not in [event.container for event in heard.events]


async def test_a_tag_that_names_another_image_is_told_in_its_one_form(here: World, hear: Hear) -> None:
    heard = hear(here.runtime())
    await heard.until(lambda event: event.kind == "resync")
    await here.tag(f"{here.cluster}:moved")
    tag = await heard.until(lambda event: event.kind == "tag" and here.cluster in event.image)
    assert tag.image == f"docker.io/library/{here.cluster}:moved"


async def test_a_lost_engine_is_told_once_and_healed_by_a_resync(here: World, hear: Hear) -> None:
    heard = hear(here.fragile_runtime())
    await heard.until(lambda event: event.kind == "resync")
    await here.lose()
    lost = await heard.until(lambda event: event.kind == "lost")
    assert lost.reason
    await here.restore()
    await heard.until(lambda event: heard.kinds().count("resync") == 2)
    assert heard.kinds() == ["resync", "lost", "resync"]


async def test_an_engine_that_is_not_there_at_first_is_told_too(here: World, hear: Hear) -> None:
    runtime = here.fragile_runtime()
    await here.lose()
    heard = hear(runtime)
    await heard.until(lambda event: event.kind == "lost")
    await here.restore()
    await heard.until(lambda event: event.kind == "resync")
    assert heard.kinds() == ["lost", "resync"]


async def test_without_an_engine_every_call_says_so_and_works_again_afterwards(here: World) -> None:
    runtime = here.fragile_runtime()
    container, observed = await started(runtime, here.image)
    await here.lose()
    for call in (
        lambda: runtime.inspect(container),
        lambda: runtime.list(),
        lambda: runtime.create(component(here.image), "x"),
        lambda: runtime.start(container),
        lambda: runtime.stop(container, 1),
        lambda: runtime.image_id(here.image),
        lambda: runtime.pull(component(here.image), 5),
        lambda: runtime.log_tail(container, 5),
    ):
        with pytest.raises(EngineUnavailable):
            await call()
    await here.restore()
    assert await runtime.inspect(container) == observed
