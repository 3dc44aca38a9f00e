"""What the gateway makes of a request's head: where it goes, for how long, and the bytes that go on.

Made by request_reader.py, once per head, and kept by it. It must not know of transports or of how an exchange goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maelstrom.gateway.route import Route
from maelstrom.gateway.wire.first_lines import F_HEAD, F_KEEP, F_OLD
from maelstrom.gateway.wire.heads import RequestHead
from maelstrom.gateway.wire.lines import TIMING

if TYPE_CHECKING:
    from maelstrom.activation.pool import Pool
    from maelstrom.gateway.stats import ComponentStats
    from maelstrom.model.component import Component


class Target:
    """A component as the gateway uses it: its pool, its limits, its counters and the lines that are always added."""

    __slots__ = (
        "component",
        "deadline_line",
        "direct",
        "first_byte_seconds",
        "idle_seconds",
        "line",
        "measured",
        "name",
        "pool",
        "seconds",
        "stats",
        "watch_seconds",
    )

    def __init__(self, pool: Pool, stats: ComponentStats) -> None:
        self.pool = pool
        self.stats = stats
        self.direct = Route(pool)  # for callers who name the component
        self.refresh()

    def refresh(self) -> None:
        """The component's definition has changed."""
        self.component: Component = self.pool.component
        definition = self.component.definition
        self.name = self.component.key.full_name
        self.line = b"Maelstrom-Component: %b\r\n" % self.name.encode()
        self.seconds = float(definition.maxdurationseconds)
        self.deadline_line = b"Maelstrom-Deadline: %d\r\n\r\n" % definition.maxdurationseconds
        self.first_byte_seconds = definition.firstbyteseconds
        self.idle_seconds = definition.idlebytesseconds
        self.measured = self.first_byte_seconds is not None or self.idle_seconds is not None
        limits = (self.seconds, self.first_byte_seconds, self.idle_seconds)
        self.watch_seconds = min(seconds for seconds in limits if seconds is not None)


class Way:
    """Where requests with this first line and this Host go, and what is put around their header lines.

    A connection keeps its last one: that is where its next request most often goes.
    """

    __slots__ = ("after", "before", "epoch", "first", "host", "route", "target")

    def __init__(
        self, head: RequestHead, epoch: int, target: Target, route: Route, before: bytes, after: bytes
    ) -> None:
        self.first = head.first
        self.host = head.host
        self.epoch = epoch  # void when the gateway's has passed
        self.target = target
        self.route = route
        self.before = before
        self.after = after


class Prepared:
    """One head, routed and cleaned. The same for every request with exactly this head, as long as `way` holds."""

    __slots__ = ("forward", "head", "keep", "measured", "plain", "raw", "route", "seconds", "target", "timing", "way")

    def __init__(self, raw: bytes, head: RequestHead, way: Way) -> None:
        self.raw = raw  # as it came, with the empty line
        self.head = head
        self.way = way
        self.target = target = way.target
        self.route = way.route
        # All that goes on but X-Request-Id (if it had none), Maelstrom-Deadline and the empty line.
        self.forward = b"".join((way.before, head.lines, way.after))
        self.seconds: float | None = None  # where the caller allows less time than the component
        self.timing = head.special is not None and TIMING in head.special
        self.measured = self.timing or target.measured
        self.keep = head.flags & F_KEEP != 0
        self.plain = (
            self.keep and not head.flags & (F_OLD | F_HEAD) and not self.timing and self.route.additions is None
        )
