"""The keeper's promises, in virtual time over a database in memory."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from maelstrom.leases.keeper import SessionInfo
from maelstrom.model.errors import LeaseLost, NotFound, StateInUse, Unavailable
from tests.support.virtual_time import in_virtual_time
from tests.unit.leases.cluster import BEAT, TTL, Cluster, Node, cluster, until

# beginning and name


@in_virtual_time
async def test_a_node_is_trusted_from_its_start_on() -> None:
    async with cluster() as c:
        a = await c.node("a")
        assert a.keeper.trusted
        await asyncio.sleep(20 * TTL)
        assert a.keeper.trusted


@in_virtual_time
async def test_a_successor_in_the_same_state_directory_waits_for_nothing() -> None:
    async with cluster() as c:
        a = await c.node("a")
        source = c.source(2)
        lease = a.keeper.hold(source)
        await until(lambda: lease.capacity == 2)
        a.crash()
        start = asyncio.get_running_loop().time()
        successor = await c.node("a")
        again = successor.keeper.hold(source)
        await until(lambda: again.capacity == 2)
        assert asyncio.get_running_loop().time() - start < 1


@in_virtual_time
async def test_a_live_nodes_name_is_refused_as_soon_as_it_beats() -> None:
    async with cluster() as c:
        await c.node("a", state_dir="one")
        start = asyncio.get_running_loop().time()
        with pytest.raises(StateInUse):
            await c.node("a", state_dir="two")
        assert asyncio.get_running_loop().time() - start <= BEAT + 1


@in_virtual_time
async def test_a_dead_nodes_name_is_free_after_its_ttl() -> None:
    async with cluster() as c:
        a = await c.node("a", state_dir="one")
        a.crash()
        start = asyncio.get_running_loop().time()
        await c.node("a", state_dir="two")
        assert TTL <= asyncio.get_running_loop().time() - start <= TTL + BEAT


@in_virtual_time
async def test_a_start_without_the_database_says_so() -> None:
    async with cluster() as c:
        a = Node(c, "a", "a")
        a.line.cut = True
        with pytest.raises(Unavailable):
            await a.start()


# capacity


@in_virtual_time
async def test_nodes_share_all_of_a_limit_and_no_more() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        source = c.source(3)
        one, two = a.keeper.hold(source), b.keeper.hold(source)
        await asyncio.sleep(3 * BEAT)
        assert sorted((one.capacity, two.capacity)) == [1, 2]
        assert c.database.total(source.id) == 3


@in_virtual_time
async def test_one_source_has_one_lease() -> None:
    async with cluster() as c:
        a = await c.node("a")
        source = c.source(3)
        assert a.keeper.hold(source) is a.keeper.hold(source)


@in_virtual_time
async def test_a_dropped_lease_goes_to_another_node_at_once_or_at_its_next_look() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        source = c.source(3)
        one = a.keeper.hold(source)
        await until(lambda: one.capacity == 3)
        two = b.keeper.hold(source)
        a.keeper.drop(one)
        assert await until(lambda: two.capacity == 3) <= 1.3 * BEAT
        assert one.take() is None


@in_virtual_time
async def test_a_dropped_lease_is_given_up_as_it_drains() -> None:
    async with cluster() as c:
        a = await c.node("a")
        source = c.source(3)
        lease = a.keeper.hold(source)
        working, polling = await a.work(lease, 60), await a.slot(lease)
        a.keeper.drop(lease)
        await until(lambda: lease.capacity == 2)
        assert await polling.admit(30) == lease.epoch, "what an open poll brings is still worked"
        working.give_back()
        await until(lambda: lease.capacity == 1)
        polling.give_back()
        await until(lambda: c.database.total(source.id) == 0)


@in_virtual_time
async def test_a_lease_that_is_held_again_while_it_drains_lives_on() -> None:
    async with cluster() as c:
        a = await c.node("a")
        source = c.source(2)
        lease = a.keeper.hold(source)
        slot = await a.work(lease, 60)
        a.keeper.drop(lease)
        await asyncio.sleep(BEAT)
        assert a.keeper.hold(source) is lease
        await until(lambda: lease.capacity == 2)
        slot.give_back()
        assert lease.take() is not None


@in_virtual_time
async def test_a_disabled_source_is_not_polled_until_it_is_enabled() -> None:
    async with cluster() as c:
        a = await c.node("a")
        source = c.source(2)
        lease = a.keeper.hold(source)
        await until(lambda: lease.capacity == 2)
        c.change(source, "enabled", 0)
        assert await until(lambda: lease.capacity == 0) <= 1.3 * BEAT
        c.change(source, "enabled", 1)
        assert await until(lambda: lease.capacity == 2) <= 1.3 * BEAT


@in_virtual_time
async def test_what_was_read_before_a_source_was_enabled_does_not_stop_it() -> None:
    async with cluster() as c:
        a = await c.node("a")
        source = c.source(2, enabled=True)
        c.change(source, "enabled", 0)
        lease = a.keeper.hold(replace(source, enabled=False))
        await asyncio.sleep(2 * BEAT)
        a.line.answers_after = 1.0
        await until(lambda: a.line.looking)
        c.change(source, "enabled", 1)
        a.keeper.hold(source)
        for _ in range(30):
            await asyncio.sleep(0.1)
            assert lease.term.works


@in_virtual_time
async def test_a_removed_source_gives_up_its_capacity() -> None:
    async with cluster() as c:
        a = await c.node("a")
        source = c.source(2)
        lease = a.keeper.hold(source)
        await until(lambda: lease.capacity == 2)
        c.change(source, "removed", 1)
        await until(lambda: c.database.total(source.id) == 0)
        assert lease.take() is None


@in_virtual_time
async def test_a_higher_limit_grows_the_lease() -> None:
    async with cluster() as c:
        a = await c.node("a")
        source = c.source(1)
        lease = a.keeper.hold(source)
        await until(lambda: lease.capacity == 1)
        c.change(source, "m", 4)
        assert await until(lambda: lease.capacity == 4) <= 1.3 * BEAT


@in_virtual_time
async def test_a_lower_limit_cuts_to_what_is_in_use_and_admits_nothing_until_it_fits() -> None:
    async with cluster() as c:
        a = await c.node("a")
        source = c.source(3)
        lease = a.keeper.hold(source)
        slots = [await a.work(lease, 60) for _ in range(2)]
        waiting = await a.slot(lease)
        c.change(source, "m", 1)
        await asyncio.sleep(1.1)  # the age that a confirmation may have
        admission = asyncio.create_task(waiting.admit(10))
        await until(lambda: lease.capacity == 2)
        await asyncio.sleep(5)
        assert not admission.done()
        slots[0].give_back()
        await asyncio.sleep(5)
        assert not admission.done()
        slots[1].give_back()
        await admission
        assert (lease.capacity, lease.in_flight) == (1, 1)


@in_virtual_time
async def test_holders_who_all_have_work_waiting_do_not_wait_for_each_other() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        source = c.source(1)
        one = a.keeper.hold(source)
        await until(lambda: one.capacity == 1)
        c.change(source, "m", 2)
        two = b.keeper.hold(source)
        a.keeper.drop(one)  # so that each gets one
        await until(lambda: two.capacity == 2)
        c.change(source, "m", 3)
        one = a.keeper.hold(source)
        slots = [await a.slot(one), await b.slot(two), await b.slot(two)]
        c.change(source, "m", 1)
        await asyncio.sleep(1.1)
        admissions = [asyncio.create_task(slot.admit(5)) for slot in slots]
        await until(lambda: any(admission.done() for admission in admissions))
        await asyncio.sleep(2)
        assert one.in_flight + two.in_flight == 1
        for admission in admissions:
            admission.cancel()
        await asyncio.gather(*admissions, return_exceptions=True)


# the ends of a node


@in_virtual_time
async def test_after_a_clean_stop_others_wait_for_nothing() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        source = c.source(2)
        one = a.keeper.hold(source)
        await until(lambda: one.capacity == 2)
        two = b.keeper.hold(source)
        await a.stop()
        assert not a.keeper.trusted
        assert await until(lambda: two.capacity == 2) <= 1.3 * BEAT


@in_virtual_time
async def test_an_idle_node_that_crashed_is_followed_within_a_ttl_and_a_tick() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        source = c.source(2)
        one = a.keeper.hold(source)
        slot = await a.work(one, 60)
        slot.give_back()
        await asyncio.sleep(2 * BEAT)  # the promise of the idle row is taken back with a beat
        two = b.keeper.hold(source)
        a.crash()
        assert await until(lambda: two.capacity == 2) <= TTL + 3 * BEAT


@in_virtual_time
async def test_what_a_crashed_node_had_open_is_waited_for() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        source = c.source(2)
        one = a.keeper.hold(source)
        await a.work(one, 60)
        two = b.keeper.hold(source)
        a.crash()
        waited = await until(lambda: two.capacity == 2)
        assert 60 <= waited <= 60 + 2 * TTL


@in_virtual_time
async def test_a_wait_survives_the_restarts_of_those_who_wait() -> None:
    async with cluster() as c:
        a = await c.node("a")
        source = c.source(1)
        await a.work(a.keeper.hold(source), 120)
        a.crash()
        start = asyncio.get_running_loop().time()
        for _ in range(3):
            b = await c.node("b")
            await asyncio.sleep(35)
            b.crash()
        b = await c.node("b")
        lease = b.keeper.hold(source)
        await until(lambda: lease.capacity == 1)
        assert 120 <= asyncio.get_running_loop().time() - start <= 210


@in_virtual_time
async def test_leaving_is_told_at_once_and_nothing_more_is_taken() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        lease = a.keeper.hold(c.source(2))
        slot = await a.work(lease, 60)
        a.keeper.leave()
        assert lease.take() is None
        await asyncio.sleep(0.1)
        infos = {info.node: info for info in await b.keeper.sessions()}
        assert {node: info.state for node, info in infos.items()} == {"a": "leaving", "b": "alive"}
        assert lease.capacity == 1
        slot.give_back()


@in_virtual_time
async def test_a_stop_without_the_database_ends_all_the_same() -> None:
    async with cluster() as c:
        a = await c.node("a")
        lease = a.keeper.hold(c.source(2))
        slot = await a.slot(lease)
        a.line.cut = True
        with pytest.raises(Unavailable):
            await a.keeper.stop()
        assert a.task is not None
        await a.task
        with pytest.raises(LeaseLost):
            await slot.admit(1)


@in_virtual_time
async def test_a_second_stop_is_harmless() -> None:
    async with cluster() as c:
        a = await c.node("a")
        await a.stop()
        await a.stop()
        (info,) = await a.keeper.sessions()
        assert info.state == "dead"


# outages


@in_virtual_time
async def test_an_outage_ends_trust_before_the_ttl_and_polls_stop() -> None:
    async with cluster() as c:
        a = await c.node("a")
        lease = a.keeper.hold(c.source(2))
        await until(lambda: lease.capacity == 2)
        a.line.cut = True
        assert await until(lambda: not a.keeper.trusted) < TTL
        assert lease.take() is None


@in_virtual_time
async def test_after_an_outage_in_which_no_node_died_all_goes_on_within_a_few_ticks() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        lease = a.keeper.hold(c.source(2))
        await until(lambda: lease.capacity == 2)
        for node in (a, b):
            node.line.cut = True
        await asyncio.sleep(5 * TTL)
        for node in (a, b):
            node.line.cut = False
        assert await until(lambda: lease.take() is not None) <= 3 * BEAT
        assert [info.state for info in await b.keeper.sessions()] == ["alive", "alive"]
        assert "adopt" not in a.line.sent, "nobody was buried"


@in_virtual_time
async def test_a_database_that_only_reads_buries_nobody() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        lease = a.keeper.hold(c.source(2))
        await until(lambda: lease.capacity == 2)
        for node in (a, b):
            node.line.read_only = True
        await asyncio.sleep(5 * TTL)
        b.line.read_only = False
        await until(lambda: b.keeper.trusted)
        a.line.read_only = False
        assert await until(lambda: lease.take() is not None) <= 3 * BEAT
        assert "adopt" not in a.line.sent


@in_virtual_time
async def test_a_node_that_was_cut_off_is_buried_and_takes_its_rows_over_when_it_is_back() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        source = c.source(2)
        lease = a.keeper.hold(source)
        slot = await a.work(lease, 300)
        a.line.cut = True
        await until(
            lambda: [row.alive for row in c.database.execute("select alive from sessions where node = 'a'")] == [0]
        )
        other = b.keeper.hold(source)
        a.line.cut = False
        await until(lambda: lease.capacity == 2)
        assert (lease.in_flight, other.capacity) == (1, 0)
        (row,) = c.database.execute("select busy_ms from leases")
        assert row.busy_ms > 200_000, "what it has open is covered"
        await a.work(lease, 10)
        slot.give_back()


@in_virtual_time
async def test_what_was_waited_out_meanwhile_is_not_taken_over() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        source = c.source(2)
        lease = a.keeper.hold(source)
        await until(lambda: lease.capacity == 2)
        other = b.keeper.hold(source)
        a.line.cut = True
        await until(lambda: other.capacity == 2)
        a.line.cut = False
        await until(lambda: a.keeper.trusted)
        assert (lease.capacity, other.capacity) == (0, 2)
        await until(lambda: (lease.capacity, other.capacity) == (1, 1))


@in_virtual_time
async def test_another_server_is_not_trusted_before_what_it_may_lack_is_over() -> None:
    async with cluster() as c:
        a = await c.node("a")
        source = c.source(2)
        lease = a.keeper.hold(source)
        await a.work(lease, 60)
        c.database.execute("update era set server = 'the one before'")
        c.database.execute("delete from leases")  # the commits that were lost
        await until(lambda: lease.capacity == 0)
        waited = await until(lambda: lease.capacity == 2)
        assert waited >= 60 + TTL


@in_virtual_time
async def test_a_session_that_is_gone_means_lost_commits() -> None:
    async with cluster() as c:
        a = await c.node("a")
        lease = a.keeper.hold(c.source(2))
        await until(lambda: lease.capacity == 2)
        c.database.execute("delete from sessions")
        c.database.execute("delete from leases")
        await until(lambda: lease.capacity == 0)
        assert await until(lambda: lease.capacity == 2) >= 60


# for people


async def busy_cluster(c: Cluster) -> tuple[Node, Node, int]:
    a, b = await c.node("a"), await c.node("b")
    source = c.source(3)
    one = a.keeper.hold(source)
    slots = [await a.work(one, 600) for _ in range(3)]
    await asyncio.sleep(2.5 * BEAT)
    slots.pop().give_back()
    return a, b, source.id


@in_virtual_time
async def test_an_audit_shows_own_work_as_it_is_and_that_of_others_as_of_their_last_beat() -> None:
    async with cluster() as c:
        a, b, source = await busy_cluster(c)
        mine, theirs = await a.keeper.audit(source), await b.keeper.audit(source)
        assert (mine.limit, mine.inflight, mine.max_inflight) == (3, 2, 3)
        assert (theirs.limit, theirs.inflight, theirs.max_inflight) == (3, 3, 3)
        assert [(x.node, x.capacity, x.inflight, x.epoch) for x in mine.leases] == [("a", 3, 2, 1)]
        assert await a.keeper.in_flight() == {source: 2}
        await asyncio.sleep(BEAT * 1.3)
        assert (await b.keeper.audit(source)).inflight == 2
        assert await b.keeper.in_flight() == {source: 2}


@in_virtual_time
async def test_what_was_in_flight_between_two_beats_is_told_before_its_capacity_goes() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        source = c.source(2)
        lease = a.keeper.hold(source)
        slots = [await a.work(lease, 60) for _ in range(2)]
        for slot in slots:
            slot.give_back()
        assert (await a.keeper.audit(source.id)).max_inflight == 2, "its own node knows at once"
        a.keeper.drop(lease)
        await until(lambda: c.database.total(source.id) == 0)
        assert (await b.keeper.audit(source.id)).max_inflight == 2


@in_virtual_time
async def test_a_request_that_is_deferred_between_two_beats_was_in_flight() -> None:
    async with cluster() as c:
        a, b = await c.node("a"), await c.node("b")
        source = c.source(1)
        slot = await a.work(a.keeper.hold(source), 60)
        assert await slot.defer("token", 3600)
        slot.give_back()
        await a.keeper.answered("token")
        for node in (a, b):
            assert (await node.keeper.audit(source.id)).max_inflight == 1, "once, though two rows have counted it"


@in_virtual_time
async def test_an_audit_of_nothing_is_not_found() -> None:
    async with cluster() as c:
        a = await c.node("a")
        with pytest.raises(NotFound):
            await a.keeper.audit(99)


@in_virtual_time
async def test_the_newest_session_of_each_node_is_listed() -> None:
    async with cluster() as c:
        a = await c.node("a")
        a.crash()
        await c.node("a")
        b = await c.node("b")
        await b.stop()
        found = await c.nodes[1].keeper.sessions()
        assert [(info.node, info.state) for info in found] == [("a", "alive"), ("b", "dead")]
        assert all(isinstance(info, SessionInfo) and info.version for info in found)


@in_virtual_time
async def test_beats_cost_one_statement_whatever_the_number_of_leases() -> None:
    async with cluster() as c:
        a = await c.node("a")
        leases = [a.keeper.hold(c.source(1)) for _ in range(50)]
        await until(lambda: all(lease.capacity for lease in leases))
        assert a.line.sent.count("grant") == 1
        before = len(a.line.sent)
        await asyncio.sleep(100 * BEAT)
        sent = a.line.sent[before:]
        assert set(sent) == {"beat", "view"}
        assert 95 <= sent.count("beat") <= 101


@in_virtual_time
async def test_what_is_granted_after_its_source_was_dropped_and_held_again_is_not_lost() -> None:
    async with cluster() as c:
        a = await c.node("a")
        source = c.source(2)
        a.line.answers_after = 0.5
        lease = a.keeper.hold(source)
        await until(lambda: "grant" in a.line.sent)
        a.keeper.drop(lease)
        a.line.answers_after = 0.0
        await asyncio.sleep(0.1)
        again = a.keeper.hold(source)
        await until(lambda: again.capacity == 2)
        a.keeper.drop(again)
        await until(lambda: c.database.total(source.id) == 0)
