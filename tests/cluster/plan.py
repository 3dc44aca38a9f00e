"""A long story of faults, told by dice: the same seed tells the same story. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

Kind = Literal["kill", "freeze", "cut", "reset", "clog", "delay", "skew", "limit", "crash", "promote"]
OF_NODES: tuple[Kind, ...] = ("kill", "freeze", "cut", "reset", "clog", "delay", "skew")
OF_ALL: tuple[Kind, ...] = ("limit", "crash", "promote")
SHORT, LONG = (0.2, 2.0), (5.0, 9.0)  # s: within a ttl, and for longer than one
RECOVERY_SECONDS = 12.0  # what a round takes besides its faults, more or less
MOST_LIMIT = 8
SKEWS = (-24.0, -1.0, -0.01, 0.01, 1.0, 24.0)  # hours


@dataclass(frozen=True, slots=True)
class Fault:
    """`node`: its index. `value`: hours, seconds or a limit, as the kind has it. `source`: an index."""

    kind: Kind
    node: int = 0
    value: float = 0.0
    source: int = 0

    def __str__(self) -> str:
        of = f" {self.node}" if self.kind in OF_NODES else ""
        return f"{self.kind}{of}" + (f" ({self.value:g})" if self.value else "")


@dataclass(frozen=True, slots=True)
class Round:
    """Faults that begin one after the other, last together for so many seconds, and are then mended."""

    faults: tuple[Fault, ...]
    seconds: float

    def __str__(self) -> str:
        return f"{', '.join(map(str, self.faults))} for {self.seconds:.1f} s"


def plan(seed: int, minutes: float, *, nodes: int, sources: int) -> list[Round]:
    """As many rounds as fill about so many minutes."""
    dice = random.Random(seed)
    rounds, left = [], minutes * 60
    while left > 0:
        rounds.append(_round(dice, nodes, sources))
        left -= rounds[-1].seconds + RECOVERY_SECONDS
    return rounds


def _round(dice: random.Random, nodes: int, sources: int) -> Round:
    hit = dice.sample(range(nodes), dice.choice((0, 1, 1, 2, nodes)))
    faults = [_of_node(dice, node) for node in hit]
    if not faults or dice.random() < 0.4:
        faults.append(_of_all(dice, sources))
    dice.shuffle(faults)
    return Round(tuple(faults), dice.uniform(*dice.choice((SHORT, LONG))))


def _of_node(dice: random.Random, node: int) -> Fault:
    kind = dice.choice(OF_NODES)
    values = {"delay": dice.uniform(0.02, 0.5), "skew": dice.choice(SKEWS)}
    return Fault(kind, node, values.get(kind, 0.0))


def _of_all(dice: random.Random, sources: int) -> Fault:
    kind = dice.choice(OF_ALL)
    source, limit = dice.randrange(sources), dice.randint(1, MOST_LIMIT)
    return Fault(kind, source=source, value=limit) if kind == "limit" else Fault(kind)
