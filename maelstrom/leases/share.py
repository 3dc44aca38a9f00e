"""Which node has how many pollers of which source: pure, and the same on every node that sees the same.

A source of limit M and width w has ceil(M / w) pollers. Each node is dealt as many pollers as any other, to within one:
of every source, and of all sources together. Names decide who has what is left over (rendezvous hashing, then as few
moves as make it even), so a node that joins or leaves moves little more than its own part. Shares are hints: what keeps
the limit is elsewhere, so is what becomes of shares that nobody takes. It must not know of sessions or the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import product

WORD = (1 << 64) - 1
ODD = 0x9E3779B97F4A7C15  # spreads what differs in any bit over the upper ones


@dataclass(frozen=True, slots=True)
class Party:
    """One node that may be dealt pollers. Names are unique."""

    node: str
    unfit: frozenset[int] = frozenset()  # sources that others are to have, unless all parties are unfit for them


@dataclass(frozen=True, slots=True)
class Stake:
    """One source that pollers are dealt of."""

    source: int
    limit: int
    width: int = 1


@dataclass(slots=True)
class Hand:
    """How one source is dealt: `base` pollers to each of `fit`, one more to each of `more`; parties by number."""

    stake: Stake
    fit: Sequence[int]
    base: int
    more: set[int]


class Deal:
    """What each party has."""

    def __init__(self, parties: Sequence[Party], seeds: Sequence[int], hands: Sequence[Hand]) -> None:
        self._numbers = {party.node: number for number, party in enumerate(parties)}
        self._seeds = seeds
        self._hands = hands

    def of(self, node: str) -> dict[int, int]:
        """Capacity of its pollers by source; those of which it has none are left out."""
        number = self._numbers.get(node)
        found = {}
        for hand in self._hands if number is not None else ():
            pollers = (1 if number in hand.more else 0) + (hand.base if hand.base and number in hand.fit else 0)
            if pollers:
                stake = hand.stake
                lacking = -stake.limit % stake.width  # of one poller's width
                if lacking and number != self._narrow(hand):
                    lacking = 0
                found[stake.source] = pollers * stake.width - lacking
        return found

    def _narrow(self, hand: Hand) -> int:
        """Whose poller is not of full width."""
        mixed = _mixed(hand.stake.source)
        return min(hand.fit if hand.base else hand.more, key=lambda number: (mixed ^ self._seeds[number]) * ODD & WORD)


def deal(parties: Iterable[Party], stakes: Iterable[Stake]) -> Deal:
    """In time about proportional to sources x parties: 0.2 s for 10,000 x 50 with one poller each."""
    by_name = sorted(parties, key=lambda party: party.node)
    seeds = [_seed(party.node) for party in by_name]
    loads = [0] * len(by_name)
    hands = [_hand(stake, by_name, seeds, loads) for stake in stakes if stake.limit > 0] if by_name else []
    _even_out(hands, seeds, loads)
    return Deal(by_name, seeds, hands)


def _hand(stake: Stake, parties: Sequence[Party], seeds: Sequence[int], loads: list[int]) -> Hand:
    fit: Sequence[int] = range(len(parties))
    if any(party.unfit and stake.source in party.unfit for party in parties):
        fit = [number for number in fit if stake.source not in parties[number].unfit] or fit
    base, left = divmod(-(-stake.limit // stake.width), len(fit))
    if base:
        for number in fit:
            loads[number] += base
    more = _first(left, stake.source, fit, seeds) if left else set()
    for number in more:
        loads[number] += 1
    return Hand(stake, fit, base, more)


def _first(count: int, source: int, fit: Sequence[int], seeds: Sequence[int]) -> set[int]:
    """Those whose names want the source most."""
    mixed = _mixed(source)
    weights = [(mixed ^ seed) * ODD & WORD for seed in seeds]
    if count == 1:
        return {max(fit, key=weights.__getitem__)}
    return set(sorted(fit, key=weights.__getitem__)[-count:])


def _even_out(hands: Sequence[Hand], seeds: Sequence[int], loads: list[int]) -> None:
    """Moves single pollers from those who have most to those who have least until they differ by one at most.

    Where all are fit for everything there is always one to move; else as far as it goes.
    """
    if not loads or max(loads) - min(loads) < 2:
        return
    owned: list[dict[int, Hand]] = [{} for _ in loads]
    for hand in hands:
        for number in hand.more:
            owned[number][hand.stake.source] = hand
    stuck: set[tuple[int, int]] = set()
    while (pair := _widest(loads, stuck)) is not None:
        rich, poor = pair
        source = _movable(owned[rich], poor, seeds[rich])
        if source is None:
            stuck.add(pair)
            continue
        hand = owned[poor][source] = owned[rich].pop(source)
        hand.more ^= {rich, poor}
        loads[rich] -= 1
        loads[poor] += 1


def _widest(loads: Sequence[int], stuck: set[tuple[int, int]]) -> tuple[int, int] | None:
    """The two who differ most, by two at least, and are not stuck."""
    by_load = sorted(range(len(loads)), key=loads.__getitem__)
    pairs = [(by_load[-1], by_load[0])]
    if pairs[0] in stuck:
        pairs = [pair for pair in product(reversed(by_load), by_load) if pair not in stuck]
    rich, poor = max(pairs, key=lambda pair: loads[pair[0]] - loads[pair[1]], default=(0, 0))
    return (rich, poor) if loads[rich] - loads[poor] > 1 else None


def _movable(owned: Mapping[int, Hand], poor: int, seed: int) -> int | None:
    """What can be given to the poor one: of that the source which the giver's name wants least."""
    possible = [source for source, hand in owned.items() if poor not in hand.more and poor in hand.fit]
    return min(possible, key=lambda source: (_mixed(source) ^ seed) * ODD & WORD, default=None)


def _seed(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")


def _mixed(source: int) -> int:
    return source * ODD & WORD
