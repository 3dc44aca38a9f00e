"""Before a session opens: that no other live node has this node's name. It must not know of leases."""

from __future__ import annotations

from maelstrom.leases.session import Identity
from maelstrom.leases.statements import Statements
from maelstrom.model.clock import Clock
from maelstrom.model.errors import StateInUse

LONGEST_PAUSE = 0.5  # s between two looks


async def await_name(statements: Statements, identity: Identity, clock: Clock, beat_seconds: float) -> None:
    """Until the name is free: another node with it and another state directory is alive if it beats, else buried after
    its ttl. Raises StateInUse, Unavailable.
    """
    seen: dict[str, tuple[int, float]] = {}
    while True:
        namesakes = [
            row
            for row in await statements.sessions()
            if row.alive and row.node == identity.node and row.state_dir != identity.state_dir
        ]
        now = clock.monotonic()
        for row in namesakes:
            beat, since = seen.setdefault(row.id, (row.beat, now))
            if row.beat != beat:
                raise StateInUse(f"another live node of the cluster has the name {row.node}")
            if now - since >= row.ttl_ms / 1000:
                await statements.bury(row.id, row.beat)
        if not namesakes:
            return
        await clock.sleep(min(beat_seconds, LONGEST_PAUSE))
