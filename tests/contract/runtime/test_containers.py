"""Making, starting, seeing and ending containers: the same promises on Docker and on the fake."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from maelstrom.model.errors import ImageMissing, RuntimeFailed
from maelstrom.model.instance import Address
from maelstrom.runtime.port import Observed, Runtime
from maelstrom.runtime.ready import wait_ready
from maelstrom.runtime.spec import fingerprint
from tests.contract.runtime.conftest import Heard
from tests.contract.runtime.worlds import PRIVATE_URL, World, component, instance_id
from tests.support.wait import eventually


async def test_a_started_container_is_observed_as_what_it_was_made_from(here: World) -> None:
    runtime = here.runtime()
    made_from = component(here.image, version=7)
    container = await runtime.create(made_from, "abc")
    observed = await runtime.start(container)
    assert observed.running
    assert observed.container == container
    assert observed.component == made_from.key
    assert observed.version == 7
    assert observed.fingerprint == fingerprint(made_from)
    assert observed.instance == "abc"
    assert observed.started_at
    assert observed.exit_code is None
    assert observed.image_id == await runtime.image_id(here.image)
    assert await runtime.inspect(container) == observed


async def test_its_address_answers_http_as_that_instance(here: World) -> None:
    _, observed = await started(here.runtime(), here.image, id="i-4711")
    assert (await ask(observed, "/"))["instance"] == "i-4711"


async def test_components_get_the_product_s_variables_and_cannot_set_them(here: World) -> None:
    environment = ("LEVEL=high", "MAELSTROM_COMPONENT_NAME=mine", "MAELSTROM_SECRET=mine")
    _, observed = await started(here.runtime(), here.image, id="i-1", version=3, environment=environment)
    assert (await ask(observed, "/echo"))["environment"] == {
        "MAELSTROM_PRIVATE_URL": PRIVATE_URL,
        "MAELSTROM_COMPONENT_NAME": "shop_web",
        "MAELSTROM_COMPONENT_VERSION": "3",
        "MAELSTROM_PROJECT_NAME": "shop",
        "MAELSTROM_INSTANCE_ID": "i-1",
    }


async def test_two_containers_of_a_component_answer_at_two_addresses(here: World) -> None:
    runtime = here.runtime()
    (_, one), (_, two) = await asyncio.gather(started(runtime, here.image, "a"), started(runtime, here.image, "b"))
    assert one.address != two.address
    assert [(await ask(one, "/"))["instance"], (await ask(two, "/"))["instance"]] == ["a", "b"]


async def test_a_container_that_was_made_but_not_started_has_no_run_and_no_address(here: World) -> None:
    runtime = here.runtime()
    container = await runtime.create(component(here.image), "a")
    observed = await runtime.inspect(container)
    assert observed is not None
    assert (observed.running, observed.started_at, observed.address) == (False, "", None)


async def test_one_that_exits_says_its_code_and_keeps_no_address(here: World) -> None:
    runtime = here.runtime()
    container = await runtime.create(component(here.image, environment=("EXIT_AT_START=3",)), "a")
    await runtime.start(container)
    observed = await eventually(lambda: ended(runtime, container), within=15)
    assert (observed.exit_code, observed.oom_killed, observed.address) == (3, False, None)


async def test_an_image_that_is_not_here_is_named_as_missing(here: World) -> None:
    with pytest.raises(ImageMissing, match="nonesuch"):
        await here.runtime().create(component("nonesuch:1"), "a")


async def test_stopping_lets_the_component_end_its_work(here: World) -> None:
    runtime = here.runtime()
    container, observed = await started(runtime, here.image, stopgraceseconds=10)
    answer = asyncio.ensure_future(ask(observed, "/sleep?s=0.3"))
    await eventually(lambda: in_work(observed))
    await runtime.stop(container, 10)
    assert await answer == {"slept": 0.3}
    assert await runtime.inspect(container) is None


async def test_one_that_ignores_the_signal_is_killed_after_the_grace(here: World) -> None:
    runtime = here.runtime()
    container, _ = await started(runtime, here.image, environment=("IGNORE_TERM=1",))
    await runtime.stop(container, 1)
    assert await runtime.inspect(container) is None


async def test_a_frozen_one_answers_nobody_keeps_its_run_and_goes_on_where_it_was(here: World) -> None:
    runtime = here.runtime()
    container, before = await started(runtime, here.image)
    await runtime.freeze(container)
    await runtime.freeze(container)  # done already
    frozen = await runtime.inspect(container)
    assert frozen == replace(before, paused=True)
    asking = asyncio.ensure_future(ask(before, "/"))
    done, _ = await asyncio.wait((asking,), timeout=0.3)
    assert not done
    assert await runtime.thaw(container)
    assert (await asking)["instance"] == before.instance
    assert await runtime.inspect(container) == before
    assert await runtime.thaw(container), "done already"


async def test_a_frozen_one_is_stopped_in_order_and_removed_at_once(
    here: World, hear: Callable[[Runtime], Heard]
) -> None:
    runtime = here.runtime()
    heard = hear(runtime)
    await heard.until(lambda event: event.kind == "resync")
    first, _ = await started(runtime, here.image)
    second, _ = await started(runtime, here.image)
    await runtime.freeze(first)
    await runtime.freeze(second)
    await asyncio.gather(runtime.stop(first, 30), runtime.remove(second))
    death = await heard.until(lambda event: event.kind == "die" and event.container == first)
    assert death.reason == "exited with code 0", "it heard the signal"
    assert await runtime.list() == []


async def test_what_does_not_run_can_neither_be_frozen_nor_thawed(here: World) -> None:
    runtime = here.runtime()
    made = await runtime.create(component(here.image), "a")
    for container in (made, "f" * 64):
        with pytest.raises(RuntimeFailed):
            await runtime.freeze(container)
        assert not await runtime.thaw(container)


async def test_removing_ends_and_forgets_a_running_container(here: World) -> None:
    runtime = here.runtime()
    container, _ = await started(runtime, here.image)
    await runtime.remove(container)
    assert await runtime.inspect(container) is None
    assert await runtime.list() == []


async def test_a_container_that_does_not_exist_is_nothing_to_stop_or_remove(here: World) -> None:
    runtime = here.runtime()
    gone = "f" * 64
    await runtime.stop(gone, 1)
    await runtime.remove(gone)
    assert await runtime.inspect(gone) is None
    assert await runtime.log_tail(gone, 10) == ()
    with pytest.raises(RuntimeFailed):
        await runtime.start(gone)


async def test_stopping_twice_at_once_is_one_stop(here: World) -> None:
    runtime = here.runtime()
    container, _ = await started(runtime, here.image)
    await asyncio.gather(runtime.stop(container, 5), runtime.stop(container, 5), runtime.remove(container))
    assert await runtime.inspect(container) is None


async def test_a_node_lists_its_own_containers_running_or_not_and_no_others(here: World) -> None:
    own, other_node, other_cluster = here.runtime(), here.runtime("node2"), here.runtime(cluster=f"{here.cluster}-b")
    running, _ = await started(own, here.image)
    made = await own.create(component(here.image, "idle"), "b")
    foreign = await other_node.create(component(here.image), "c")
    strange = await other_cluster.create(component(here.image), "d")
    try:
        assert {o.container: o.running for o in await own.list()} == {running: True, made: False}
        assert [o.container for o in await other_node.list()] == [foreign]
    finally:
        await other_cluster.remove(strange)


async def test_commands_run_inside_and_give_their_exit_code(here: World) -> None:
    runtime = here.runtime()
    container, _ = await started(runtime, here.image)
    assert await runtime.exec(container, ("python3", "-c", "raise SystemExit(5)"), 20) == 5
    assert await runtime.exec(container, ("python3", "-c", "print('nobody keeps this')"), 20) == 0


async def test_a_command_that_takes_too_long_or_is_not_there_fails(here: World) -> None:
    runtime = here.runtime()
    container, _ = await started(runtime, here.image)
    with pytest.raises(RuntimeFailed, match="did not end within"):
        await runtime.exec(container, ("python3", "-c", "import time; time.sleep(60)"), 0.5)
    with pytest.raises(RuntimeFailed, match="not found"):
        await runtime.exec(container, ("no-such-program",), 20)
    await runtime.remove(container)
    with pytest.raises(RuntimeFailed):
        await runtime.exec(container, ("python3", "-c", ""), 20)


async def test_images_are_found_under_every_way_to_write_their_name(here: World) -> None:
    runtime = here.runtime()
    id = await runtime.image_id(here.image)
    assert id is not None
    assert id.startswith("sha256:")
    assert await runtime.image_id(f"docker.io/library/{here.image}") == id
    assert await runtime.image_id("nonesuch:1") is None


async def started(
    runtime: Runtime, image: str, id: str = "", version: int = 1, **definition: Any
) -> tuple[str, Observed]:
    """A container that answers."""
    container = await runtime.create(component(image, version=version, **definition), id or instance_id())
    observed = await runtime.start(container)
    assert observed.address is not None
    await wait_ready(observed.address, "/health", seconds=20)
    return container, observed


async def ask(observed: Observed, path: str) -> Any:
    assert observed.address is not None
    return await asyncio.to_thread(_get, observed.address, path)


def _get(address: Address, path: str) -> Any:
    with urllib.request.urlopen(f"http://{address.host}:{address.port}{path}", timeout=10) as answer:
        return json.loads(answer.read())


async def in_work(observed: Observed) -> bool:
    return bool((await ask(observed, "/conc"))["now"])


async def ended(runtime: Runtime, container: str) -> Observed | None:
    observed = await runtime.inspect(container)
    return observed if observed is not None and not observed.running else None
