"""One way in to a component: an http source's rule, or its own name on the internal listener. Plain state."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maelstrom.activation.pool import Pool
    from maelstrom.gateway.additions import Additions


class Route:
    """What a rule leads to. Kept over changes of other rules, so that its count stays true."""

    __slots__ = ("additions", "in_flight", "pool")

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.additions: Additions | None = None  # what its project adds to answers; changes with a change of routes
        self.in_flight = 0  # requests open towards a container that came this way
