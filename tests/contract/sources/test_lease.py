"""The leases by which sources are tested do what the real ones do, as far as a source can see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from maelstrom.leases.clock import SteadyClock
from maelstrom.leases.keeper import LeaseKeeper
from maelstrom.model.source import EventSource
from maelstrom.registry.engine import make_engine
from maelstrom.registry.migrate import migrate
from maelstrom.sources.ports import LeaseDesk, Slot, SlotLease
from tests.contract.leases.cluster import Cluster
from tests.fakes.sources import FakeDesk, source
from tests.support.wait import eventually

Ground = tuple[LeaseDesk, EventSource]  # a desk, and a source of three slots


async def _real(directory: Path) -> AsyncIterator[Ground]:
    url = f"sqlite:///{directory}/maelstrom.db"
    await migrate(url)
    engine = make_engine(url)
    cluster = Cluster(engine)
    await cluster.prepare()
    keeper = LeaseKeeper(engine, node="n", state_dir_id="d", beat_seconds=0.2, ttl_seconds=5, clock=SteadyClock())
    await keeper.start()
    async with asyncio.TaskGroup() as group:
        group.create_task(keeper.run())
        yield keeper, await cluster.event_source(3)
        await keeper.stop()
    await engine.dispose()


@pytest.fixture(params=["fake", "real"])
async def ground(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ground]:
    if request.param == "fake":
        yield FakeDesk(), source(maxconcurrency=3)
    else:
        async for made in _real(tmp_path):
            yield made


async def taken(lease: SlotLease, number: int) -> list[Slot]:
    slots: list[Slot] = []

    def take() -> bool:
        while len(slots) < number and (slot := lease.take()) is not None:
            slots.append(slot)
        return len(slots) == number

    await eventually(take)
    return slots


async def test_as_many_slots_as_the_limit_and_a_returned_one_again(ground: Ground) -> None:
    desk, limited = ground
    lease = desk.hold(limited)
    slots = await taken(lease, 3)
    assert lease.take() is None
    changed = asyncio.get_running_loop().create_task(lease.changed())
    await asyncio.sleep(0)
    slots[0].give_back()
    slots[0].give_back()
    await asyncio.wait_for(changed, 5)
    await taken(lease, 1)
    assert lease.take() is None


async def test_an_admitted_slot_tells_the_epoch_and_stays_taken_until_it_is_given_back(ground: Ground) -> None:
    desk, limited = ground
    lease = desk.hold(limited)
    slots = await taken(lease, 3)
    epochs = {await slot.admit(30) for slot in slots}
    assert len(epochs) == 1
    assert epochs.pop() >= 1
    assert lease.take() is None
    assert await slots[0].admit(30) >= 1  # for another item, which waited for it
    slots[0].give_back()
    await taken(lease, 1)


async def test_a_disabled_source_gives_no_slot_but_admits_what_its_polls_brought(ground: Ground) -> None:
    desk, limited = ground
    lease = desk.hold(limited)
    (poll,) = await taken(lease, 1)
    assert desk.hold(replace(limited, enabled=False)) is lease
    assert lease.take() is None
    assert await poll.admit(30) >= 1
    poll.give_back()
    assert lease.take() is None
    desk.hold(limited)
    await taken(lease, 3)


async def test_a_dropped_lease_gives_no_slot_but_admits_what_its_polls_brought(ground: Ground) -> None:
    desk, limited = ground
    lease = desk.hold(limited)
    (poll,) = await taken(lease, 1)
    desk.drop(lease)
    assert lease.take() is None
    assert await poll.admit(30) >= 1
    poll.give_back()
