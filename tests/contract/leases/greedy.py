"""A process that takes all it can get of one source, uses it and gives it back: URL NODE SOURCE ROUNDS.

Prints how many slots it was granted. Ends with an error if it ever sees more given out than the limit.
"""

from __future__ import annotations

import asyncio
import random
import sys
from uuid import uuid4

from maelstrom.leases.statements import Want
from maelstrom.leases.term import Note
from maelstrom.registry.engine import make_engine
from tests.contract.leases.cluster import Cluster


async def main(url: str, node: str, source: int, rounds: int) -> int:
    engine = make_engine(url)
    cluster = Cluster(engine)
    session = await cluster.session(node)
    slots = 0
    for _ in range(rounds):
        rows = session.went(
            await cluster.statements.grant(session.me, [Want(source, random.randint(1, 3), uuid4().hex)])
        )
        if not rows:
            await session.beat()
            continue
        lease = rows[0]
        slots += lease.capacity
        confirmed = await session.ask(lease.id, 1000, in_flight=lease.capacity)
        assert confirmed.fits, "more given out than the limit"
        note = Note(lease.id, source, lease.capacity, lease.capacity)
        session.went(await cluster.statements.beat(session.me, [note]))
        await session.release(lease.id)
    await session.release(end=True)
    await engine.dispose()
    return slots


if __name__ == "__main__":
    sys.stdout.write(str(asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))))
