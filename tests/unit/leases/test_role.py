"""Named roles in virtual time: one holder at a time, whatever happens to it."""

from __future__ import annotations

import asyncio

import pytest

from maelstrom.model.errors import LeaseLost
from tests.support.virtual_time import in_virtual_time
from tests.unit.leases.cluster import BEAT, TTL, cluster, until


@in_virtual_time
async def test_one_of_all_nodes_holds_a_role_and_another_one_after_it() -> None:
    async with cluster() as c:
        nodes = [await c.node(name) for name in "abc"]
        roles = {node: node.keeper.role("planner") for node in nodes}
        assert nodes[0].keeper.role("planner") is roles[nodes[0]]
        await until(lambda: any(role.held for role in roles.values()))
        epochs = [0]
        while roles:
            await asyncio.sleep(5 * BEAT)
            holders = [node for node, role in roles.items() if role.held]
            assert len(holders) == 1
            role = roles.pop(holders[0])
            assert await role.confirm() == role.epoch > epochs[-1]
            epochs.append(role.epoch)
            await holders[0].stop()
            assert not role.held


@in_virtual_time
async def test_who_leaves_gives_its_roles_up_at_once() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        first = a.keeper.role("cron")
        await until(lambda: first.held)
        second = b.keeper.role("cron")
        await asyncio.sleep(2 * BEAT)
        a.keeper.leave()
        assert not first.held
        with pytest.raises(LeaseLost):
            await first.confirm()
        assert await until(lambda: second.held) <= 1.3 * BEAT


@in_virtual_time
async def test_who_rests_gives_a_role_up_at_once_and_has_it_again_only_when_it_seeks() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        first = a.keeper.role("cron")
        await until(lambda: first.held)
        second = b.keeper.role("cron")
        second.rest()
        await asyncio.sleep(2 * BEAT)
        first.rest()
        assert not first.held
        await asyncio.sleep(5 * BEAT)
        assert not second.held
        second.seek()
        await until(lambda: second.held)
        first.seek()
        second.rest()
        assert await until(lambda: first.held) <= 1.3 * BEAT
        assert first.epoch > second.epoch


@in_virtual_time
async def test_a_holder_that_is_cut_off_knows_before_another_one_holds_the_role() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        first = a.keeper.role("cron")
        await until(lambda: first.held)
        second = b.keeper.role("cron")
        a.line.cut = True
        start = asyncio.get_running_loop().time()
        while not second.held:
            await asyncio.sleep(0.05)
            assert not (first.held and second.held)
        assert asyncio.get_running_loop().time() - start <= TTL + 3 * BEAT
        a.line.cut = False
        await asyncio.sleep(5 * BEAT)
        assert (first.held, second.held) == (False, True)


@in_virtual_time
async def test_whoever_waits_is_woken_when_the_role_comes() -> None:
    async with cluster() as c:
        a = await c.node("a")
        role = a.keeper.role("cron")
        assert (role.held, role.epoch) == (False, 0)
        while not role.held:
            await role.changed()
        epochs = await asyncio.gather(role.confirm(), role.confirm())
        assert epochs == [role.epoch, role.epoch]


@in_virtual_time
async def test_roles_do_not_wait_for_each_other() -> None:
    async with cluster() as c:
        a = await c.node("a")
        roles = [a.keeper.role(name) for name in ("one", "two")]
        await until(lambda: all(role.held for role in roles))
        (row,) = c.database.execute("select count(*) n from event_sources where type = 'role' and m = 1")
        assert row.n == 2
