"""A lease and its slots, as sources use them, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from maelstrom.model.errors import LeaseLost
from tests.support.virtual_time import in_virtual_time
from tests.unit.leases.cluster import BEAT, TTL, cluster, until


@in_virtual_time
async def test_slots_are_taken_up_to_the_capacity_and_given_back() -> None:
    async with cluster() as c:
        a = await c.node("a")
        lease = a.keeper.hold(c.source(2))
        assert lease.take() is None, "nothing is granted yet"
        one, two = await a.slot(lease), await a.slot(lease)
        assert (lease.busy, lease.in_flight, lease.take()) == (2, 0, None)
        one.give_back()
        one.give_back()
        assert lease.busy == 1
        assert lease.take() is not None
        two.give_back()


@in_virtual_time
async def test_whoever_waits_is_woken_when_a_slot_is_given_back() -> None:
    async with cluster() as c:
        a = await c.node("a")
        lease = a.keeper.hold(c.source(1))
        slot = await a.slot(lease)
        waiting = [asyncio.create_task(a.slot(lease)) for _ in range(2)]
        await asyncio.sleep(BEAT)
        assert not any(task.done() for task in waiting)
        slot.give_back()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [task.done() for task in waiting] == [True, False]
        waiting[1].cancel()


@in_virtual_time
async def test_one_who_stops_waiting_does_not_wake_the_others() -> None:
    async with cluster() as c:
        a = await c.node("a")
        lease = a.keeper.hold(c.source(1))
        await a.slot(lease)
        first, second = asyncio.create_task(lease.changed()), asyncio.create_task(lease.changed())
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0.01)
        assert first.cancelled()
        assert not second.done()
        second.cancel()


@in_virtual_time
async def test_an_admission_gives_the_epoch_and_counts_as_in_flight() -> None:
    async with cluster() as c:
        a = await c.node("a")
        lease = a.keeper.hold(c.source(2))
        slot = await a.slot(lease)
        assert await slot.admit(30) == lease.epoch == 1
        assert (lease.busy, lease.in_flight) == (1, 1)
        slot.give_back()
        assert (lease.busy, lease.in_flight) == (0, 0)


@in_virtual_time
async def test_an_admission_soon_after_another_sends_nothing_and_does_not_suspend() -> None:
    async with cluster() as c:
        a = await c.node("a")
        lease = a.keeper.hold(c.source(5))
        await a.work(lease, 30)
        before = list(a.line.sent)
        second = (await a.slot(lease)).admit(30)
        with pytest.raises(StopIteration):
            second.send(None)
        assert a.line.sent == before


@in_virtual_time
async def test_a_busy_lease_asks_about_once_a_second() -> None:
    async with cluster() as c:
        a = await c.node("a")
        lease = a.keeper.hold(c.source(2))
        loop = asyncio.get_running_loop()
        end = loop.time() + 20
        done = 0
        while loop.time() < end:
            slot = await a.work(lease, 30)
            await asyncio.sleep(0.01)
            slot.give_back()
            done += 1
        assert done > 1500
        assert 18 <= a.line.sent.count("ask") <= 22


@in_virtual_time
async def test_admissions_of_all_leases_go_in_one_statement() -> None:
    async with cluster() as c:
        a = await c.node("a")
        leases = [a.keeper.hold(c.source(1)) for _ in range(20)]
        slots = [await a.slot(lease) for lease in leases]
        await asyncio.sleep(0.5)
        before = a.line.sent.count("ask")
        await asyncio.gather(*(slot.admit(30) for slot in slots))
        assert a.line.sent.count("ask") == before + 1


@in_virtual_time
async def test_nothing_is_admitted_once_the_databases_word_is_old() -> None:
    async with cluster() as c:
        a = await c.node("a")
        lease = a.keeper.hold(c.source(2))
        await a.work(lease, 30)
        slot = await a.slot(lease)
        a.line.cut = True
        await asyncio.sleep(1.1)
        admission = asyncio.create_task(slot.admit(5))
        await asyncio.sleep(TTL / 2)
        assert a.keeper.trusted
        assert not admission.done()
        a.line.cut = False
        assert await until(admission.done) <= BEAT
        assert await admission == 1


@in_virtual_time
async def test_work_that_waits_in_a_long_outage_is_given_up() -> None:
    async with cluster() as c:
        a = await c.node("a")
        lease = a.keeper.hold(c.source(2))
        slot = await a.slot(lease)
        a.line.cut = True
        start = asyncio.get_running_loop().time()
        with pytest.raises(LeaseLost):
            await slot.admit(5)
        assert asyncio.get_running_loop().time() - start <= 2 * TTL + 1
        assert lease.in_flight == 0
        slot.give_back()
        assert lease.busy == 0


@in_virtual_time
async def test_a_lost_lease_is_sought_again_before_work_is_given_up() -> None:
    async with cluster() as c:
        a = await c.node("a")
        source = c.source(2)
        lease = a.keeper.hold(source)
        slot = await a.slot(lease)
        c.database.execute("update sessions set alive = 0")
        c.database.execute("delete from leases")
        await asyncio.sleep(1.1)
        assert await slot.admit(5) == 2, "under a new lease"


@in_virtual_time
async def test_an_admission_that_is_cancelled_leaves_a_slot_to_give_back() -> None:
    async with cluster() as c:
        a = await c.node("a")
        lease = a.keeper.hold(c.source(1))
        slot = await a.slot(lease)
        a.line.cut = True
        admission = asyncio.create_task(slot.admit(5))
        await asyncio.sleep(0.5)
        admission.cancel()
        await asyncio.gather(admission, return_exceptions=True)
        assert (lease.busy, lease.in_flight) == (1, 0)
        slot.give_back()
        assert lease.busy == 0


@in_virtual_time
async def test_time_that_the_machine_slept_ends_trust() -> None:
    async with cluster() as c:
        a = await c.node("a")
        lease = a.keeper.hold(c.source(1))
        slot = await a.slot(lease)
        await slot.admit(30)
        a.clock.ahead += TTL
        assert not a.keeper.trusted
        assert lease.take() is None
        other = a.keeper.hold(c.source(1))
        assert other.take() is None
        await until(lambda: a.keeper.trusted)
