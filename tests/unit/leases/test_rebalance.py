"""Fair shares among real keepers, in virtual time: who has how much of what, and how it moves."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from maelstrom.leases.fairness import PATIENCE_BEATS
from maelstrom.leases.fitness import TROUBLE_SECONDS, TRY_AGAIN
from maelstrom.leases.lease import Lease, Slot
from maelstrom.model.source import EventSource
from tests.support.virtual_time import in_virtual_time
from tests.unit.leases.cluster import BEAT, TTL, Cluster, Node, cluster, until

SOON = 3 * BEAT  # a beat to be seen, one to see, and their spread


class Floor:
    """Nodes that all hold the same sources."""

    def __init__(self, c: Cluster, sources: list[EventSource]) -> None:
        self.c = c
        self.sources = sources
        self.leases: dict[Node, list[Lease]] = {}

    async def join(self, name: str) -> Node:
        node = await self.c.node(name)
        self.leases[node] = [node.keeper.hold(source) for source in self.sources]
        return node

    def without(self, node: Node) -> None:
        del self.leases[node]

    def capacities(self, source: int = 0) -> list[int]:
        """Of one source, by node."""
        return [leases[source].capacity for leases in self.leases.values()]

    def fair(self) -> bool:
        """All of every limit is held; every node has as much as any other, to within one: width is 1 here."""
        numbers = range(len(self.sources))
        if any(sum(self.capacities(i)) != source.maxconcurrency for i, source in enumerate(self.sources)):
            return False
        totals = [sum(lease.capacity for lease in leases) for leases in self.leases.values()]
        return _even(totals) and all(_even(self.capacities(i)) for i in numbers)


def _even(numbers: list[int]) -> bool:
    return max(numbers) - min(numbers) <= 1


async def floor(c: Cluster, names: str, *limits: int) -> Floor:
    made = Floor(c, [c.source(limit) for limit in limits])
    for name in names:
        await made.join(name)
    await until(made.fair)
    return made


# joins and leaves


@in_virtual_time
async def test_joins_and_leaves_even_out_within_a_few_beats() -> None:
    async with cluster() as c:
        f = await floor(c, "a", 1, 1, 1, 4, 7, 10, 1, 2)
        for name in "bcde":
            await f.join(name)
            assert await until(f.fair) <= SOON
        for node in list(f.leases)[:4]:
            f.without(node)
            await node.stop()
            assert await until(f.fair) <= SOON


@in_virtual_time
async def test_a_crashed_nodes_share_goes_to_the_others_within_a_ttl_and_some_beats() -> None:
    async with cluster() as c:
        f = await floor(c, "abc", 5, 1, 1, 1)
        crashed = next(iter(f.leases))
        f.without(crashed)
        crashed.crash()
        assert await until(f.fair) <= TTL + SOON


@in_virtual_time
async def test_who_has_too_much_takes_no_slot_until_it_is_below_its_share_and_cuts_nothing() -> None:
    async with cluster() as c:
        f = await floor(c, "a", 4)
        (a,) = f.leases
        lease = f.leases[a][0]
        slots = [await a.work(lease, 3600) for _ in range(4)]
        b = await f.join("b")
        await asyncio.sleep(10 * BEAT)
        assert f.capacities() == [4, 0]
        for slot, moved in zip(slots, ([3, 1], [2, 2]), strict=False):
            slot.give_back()
            assert lease.take() is None
            assert await until(lambda moved=moved: f.capacities() == moved) <= SOON  # type: ignore[misc]
        assert lease.take() is None
        slots[2].give_back()
        assert lease.take() is not None, "below its share it goes on"
        assert f.leases[b][0].take() is not None


@in_virtual_time
async def test_work_that_waits_is_admitted_by_who_has_too_much() -> None:
    """What its polls brought was received: it is not held back for others' shares."""
    async with cluster() as c:
        f = await floor(c, "a", 3)
        (a,) = f.leases
        lease = f.leases[a][0]
        polls = [await a.slot(lease) for _ in range(3)]
        await f.join("b")
        await asyncio.sleep(5 * BEAT)
        for poll in polls:
            async with asyncio.timeout(1):
                await poll.admit(60)
        assert lease.in_flight == 3


@in_virtual_time
async def test_a_node_that_holds_nothing_yet_has_no_share() -> None:
    async with cluster() as c:
        f = await floor(c, "a", 3, 2)
        await c.node("b")
        await asyncio.sleep(10 * BEAT)
        assert f.fair()


@in_virtual_time
async def test_a_node_that_works_other_sources_only_has_no_share_of_this_one() -> None:
    async with cluster() as c:
        f = await floor(c, "a", 3)
        b = await c.node("b")
        b.keeper.hold(c.source(2))
        await until(lambda: f.capacities() == [3])
        await asyncio.sleep(20 * BEAT)
        assert f.capacities() == [3]


