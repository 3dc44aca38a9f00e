"""Who waits for a start: what goes first where not all can be begun at once."""

from __future__ import annotations

from enum import IntEnum


class Urgency(IntEnum):
    """The lower the sooner."""

    PEOPLE = 0  # a request is open
    QUEUES = 1  # an item of a source waits, which may come again
    NOBODY = 2  # there should be an instance: a minimum, a new version, growing load
