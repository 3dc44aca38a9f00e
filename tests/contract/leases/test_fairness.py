"""What sessions tell each other for fair shares, and the rows of roles, on both databases."""

from __future__ import annotations

import asyncio

from maelstrom.leases.statements import Held, Word
from maelstrom.model.stored import SourceFilter
from maelstrom.registry import sources
from maelstrom.registry.engine import transaction
from tests.contract.leases.cluster import Cluster


async def test_a_session_works_nothing_until_it_says_what_it_cannot_work(cluster: Cluster) -> None:
    a = await cluster.session("a")

    async def said() -> tuple[str, bool, str, str]:
        (seen,) = (await cluster.statements.view([])).sessions
        return seen.node, seen.leaving, seen.unfit, seen.wanting

    assert await said() == ("a", False, "*", "[]")
    a.went(await cluster.statements.beat(a.me, word=Word("[1,2]", "[3]")))
    assert await said() == ("a", False, "[1,2]", "[3]")
    a.went(await cluster.statements.beat(a.me, leaving=True))
    assert await said() == ("a", True, "[1,2]", "[3]"), "what is not told anew stays"
    void = a.me
    await a.beat()
    assert await cluster.statements.beat(void, word=Word("[]")) is None
    assert await said() == ("a", True, "[1,2]", "[3]")


async def test_a_look_shows_all_sources_of_which_pollers_are_dealt_and_those_held(cluster: Cluster) -> None:
    wide, held = await cluster.source(9, width=4), await cluster.source(2)
    old = await cluster.source(3, width=None)
    off, gone, other = (
        await cluster.source(2, enabled=False),
        await cluster.source(2, removed=True),
        await cluster.source(None),
    )
    role = await cluster.statements.role("cron")
    assert role is not None
    seen = (await cluster.statements.view([Held(held, None), Held(off, None), Held(role, None)])).sources
    assert {s.id: (s.limit, s.width, s.works) for s in seen} == {
        wide: (9, 4, True),
        held: (2, 1, True),
        old: (3, 1, True),
        off: (2, 1, False),
        role: (1, 0, True),
    }
    assert gone not in {s.id for s in seen}
    assert other not in {s.id for s in seen}


async def test_a_role_has_one_row_whoever_asks_for_it(cluster: Cluster) -> None:
    found = await asyncio.gather(*(cluster.statements.role("planner") for _ in range(5)))
    row = await cluster.statements.role("planner")
    assert row is not None
    assert set(found) <= {row, None}
    assert await cluster.statements.role("cron") != row
    a, b = await cluster.session("a"), await cluster.session("b")
    lease = await a.granted(row, 1)
    assert await b.grant(row, 1) is None
    await a.release(lease.id)
    assert (await b.granted(row, 1)).epoch > lease.epoch


async def test_no_list_of_sources_shows_a_role(postgres_cluster: Cluster) -> None:
    assert await postgres_cluster.statements.role("planner") is not None
    async with transaction(postgres_cluster.engine, write=False) as connection:
        assert await sources.listed(connection, SourceFilter()) == []
        assert await sources.everything(connection) == []