@in_virtual_time
async def test_a_node_that_leaves_has_no_share_while_it_drains() -> None:
    async with cluster() as c:
        f = await floor(c, "ab", 6)
        a, b = f.leases
        slot = await a.work(f.leases[a][0], 3600)
        a.keeper.leave()
        assert await until(lambda: f.capacities() == [1, 5]) <= SOON
        slot.give_back()
        assert await until(lambda: f.capacities() == [0, 6]) <= SOON
        assert f.leases[b][0].take() is not None


# limits and widths


@in_virtual_time
async def test_another_limit_is_shared_anew_and_kept_meanwhile() -> None:
    async with cluster() as c:
        f = await floor(c, "abc", 9)
        slots = [await node.work(leases[0], 3600) for node, leases in f.leases.items() for _ in range(3)]
        for limit in (4, 12):
            c.change(f.sources[0], "m", limit)
            await asyncio.sleep(SOON)
            assert sum(f.capacities()) == max(9, limit)
        c.change(f.sources[0], "m", 4)
        for slot in slots:
            slot.give_back()
        assert await until(lambda: sorted(f.capacities()) == [1, 1, 2]) <= SOON


@in_virtual_time
async def test_pollers_are_dealt_in_the_sources_width() -> None:
    async with cluster() as c:
        f = Floor(c, [c.source(10)])
        c.change(f.sources[0], "width", 4)
        for name in "abc":
            await f.join(name)
        await until(lambda: sorted(f.capacities()) == [2, 4, 4])
        c.change(f.sources[0], "width", 5)
        assert await until(lambda: sorted(f.capacities()) == [0, 5, 5]) <= SOON
        c.change(f.sources[0], "width", 1)
        assert await until(lambda: sorted(f.capacities()) == [3, 3, 4]) <= SOON


# unfit nodes


async def fail(lease: Lease) -> None:
    """Until that makes its node unfit."""
    lease.unfit("nothing works")
    await asyncio.sleep(TROUBLE_SECONDS)
    lease.unfit("nothing works")


@in_virtual_time
async def test_who_cannot_work_a_source_leaves_it_to_others_and_tries_again_later() -> None:
    async with cluster() as c:
        f = await floor(c, "ab", 4)
        a = next(iter(f.leases))
        lease = f.leases[a][0]
        await fail(lease)
        assert await until(lambda: f.capacities() == [0, 4]) <= SOON
        assert lease.take() is None
        assert await until(lambda: f.capacities() == [2, 2]) <= TRY_AGAIN.first + SOON
        lease.unfit("again")
        assert await until(lambda: f.capacities() == [0, 4]) <= SOON, "one error is enough on trial"
        waited = await until(lambda: f.capacities() == [2, 2])
        assert TRY_AGAIN.first * (1 - TRY_AGAIN.jitter) <= waited <= 2 * TRY_AGAIN.first + SOON
        lease.fit()
        lease.unfit("once")
        await asyncio.sleep(SOON)
        assert f.capacities() == [2, 2], "what went well has ended the trial"


@in_virtual_time
async def test_what_goes_well_ends_it_at_once() -> None:
    async with cluster() as c:
        f = await floor(c, "ab", 4)
        lease = next(iter(f.leases.values()))[0]
        await fail(lease)
        await until(lambda: f.capacities() == [0, 4])
        lease.fit()
        assert await until(lambda: f.capacities() == [2, 2]) <= SOON


@in_virtual_time
async def test_errors_for_less_than_ten_seconds_change_nothing() -> None:
    async with cluster() as c:
        f = await floor(c, "ab", 4)
        lease = next(iter(f.leases.values()))[0]
        for _ in range(10):
            for _ in range(3):
                lease.unfit("now and then")
                await asyncio.sleep(TROUBLE_SECONDS / 4)
            lease.fit()
        assert f.capacities() == [2, 2]


@in_virtual_time
async def test_where_all_are_unfit_all_go_on() -> None:
    async with cluster() as c:
        f = await floor(c, "ab", 4)
        await asyncio.gather(*(fail(leases[0]) for leases in f.leases.values()))
        await asyncio.sleep(SOON)
        assert f.capacities() == [2, 2]
        assert [lease.take() is not None for (lease,) in f.leases.values()] == [True, True]


@in_virtual_time
async def test_a_new_session_says_anew_what_its_node_cannot_work() -> None:
    async with cluster() as c:
        f = await floor(c, "ab", 4)
        a = next(iter(f.leases))
        lease = f.leases[a][0]
        for _ in range(5):  # so that it takes long until the next trial
            await fail(lease)
            await until(lambda: f.capacities() == [0, 4])
            if lease.fitness.unfit(a.clock.monotonic() + 20 * TTL):
                break
            await until(lambda: f.capacities() == [2, 2])
        a.line.cut = True
        await asyncio.sleep(2 * TTL)
        a.line.cut = False
        await until(lambda: a.keeper.trusted)
        await asyncio.sleep(SOON)
        assert f.capacities() == [0, 4]


# what nobody takes


