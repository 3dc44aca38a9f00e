"""What the gateway counts, as plain integers: adding is all that happens on the warm path, others render them.

Counters only rise. Requests that reached no component are counted under the empty name.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

CLIENT_GONE: Final = 499  # counted, never sent: the client left before its answer had begun


class CodeStats:
    """Requests of one component that ended with one status."""

    __slots__ = ("buckets", "count", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0  # sum of durations, from the request's head to the end of its answer
        self.buckets = [0] * (len(BOUNDS) + 1)  # not cumulative; the last one is above all bounds


class ComponentStats:
    """All requests of one component. `busy_seconds` is the integral of its requests in flight over time."""

    __slots__ = ("busy_seconds", "bytes_in", "bytes_out", "codes", "errors", "queued", "queued_seconds", "retries")

    def __init__(self) -> None:
        self.codes: dict[int, CodeStats] = {}
        self.errors: dict[str, int] = {}  # the gateway's own answers by error code
        self.bytes_in = 0  # of bodies
        self.bytes_out = 0  # of answers, heads included
        self.busy_seconds = 0.0
        self.queued = 0  # requests that had to wait for an instance
        self.queued_seconds = 0.0
        self.retries = 0

    def count(self, code: int, seconds: float) -> None:
        row = self.codes.get(code)
        if row is None:
            row = self.codes[code] = CodeStats()
        row.count += 1
        row.seconds += seconds
        row.buckets[bisect_left(BOUNDS, seconds)] += 1

    def waited(self, seconds: float) -> None:
        """A request that was counted had to wait for an instance: in that time it was not in flight."""
        self.queued += 1
        self.queued_seconds += seconds
        self.busy_seconds -= seconds

    def error(self, code: str) -> None:
        self.errors[code] = self.errors.get(code, 0) + 1

    @property
    def requests(self) -> int:
        return sum(row.count for row in self.codes.values())


class GatewayStats:
    """Everything that one gateway counts. `components` has full names as keys."""

    __slots__ = (
        "components",
        "connections",
        "connections_total",
        "http2_failed",
        "refused_clients",
        "refused_connections",
        "refused_headers",
        "tls_failed",
    )

    def __init__(self) -> None:
        self.components: dict[str, ComponentStats] = {}
        self.connections = 0  # open now, over all listeners
        self.connections_total = 0
        self.http2_failed: dict[str, int] = {}  # connections of HTTP/2 that their clients' errors ended, by error
        self.refused_connections = 0  # over the limit
        self.refused_clients = 0  # connections of clients that had too many
        self.refused_headers = 0  # connections of balancers without a PROXY header that is understood
        self.tls_failed: dict[str, int] = {}  # connections that ended before the handshake was over, by reason

    def component(self, full_name: str) -> ComponentStats:
        stats = self.components.get(full_name)
        if stats is None:
            stats = self.components[full_name] = ComponentStats()
        return stats
