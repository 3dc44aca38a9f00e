"""Work that is answered later counts until it is answered, whatever becomes of its node; a pause rests all nodes."""

from __future__ import annotations

import asyncio

import pytest

from maelstrom.leases.lease import Lease, Slot
from maelstrom.model.errors import Unavailable
from tests.support.virtual_time import in_virtual_time
from tests.unit.leases.cluster import BEAT, TTL, Node, cluster, until


async def at_work(node: Node, lease: Lease, seconds: float) -> Slot:
    """A request like one before, which a beat has told of: the next statement is not a beat."""
    (await node.work(lease, seconds)).give_back()
    await until(lambda: not lease.term.untold)
    return await node.work(lease, seconds)


@in_virtual_time
async def test_a_deferred_request_counts_until_it_is_answered_on_any_node() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        source = c.source(1)
        lease = a.keeper.hold(source)
        slot = await a.work(lease, 5)
        assert await slot.defer("token", 3600)
        slot.give_back()
        assert lease.in_flight == 0
        other = b.keeper.hold(source)
        await asyncio.sleep(600)
        assert (lease.capacity, other.capacity) == (0, 0)
        assert await b.keeper.answered("token")
        assert not await a.keeper.answered("token")
        await until(lambda: lease.capacity + other.capacity == 1)


@in_virtual_time
async def test_it_outlives_its_node_and_is_waited_out() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        source = c.source(2)
        slot = await a.work(a.keeper.hold(source), 5)
        assert await slot.defer("token", 200)
        slot.give_back()
        await a.stop()
        other = b.keeper.hold(source)
        await until(lambda: other.capacity == 1)
        assert 150 < await until(lambda: other.capacity == 2) < 220


@in_virtual_time
async def test_its_row_is_lost_with_a_commit_and_written_again_by_its_node() -> None:
    async with cluster() as c:
        a = await c.node("a")
        source = c.source(1)
        lease = a.keeper.hold(source)
        slot = await a.work(lease, 5)
        earlier = c.database.snapshot()
        assert await slot.defer("token", 3600)
        slot.give_back()
        await asyncio.sleep(2 * BEAT)
        c.database.restore(earlier)
        await until(lambda: c.task_rows() == 1)
        await asyncio.sleep(300)
        assert lease.capacity == 0, "also when the era's wait is over"
        assert await a.keeper.answered("token")
        await until(lambda: lease.capacity == 1)


@in_virtual_time
async def test_what_was_answered_elsewhere_is_not_written_again() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        source = c.source(1)
        slot = await a.work(a.keeper.hold(source), 5)
        earlier = c.database.snapshot()
        assert await slot.defer("token", 3600)
        slot.give_back()
        assert await b.keeper.answered("token")
        await asyncio.sleep(3 * BEAT)
        c.database.restore(earlier)
        lease = a.keeper.hold(source)
        await until(lambda: lease.capacity == 1)
        assert c.task_rows() == 0


@in_virtual_time
async def test_it_is_refused_where_the_database_does_not_confirm_it_in_time() -> None:
    async with cluster() as c:
        a = await c.node("a")
        lease = a.keeper.hold(c.source(1))
        slot = await a.work(lease, 5)
        a.line.cut = True
        assert not await slot.defer("token", 3600)
        slot.give_back()
        a.line.cut = False
        await until(lambda: lease.capacity == 1 and lease.take() is not None)
        assert c.task_rows() == 0


@in_virtual_time
async def test_an_unknown_outcome_is_made_known() -> None:
    async with cluster() as c:
        a = await c.node("a")
        lease = a.keeper.hold(c.source(3))
        slot = await at_work(a, lease, 8)
        a.line.lose_answers = 1
        assert await slot.defer("token", 3600)
        slot.give_back()
        assert (lease.capacity, c.task_rows()) == (2, 1)


