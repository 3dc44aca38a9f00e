"""What /metrics is made from: the plain counters of each part, described so that none of the parts is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


class CodeCounters(Protocol):
    """Requests of one component that ended with one status; `buckets` are not cumulative, the last has no bound."""

    @property
    def count(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def buckets(self) -> Sequence[int]: ...


class ComponentCounters(Protocol):
    @property
    def codes(self) -> Mapping[int, CodeCounters]: ...
    @property
    def errors(self) -> Mapping[str, int]: ...
    @property
    def bytes_in(self) -> int: ...
    @property
    def bytes_out(self) -> int: ...
    @property
    def queued(self) -> int: ...
    @property
    def queued_seconds(self) -> float: ...
    @property
    def retries(self) -> int: ...


class GatewayCounters(Protocol):
    """`gateway.stats.GatewayStats`."""

    @property
    def components(self) -> Mapping[str, ComponentCounters]: ...
    @property
    def connections(self) -> int: ...
    @property
    def connections_total(self) -> int: ...
    @property
    def refused_connections(self) -> int: ...
    @property
    def tls_failed(self) -> Mapping[str, int]: ...
    @property
    def http2_failed(self) -> Mapping[str, int]: ...
    @property
    def refused_clients(self) -> int: ...
    @property
    def refused_headers(self) -> int: ...


class StartCounters(Protocol):
    """`activation.deployment.StartStats`; `phase_ms` is the sum over all starts."""

    @property
    def started(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def deaths(self) -> int: ...
    @property
    def phase_ms(self) -> Mapping[str, float]: ...
    @property
    def freezes(self) -> int: ...
    @property
    def wakes(self) -> int: ...
    @property
    def wake_ms(self) -> float: ...


@dataclass(frozen=True, slots=True)
class ComponentNow:
    """One component on this node."""

    starts: StartCounters
    in_flight: int = 0
    waiting: int = 0
    instances: Mapping[str, int] = field(default_factory=dict)  # how many by state
    wanted: int = 0


@dataclass(frozen=True, slots=True)
class SourceNow:
    """One event source on this node."""

    component: str
    type: str
    state: str
    in_flight: int = 0
    polls_open: int = 0
    limit: int | None = None
    totals: Mapping[str, int] = field(default_factory=dict)  # received, succeeded, failed, … since the start
    seconds: float = 0.0  # spent in requests
    oldest_seconds: float | None = None  # since the oldest item in hand was sent, where that is told
    lease_capacity: int | None = None  # requests that this node may have open; None: it needs no lease
    most_in_flight: int | None = None  # at once, since the start; None: it is not counted


@dataclass(frozen=True, slots=True)
class SandboxesNow:
    """Network sandboxes on this node, made before they are needed."""

    wanted: int
    ready: int
    lent: int
    making: int


@dataclass(frozen=True, slots=True)
class CertificateNow:
    """One certificate that this node shows."""

    name: str  # the first of its names
    origin: str
    not_after: float  # s since 1970


@dataclass(frozen=True, slots=True)
class LoopNow:
    """One endless loop of the daemon."""

    running: bool
    restarts: int
    last_pass_seconds_ago: float | None = None


@dataclass(frozen=True, slots=True)
class NodeNow:
    """All that /metrics shows."""

    node: str
    version: str
    ready: bool
    revision: int  # of the registry, as this node acts by it
    gateway: GatewayCounters
    bounds: Sequence[float]  # of the buckets, in seconds
    components: Mapping[str, ComponentNow] = field(default_factory=dict)
    sources: Mapping[str, SourceNow] = field(default_factory=dict)
    loops: Mapping[str, LoopNow] = field(default_factory=dict)
    certificates: Sequence[CertificateNow] = ()
    sandboxes: SandboxesNow = SandboxesNow(0, 0, 0, 0)
    lease_session: bool = False  # the database has confirmed it within its time
