"""What a state directory remembers of the database's history: its eras, and how far its log was written.

A copy that is put back while no process runs looks like the database itself; whoever saw more of it knows better: an
era that was over is back, or the log is shorter than what was told. Pure but for the `Memory`; it must not know of
statements.
"""

from __future__ import annotations

import json
from typing import Protocol

from maelstrom.leases.rows import Ground
from maelstrom.leases.term import NEVER

KEPT_ERAS = 100
WRITE_SECONDS = 60.0  # between two writes while an era lasts: a copy from before is older than that


class Memory(Protocol):
    """Where it outlives the process."""

    def recall(self) -> str:
        """What was last kept; empty if there is nothing."""
        ...

    def keep(self, text: str) -> None: ...


class Forgetful:
    """For processes without a state directory."""

    def recall(self) -> str:
        return ""

    def keep(self, text: str) -> None:
        """Nobody will ask."""


class History:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._eras: list[str] = []  # in the order of their being known
        self._server = ""
        self.flushed = 0
        self._kept = NEVER
        self._recall()

    def contradicts(self, ground: Ground, flushed: int) -> str:
        """Why the database must have gone back in time; empty if nothing says so.

        `flushed`: what was known of it when the question was sent.
        """
        if ground.era in self._eras[:-1]:
            return "an era that was over is back"
        if self._eras and ground.era == self._eras[-1] and ground.server == self._server:
            return "its log is shorter than it was" if ground.flushed < flushed else ""
        return ""

    def heard(self, now: float, ground: Ground) -> None:
        """The database is believed in, and says this."""
        if not self._eras or self._eras[-1] != ground.era or self._server != ground.server:
            self._eras = [*(era for era in self._eras if era != ground.era), ground.era][-KEPT_ERAS:]
            self._server, self.flushed, self._kept = ground.server, ground.flushed, NEVER
        self.flushed = max(self.flushed, ground.flushed)
        if now - self._kept >= WRITE_SECONDS:
            self._kept = now
            self.keep()

    def keep(self) -> None:
        """Writes it down as it is."""
        if self._eras:
            known = {"eras": self._eras, "server": self._server, "flushed": self.flushed}
            self._memory.keep(json.dumps(known))

    def _recall(self) -> None:
        try:
            known = json.loads(self._memory.recall() or "{}")
            self._eras = [str(era) for era in known.get("eras", ())]
            self._server, self.flushed = str(known.get("server", "")), int(known.get("flushed", 0))
        except (ValueError, AttributeError, TypeError):
            self._eras = []  # half a file, or somebody else's: nothing is known
