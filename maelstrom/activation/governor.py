"""How many starts run at a time on this node: thirty at once would each take twelve times as long.

First come, first served. Owns no tasks; a start that is cancelled gives its turn back.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Governor:
    """Turns to start a container. The engine works mostly on its own: twice the cores keep it busy."""

    def __init__(self, turns: int = 0) -> None:
        self._turns = asyncio.Semaphore(turns or max(4, 2 * (os.cpu_count() or 1)))

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self._turns:
            yield
