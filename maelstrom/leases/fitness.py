"""Whether this node can work a source, by what its polls and the starts of its component say: pure, time is handed in.

Trouble that lasts makes the node unfit: others are dealt its share. After a while it is on trial: dealt in again, and
out at once if there is trouble again, for longer. It must not know what failed, nor who is told.
"""

from __future__ import annotations

from maelstrom.leases.term import NEVER
from maelstrom.plan.backoff import Backoff

TROUBLE_SECONDS = 10.0  # from the first error on, with nothing that went well since
TRY_AGAIN = Backoff(first=30.0, cap=600.0)  # s until the next trial


class Fitness:
    """Of one node for one source."""

    def __init__(self) -> None:
        self._since: float | None = None  # the first error after whatever went well
        self._times = 0  # found unfit, with nothing that went well since
        self._until = NEVER

    @property
    def troubled(self) -> bool:
        """Something has failed since anything went well."""
        return self._since is not None

    def unfit(self, now: float) -> bool:
        """Others shall have its share."""
        return now < self._until

    def failed(self, now: float, chance: float) -> bool:
        """Trouble. True if it makes the node unfit, which it was not before; `chance` in [0, 1) spreads the trials."""
        if self._since is None:
            self._since = now
        if self.unfit(now) or (not self._times and now - self._since < TROUBLE_SECONDS):
            return False
        self._times += 1
        self._until = now + TRY_AGAIN.delay(self._times, chance)
        return True

    def well(self, now: float) -> bool:
        """Something went well. True if the node was unfit until now."""
        was = self.unfit(now)
        self._since, self._times, self._until = None, 0, NEVER
        return was
