"""A new era by command: for a database that was put back from a copy, which nobody may be there to notice.

While any process runs that saw more, or starts in a state directory that did, it is noticed without this.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from maelstrom.leases.dialects import statements_over

STATEMENT_SECONDS = 30.0


async def begin_era(engine: AsyncEngine, *, ttl_seconds: float) -> float:
    """Ends all sessions; no source is worked until what they may have open is over. How long that takes, in seconds.

    Raises Unavailable, SchemaMismatch.
    """
    statements = statements_over(engine, STATEMENT_SECONDS)
    await statements.raise_era((await statements.ground()).era, round(ttl_seconds * 1000))
    view = await statements.view([])
    return max((lease.busy_ms for lease in view.orphans), default=0) / 1000