@in_virtual_time
async def test_a_unit_is_given_once_also_where_its_row_is_gone_before_that_is_known() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        lease = a.keeper.hold(c.source(2))
        other = await a.work(lease, 60)
        slot = await at_work(a, lease, 8)
        a.line.lose_answers = 1
        deferred = asyncio.create_task(slot.defer("token", 3600))
        await until(lambda: c.task_rows() == 1)
        assert await b.keeper.answered("token")
        assert await deferred
        slot.give_back()
        assert c.task_rows() == 0, "it is not made again"
        assert lease.in_flight == 1 <= lease.capacity, "what is in flight keeps its own unit"
        other.give_back()
        await until(lambda: lease.capacity == 2)


@in_virtual_time
async def test_what_is_given_counts_as_given_until_it_is_known() -> None:
    """A statement that was given up is executed late: the slot it was for is free again by then, and used."""
    async with cluster() as c:
        a = await c.node("a")
        lease = a.keeper.hold(c.source(2))
        slot = await at_work(a, lease, 1)
        a.line.answers_after = 1.5
        assert not await slot.defer("token", 3600)
        slot.give_back()
        assert lease.capacity == 1, "the row may have no more"
        assert lease.take() is not None
        assert lease.take() is None
        await until(lambda: c.task_rows() == 0 and lease.capacity == 2)


@in_virtual_time
async def test_an_answer_that_comes_before_the_row_leaves_none() -> None:
    async with cluster() as c:
        a = await c.node("a")
        lease = a.keeper.hold(c.source(1))
        slot = await a.work(lease, 8)
        a.line.answers_after = 0.5
        deferring = asyncio.create_task(slot.defer("token", 3600))
        await asyncio.sleep(0.1)
        await a.keeper.answered("token")
        assert await deferring
        slot.give_back()
        await until(lambda: c.task_rows() == 0 and lease.capacity == 1)


@in_virtual_time
async def test_an_answer_that_the_database_does_not_confirm_is_told_again() -> None:
    async with cluster() as c:
        a = await c.node("a")
        lease = a.keeper.hold(c.source(1))
        slot = await a.work(lease, 8)
        assert await slot.defer("token", 3600)
        slot.give_back()
        a.line.cut = True
        with pytest.raises(Unavailable):
            await a.keeper.answered("token")
        a.line.cut = False
        await until(lambda: c.task_rows() == 0 and lease.capacity == 1)


@in_virtual_time
async def test_no_node_polls_while_a_source_is_paused() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        source = c.source(4)
        leases = [a.keeper.hold(source), b.keeper.hold(source)]
        await until(lambda: sum(lease.capacity for lease in leases) == 4)
        await leases[0].pause(100)
        assert leases[0].take() is None
        await asyncio.sleep(2 * BEAT)
        assert [lease.take() for lease in leases] == [None, None]
        assert all(85 < lease.paused_seconds() <= 100 for lease in leases)
        waiting = [asyncio.create_task(lease.changed()) for lease in leases]
        assert 80 < await until(lambda: not any(lease.paused_seconds() for lease in leases)) < 100 + 2 * BEAT
        await asyncio.wait(waiting, timeout=1)
        assert any(lease.take() for lease in leases)
        await asyncio.sleep(2 * BEAT)
        late = await c.node("late")
        lease = late.keeper.hold(source)
        await asyncio.sleep(2 * BEAT)
        assert lease.paused_seconds() == 0, "its end is written down"


@in_virtual_time
async def test_a_pause_survives_a_restart_with_what_is_left_of_it() -> None:
    async with cluster() as c:
        a = await c.node("a")
        source = c.source(1)
        await a.keeper.hold(source).pause(100)
        await asyncio.sleep(60)
        a.crash()
        a = await c.node("a")
        lease = a.keeper.hold(source)
        await asyncio.sleep(2 * BEAT)
        assert 20 < lease.paused_seconds() < 100 - 60 + 20 + 2 * TTL


@in_virtual_time
async def test_a_pause_can_be_ended() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        source = c.source(2)
        leases = [a.keeper.hold(source), b.keeper.hold(source)]
        await leases[0].pause(100)
        await asyncio.sleep(2 * BEAT)
        await leases[1].pause(0)
        await until(lambda: not any(lease.paused_seconds() for lease in leases))