@in_virtual_time
async def test_capacity_that_nobody_takes_is_used_until_somebody_wants_it() -> None:
    async with cluster() as c:
        idler = _idler(c)
        await asyncio.sleep(0)
        source = c.source(4)
        a = await c.node("a")
        lease = a.keeper.hold(source)
        await until(lambda: lease.capacity == 2)
        waited = await until(lambda: lease.capacity == 4)
        assert waited <= PATIENCE_BEATS * BEAT + SOON, "its share is not wanted"
        await asyncio.sleep(10 * BEAT)
        assert lease.capacity == 4
        c.database.execute("update sessions set wanting = :w where id = 'idler'", {"w": f"[{source.id}]"})
        assert await until(lambda: lease.capacity == 2) <= SOON
        await asyncio.sleep(10 * BEAT)
        assert lease.capacity == 2
        idler.cancel()
        await until(lambda: lease.capacity == 4)


@in_virtual_time
async def test_who_finds_its_share_taken_says_so_and_gets_it() -> None:
    async with cluster() as c:
        source = c.source(4)
        a, b = await c.node("a"), await c.node("b")
        one = a.keeper.hold(source)
        await until(lambda: one.capacity == 4)
        b.line.answers_after = 0.0
        two = b.keeper.hold(source)
        assert await until(lambda: (one.capacity, two.capacity) == (2, 2)) <= SOON
        b.line.cut = True  # it stays in the deal for a ttl; its row stays
        await asyncio.sleep(TTL / 2)
        b.line.cut = False
        await asyncio.sleep(10 * BEAT)
        assert (one.capacity, two.capacity) == (2, 2)


def _idler(c: Cluster) -> asyncio.Task[None]:
    async def live() -> None:
        c.database.execute(
            "insert into sessions (id, node, state_dir, boot, version, era, ttl_ms, opened_at)"
            " select 'idler', 'idler', 'idler', '', '', val, 10000, 0 from era"
        )
        while True:
            c.database.execute("update sessions set beat = beat + 1 where id = 'idler'")
            await asyncio.sleep(BEAT)

    return asyncio.create_task(live())


# all of it


class Shift:
    """Works one lease of one node: slots are in use for any time, some longer than anybody waits."""

    def __init__(self, dice: random.Random, node: Node, lease: Lease, open: Counter[int], limit: int) -> None:
        self.dice, self.node, self.lease, self.open, self.limit = dice, node, lease, open, limit

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                slot = await self.node.slot(self.lease)
                group.create_task(self._use(slot))

    async def _use(self, slot: Slot) -> None:
        source = self.lease.term.source
        await asyncio.sleep(self.dice.uniform(0, 1))
        await slot.admit(60)
        self.open[source] += 1
        assert self.open[source] <= self.limit
        await asyncio.sleep(self.dice.choice((0.1, 1, 5)))
        self.open[source] -= 1
        slot.give_back()


@pytest.mark.parametrize("seed", range(6))
@in_virtual_time
async def test_whatever_joins_leaves_fails_and_changes_it_ends_fair_and_full(seed: int) -> None:
    random.seed(seed)  # how beats are spread
    dice = random.Random(seed)
    async with cluster() as c:
        limits = [dice.choice((1, 1, 2, 3, 8)) for _ in range(dice.choice((1, 5, 12)))]
        f = Floor(c, [c.source(limit) for limit in limits])
        open: Counter[int] = Counter()
        shifts: dict[Node, list[asyncio.Task[None]]] = {}

        async def join(name: str) -> None:
            node = await f.join(name)
            shifts[node] = [
                asyncio.create_task(Shift(dice, node, lease, open, limit).run())
                for lease, limit in zip(f.leases[node], limits, strict=True)
            ]

        async def leave(node: Node) -> None:
            f.without(node)
            node.keeper.leave()
            await until(lambda: not any(lease.busy for lease in node.keeper._leases.values()))
            await node.stop()
            for task in shifts.pop(node):
                task.cancel()

        await join("n0")
        for number in range(1, 12):
            await asyncio.sleep(dice.uniform(0, 4 * BEAT))
            node = dice.choice(list(f.leases))
            kind = dice.choice(("join", "join", "leave", "unfit", "cut"))
            if kind == "join" and len(f.leases) < 5:
                await join(f"n{number}")
            elif kind == "leave" and len(f.leases) > 1:
                await leave(node)
            elif kind == "unfit":
                await fail(dice.choice(f.leases[node]))
            elif kind == "cut":
                node.line.cut = True
                await asyncio.sleep(dice.uniform(0, TTL / 2))
                node.line.cut = False
        for leases in f.leases.values():
            for lease in leases:
                lease.fit()
        assert await until(f.fair) <= 3 * SOON + PATIENCE_BEATS * BEAT + 6
        assert not [task for tasks in shifts.values() for task in tasks if task.done()]
        for task in (task for tasks in shifts.values() for task in tasks):
            task.cancel()
