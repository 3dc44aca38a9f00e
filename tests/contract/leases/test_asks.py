"""Confirmed admissions: what the database says of a lease, what it keeps of its horizon, how a row shrinks."""

from __future__ import annotations

from uuid import uuid4

import pytest

from maelstrom.leases.term import Ask
from tests.contract.leases.cluster import AnyCluster


async def lease_row(cluster: AnyCluster, lease: str) -> tuple[int, int, int, int]:
    row = await cluster.lease(lease)
    return row.capacity, row.busy_ms, row.busy_seq, row.in_flight


async def test_an_ask_confirms_and_writes_the_horizon(cluster: AnyCluster) -> None:
    source = await cluster.source(4)
    a = await cluster.session()
    lease = (await a.granted(source, 3)).id
    said = await a.ask(lease, busy_ms=5000, in_flight=2)
    assert (said.lease, said.capacity, said.limit, said.fits) == (lease, 3, 4, True)
    assert await lease_row(cluster, lease) == (3, 5000, 1, 2)
    await a.ask(lease, busy_ms=0)
    assert await lease_row(cluster, lease) == (3, 0, 2, 0)


async def test_an_ask_without_a_horizon_leaves_it_as_it_is(cluster: AnyCluster) -> None:
    source = await cluster.source(4)
    a = await cluster.session()
    lease = (await a.granted(source, 3)).id
    await a.ask(lease, busy_ms=5000)
    await a.ask(lease, capacity=2)
    assert await lease_row(cluster, lease) == (2, 5000, 1, 0)


async def test_a_row_is_cut_and_never_raised(cluster: AnyCluster) -> None:
    source = await cluster.source(4)
    a = await cluster.session()
    lease = (await a.granted(source, 3)).id
    assert (await a.ask(lease, capacity=2)).capacity == 2
    assert (await a.ask(lease, capacity=3)).capacity == 2
    assert await cluster.total(source) == 2


async def test_capacities_above_a_lowered_limit_do_not_fit(cluster: AnyCluster) -> None:
    source = await cluster.source(4)
    a, b = await cluster.session("a"), await cluster.session("b")
    mine, other = (await a.granted(source, 2)).id, (await b.granted(source, 2)).id
    await cluster.change(source, m=3)
    said = await a.ask(mine)
    assert (said.limit, said.fits) == (3, False)
    assert (await b.ask(other, capacity=1)).fits, "the cut of the same statement counts"
    assert (await a.ask(mine)).fits


async def test_rows_of_nobody_and_of_the_dead_count_for_what_fits(cluster: AnyCluster) -> None:
    source = await cluster.source(4)
    a, b = await cluster.session("a"), await cluster.session("b")
    mine = (await a.granted(source, 2)).id
    await b.granted(source, 2)
    await b.die()
    await cluster.change(source, m=3)
    assert not (await a.ask(mine)).fits


async def test_a_row_of_another_session_is_neither_confirmed_nor_changed(cluster: AnyCluster) -> None:
    source = await cluster.source(4)
    a, b = await cluster.session("a"), await cluster.session("b")
    lease = (await a.granted(source, 2)).id
    assert await b.ask(lease, busy_ms=9000, capacity=1, in_flight=1) is None
    assert await lease_row(cluster, lease) == (2, 0, 0, 0)


async def test_many_leases_are_asked_for_at_once(cluster: AnyCluster) -> None:
    sources = [await cluster.source(2) for _ in range(3)]
    a = await cluster.session()
    leases = [(await a.granted(source, 1)).id for source in sources]
    asks = [Ask(lease, 1000 * i, None, i) for i, lease in enumerate(leases)]
    said = a.went(await cluster.statements.ask(a.me, [*asks, Ask(uuid4().hex, 1, None, 0)]))
    assert {item.lease for item in said} == set(leases)
    assert [(await lease_row(cluster, lease))[1] for lease in leases] == [0, 1000, 2000]


@pytest.mark.parametrize("removed", [False, True])
async def test_a_removed_source_still_confirms_what_is_there(cluster: AnyCluster, removed: bool) -> None:
    source = await cluster.source(2)
    a = await cluster.session()
    lease = (await a.granted(source, 2)).id
    if removed:
        await cluster.change(source, removed=True, component=None)
    assert (await a.ask(lease, busy_ms=100)).fits
