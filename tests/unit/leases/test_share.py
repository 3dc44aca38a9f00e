"""How pollers are dealt out, as properties of any cluster."""

from __future__ import annotations

import math
import time
from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from maelstrom.leases.share import Deal, Party, Stake, deal

NAMES = st.text("abcxyz019-", min_size=1, max_size=8)
STAKES = st.lists(
    st.builds(Stake, st.integers(1, 10_000), st.integers(0, 30), st.integers(1, 12)),
    max_size=40,
    unique_by=lambda stake: stake.source,
)
FIT = st.lists(st.builds(Party, NAMES), min_size=1, max_size=9, unique_by=lambda party: party.node)


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[Party], list[Stake]]:
    """Some nodes are unfit for some sources, perhaps all for one."""
    stakes = draw(STAKES)
    ids = [stake.source for stake in stakes] or [1]
    parties = [
        Party(party.node, frozenset(draw(st.lists(st.sampled_from(ids), max_size=len(ids))))) for party in draw(FIT)
    ]
    return parties, stakes


def pollers(dealt: Deal, parties: list[Party], stakes: list[Stake]) -> dict[str, Counter[int]]:
    """By node and source."""
    width = {stake.source: stake.width for stake in stakes}
    return {
        party.node: Counter({source: math.ceil(n / width[source]) for source, n in dealt.of(party.node).items()})
        for party in parties
    }


def spread(numbers: list[int]) -> int:
    return max(numbers) - min(numbers)


@given(clusters())
def test_all_of_a_limit_is_dealt_in_pollers_of_its_width(cluster: tuple[list[Party], list[Stake]]) -> None:
    parties, stakes = cluster
    dealt = deal(parties, stakes)
    for stake in stakes:
        shares = [dealt.of(party.node).get(stake.source, 0) for party in parties]
        assert sum(shares) == stake.limit
        narrow = [share % stake.width for share in shares if share % stake.width]
        assert narrow == ([stake.limit % stake.width] if stake.limit % stake.width else [])


@given(FIT, STAKES)
def test_where_all_are_fit_nodes_have_the_same_to_within_one_poller(parties: list[Party], stakes: list[Stake]) -> None:
    found = pollers(deal(parties, stakes), parties, stakes)
    assert spread([node.total() for node in found.values()]) <= 1
    for stake in stakes:
        assert spread([node[stake.source] for node in found.values()]) <= 1


@given(clusters())
def test_who_is_unfit_has_nothing_unless_all_are(cluster: tuple[list[Party], list[Stake]]) -> None:
    parties, stakes = cluster
    found = pollers(deal(parties, stakes), parties, stakes)
    for stake in stakes:
        fit = [party.node for party in parties if stake.source not in party.unfit]
        having = [node for node, of_it in found.items() if of_it[stake.source]]
        assert not fit or set(having) <= set(fit)
        assert spread([found[node][stake.source] for node in fit or found]) <= 1


@given(clusters())
def test_no_single_poller_could_go_to_somebody_with_two_less(cluster: tuple[list[Party], list[Stake]]) -> None:
    parties, stakes = cluster
    found = pollers(deal(parties, stakes), parties, stakes)
    for rich in parties:
        for poor in parties:
            if found[rich.node].total() - found[poor.node].total() < 2:
                continue
            for source in {stake.source for stake in stakes} - poor.unfit:
                all_unfit = all(source in party.unfit for party in parties)
                assert all_unfit or found[rich.node][source] <= found[poor.node][source]


@given(clusters(), st.randoms(use_true_random=False))
def test_the_order_in_which_things_are_seen_does_not_matter(
    cluster: tuple[list[Party], list[Stake]], random: Random
) -> None:
    parties, stakes = cluster
    one = deal(parties, stakes)
    two = deal(random.sample(parties, len(parties)), random.sample(stakes, len(stakes)))
    assert [one.of(party.node) for party in parties] == [two.of(party.node) for party in parties]


@settings(max_examples=50)
@given(FIT, STAKES)
def test_nobody_gains_from_a_node_that_joins_but_by_evening_out(parties: list[Party], stakes: list[Stake]) -> None:
    *before, new = parties
    if not before:
        return
    old, now = pollers(deal(before, stakes), before, stakes), pollers(deal(parties, stakes), parties, stakes)
    gained = sum((now[party.node] - old[party.node]).total() for party in before)
    assert gained <= len(stakes) * 0.5 + 2 * len(parties), "moves between those who stay are few"
    assert sum((old[p.node] - now[p.node]).total() for p in before) == gained + now[new.node].total()


def test_a_node_that_joins_or_leaves_moves_little_more_than_its_part() -> None:
    stakes = [Stake(id, 1) for id in range(1, 2_001)]
    for number in (2, 5, 20):
        parties = [Party(f"node{i}") for i in range(number)]
        before = pollers(deal(parties[1:], stakes), parties[1:], stakes)
        after = pollers(deal(parties, stakes), parties, stakes)
        moved = sum((before[party.node] - after[party.node]).total() for party in parties[1:])
        assert moved <= 2_000 / number + 0.8 * math.sqrt(2_000 * number)


def test_single_pollers_of_many_sources_are_on_all_nodes() -> None:
    parties = [Party(name) for name in ("a", "b", "c")]
    dealt = deal(parties, [Stake(id, 1) for id in range(1, 7)])
    assert [len(dealt.of(party.node)) for party in parties] == [2, 2, 2]


def test_one_who_is_not_in_the_deal_has_nothing() -> None:
    assert deal([Party("a")], [Stake(1, 5)]).of("b") == {}
    assert deal([], [Stake(1, 5)]).of("a") == {}


def test_ten_thousand_sources_on_fifty_nodes_are_dealt_well_within_a_beat() -> None:
    parties = [Party(f"node{i}") for i in range(50)]
    begun = time.process_time()
    dealt = deal(parties, [Stake(id, 1 + id % 3) for id in range(1, 10_001)])
    assert dealt.of("node7")
    assert time.process_time() - begun < 3.0
