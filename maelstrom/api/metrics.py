"""The text of /metrics, made from the plain counters that each part keeps. Nothing is counted here.

What is shown is handed in as `counters.NodeNow`. Counters only rise while the process lives; gauges are of the moment.
`component` and `source` are full names (`<project>_<name>`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from maelstrom.api.counters import (
    CertificateNow,
    ComponentCounters,
    ComponentNow,
    GatewayCounters,
    LoopNow,
    NodeNow,
    SandboxesNow,
    SourceNow,
)


def render(now: NodeNow) -> str:
    """Prometheus' text format, version 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(now))
    ProcessCollector(registry=registry)
    return generate_latest(registry).decode()


def families(now: NodeNow) -> Iterable[Metric]:
    """What is shown, before it is text."""
    return _Once(now).collect()


class _Once(Collector):
    def __init__(self, now: NodeNow) -> None:
        self._now = now

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        now = self._now
        yield _gauge(
            "maelstrom_info", "Version and name of this node.", ("version", "node"), [((now.version, now.node), 1)]
        )
        yield _gauge("maelstrom_ready", "Whether this node serves.", (), [((), int(now.ready))])
        yield _gauge(
            "maelstrom_registry_revision", "Registry revision that this node acts by.", (), [((), now.revision)]
        )
        yield from _gateway(now.gateway, now.bounds)
        yield from _connections(now.gateway)
        yield from _components(now.components)
        yield from _sources(now.sources)
        yield _gauge(
            "maelstrom_lease_session_confirmed",
            "Whether the database confirms this node's leases; without that it polls nothing.",
            (),
            [((), int(now.lease_session))],
        )
        yield from _sandboxes(now.sandboxes)
        yield from _loops(now.loops)
        yield from _certificates(now.certificates)


Labels = tuple[str, ...]
Rows = Iterable[tuple[Labels, float]]
COMPONENT: Labels = ("component",)


def _gateway(gateway: GatewayCounters, bounds: Sequence[float]) -> Iterable[Metric]:
    rows = gateway.components.items()
    by_code = [((name, str(code)), row) for name, one in rows for code, row in one.codes.items()]
    yield _counter(
        "maelstrom_gateway_requests",
        "Requests that have ended, by status; no component: none was reached; 499: the client left.",
        ("component", "code"),
        [(labels, row.count) for labels, row in by_code],
    )
    yield _latencies(rows, bounds)
    yield _counter(
        "maelstrom_gateway_errors",
        "Answers that the gateway itself made, by Maelstrom-Error.",
        ("component", "error"),
        [((name, error), count) for name, one in rows for error, count in one.errors.items()],
    )
    for name, text, values in (
        ("request_bytes", "Bytes of request bodies.", [((name,), one.bytes_in) for name, one in rows]),
        ("response_bytes", "Bytes of answers.", [((name,), one.bytes_out) for name, one in rows]),
        ("queued", "Requests that had to wait for an instance.", [((name,), one.queued) for name, one in rows]),
        ("queued_seconds", "Seconds that requests waited.", [((name,), one.queued_seconds) for name, one in rows]),
        ("retries", "Requests sent to a second instance.", [((name,), one.retries) for name, one in rows]),
    ):
        yield _counter(f"maelstrom_gateway_{name}", text, COMPONENT, values)


def _connections(gateway: GatewayCounters) -> Iterable[Metric]:
    yield _gauge("maelstrom_gateway_connections", "Open client connections.", (), [((), gateway.connections)])
    yield _counter("maelstrom_gateway_connections_opened", "Connections.", (), [((), gateway.connections_total)])
    yield _counter(
        "maelstrom_gateway_connections_refused",
        "Connections that were turned away: over the limit of all, of one client, or without the PROXY header due.",
        ("reason",),
        [
            (("all",), gateway.refused_connections),
            (("client",), gateway.refused_clients),
            (("proxy_header",), gateway.refused_headers),
        ],
    )
    yield _counter(
        "maelstrom_gateway_tls_failed",
        "Connections that ended before their TLS handshake was over.",
        ("reason",),
        [((reason,), count) for reason, count in gateway.tls_failed.items()],
    )
    yield _counter(
        "maelstrom_gateway_http2_failed",
        "Connections of HTTP/2 that ended because the client broke its rules or asked for too much of nothing.",
        ("error",),
        [((error,), count) for error, count in gateway.http2_failed.items()],
    )


def _latencies(rows: Iterable[tuple[str, ComponentCounters]], bounds: Sequence[float]) -> Metric:
    family = HistogramMetricFamily(
        "maelstrom_gateway_request_seconds",
        "From a request's head to the end of its answer, waiting and cold start included.",
        labels=COMPONENT,
    )
    names = [*(f"{bound:g}" for bound in bounds), "+Inf"]
    for component, one in rows:
        totals = [0] * len(names)
        for row in one.codes.values():
            totals = [total + count for total, count in zip(totals, row.buckets, strict=True)]
        reached, buckets = 0, []
        for name, count in zip(names, totals, strict=True):
            reached += count
            buckets.append((name, float(reached)))
        family.add_metric([component], buckets, sum(row.seconds for row in one.codes.values()))
    return family


def _components(components: Mapping[str, ComponentNow]) -> Iterable[Metric]:
    rows = components.items()
    yield _gauge(
        "maelstrom_inflight", "Requests open now.", COMPONENT, [((name,), one.in_flight) for name, one in rows]
    )
    yield _gauge(
        "maelstrom_queue", "Requests that wait now.", COMPONENT, [((name,), one.waiting) for name, one in rows]
    )
    yield _gauge(
        "maelstrom_instances",
        "Containers, by state.",
        ("component", "state"),
        [((name, state), count) for name, one in rows for state, count in one.instances.items()],
    )
    yield _gauge(
        "maelstrom_instances_wanted",
        "Containers there should be.",
        COMPONENT,
        [((name,), one.wanted) for name, one in rows],
    )
    yield from _starts(components)


def _starts(components: Mapping[str, ComponentNow]) -> Iterable[Metric]:
    rows = components.items()
    yield _counter(
        "maelstrom_starts",
        "Starts of containers that have ended, by outcome.",
        ("component", "outcome"),
        [
            ((name, outcome), count)
            for name, one in rows
            for outcome, count in (("ready", one.starts.started), ("failed", one.starts.failed))
        ],
    )
    yield _counter(
        "maelstrom_start_phase_seconds",
        "Seconds spent in each phase of the starts that became ready.",
        ("component", "phase"),
        [((name, phase), ms / 1000) for name, one in rows for phase, ms in one.starts.phase_ms.items()],
    )
    for name, text, values in (
        ("freezes", "Containers that were frozen.", [((name,), one.starts.freezes) for name, one in rows]),
        ("wakes", "Frozen containers that were woken.", [((name,), one.starts.wakes) for name, one in rows]),
        (
            "wake_seconds",
            "Seconds from the engine's call to the first good answer of those that were woken.",
            [((name,), one.starts.wake_ms / 1000) for name, one in rows],
        ),
    ):
        yield _counter(f"maelstrom_{name}", text, COMPONENT, values)
    yield _counter(
        "maelstrom_deaths",
        "Containers that died by themselves.",
        COMPONENT,
        [((name,), one.starts.deaths) for name, one in rows],
    )


def _sources(sources: Mapping[str, SourceNow]) -> Iterable[Metric]:
    rows = [((name, one.component, one.type), one) for name, one in sources.items()]
    labels = ("source", "component", "type")
    yield _gauge(
        "maelstrom_source_state",
        "1 for the state that the source is in on this node.",
        (*labels, "state"),
        [((*row, one.state), 1) for row, one in rows],
    )
    yield from _open_at(labels, rows)
    yield _counter(
        "maelstrom_source_events",
        "What came of the source's work, by kind.",
        (*labels, "kind"),
        [((*row, kind), count) for row, one in rows for kind, count in one.totals.items()],
    )
    yield _counter(
        "maelstrom_source_seconds", "Seconds spent in requests.", labels, [(row, one.seconds) for row, one in rows]
    )
    yield _gauge(
        "maelstrom_source_oldest_seconds",
        "Seconds since the oldest item in hand was sent.",
        labels,
        [(row, one.oldest_seconds) for row, one in rows if one.oldest_seconds is not None],
    )


def _open_at(labels: Labels, rows: Sequence[tuple[Labels, SourceNow]]) -> Iterable[Metric]:
    for name, text, values in (
        ("inflight", "Requests open now.", [(row, one.in_flight) for row, one in rows]),
        ("polls_open", "Polls open now.", [(row, one.polls_open) for row, one in rows]),
        ("limit", "maxconcurrency, over the cluster.", [(row, one.limit) for row, one in rows]),
        ("lease_capacity", "Requests that this node may have open, of the limit.",
         [(row, one.lease_capacity) for row, one in rows]),
        ("inflight_highest", "Most requests that were open at once since the node's start.",
         [(row, one.most_in_flight) for row, one in rows]),
    ):  # fmt: skip
        known = [(row, value) for row, value in values if value is not None]
        yield _gauge(f"maelstrom_source_{name}", text, labels, known)


def _sandboxes(now: SandboxesNow) -> Iterable[Metric]:
    yield _gauge(
        "maelstrom_sandboxes",
        "Network sandboxes, by state.",
        ("state",),
        [(("ready",), now.ready), (("lent",), now.lent), (("making",), now.making)],
    )
    yield _gauge("maelstrom_sandboxes_wanted", "Sandboxes that are kept ready.", (), [((), now.wanted)])


def _loops(loops: Mapping[str, LoopNow]) -> Iterable[Metric]:
    rows = loops.items()
    label = ("loop",)
    yield _gauge(
        "maelstrom_loop_running", "Whether the loop runs.", label, [((name,), int(one.running)) for name, one in rows]
    )
    yield _counter(
        "maelstrom_loop_restarts", "How often it died.", label, [((name,), one.restarts) for name, one in rows]
    )
    yield _gauge(
        "maelstrom_loop_last_pass_seconds",
        "Seconds since it last went through all its work.",
        label,
        [((name,), one.last_pass_seconds_ago) for name, one in rows if one.last_pass_seconds_ago is not None],
    )


def _certificates(certificates: Sequence[CertificateNow]) -> Iterable[Metric]:
    yield _gauge(
        "maelstrom_certificate_not_after_timestamp_seconds",
        "When a certificate that this node shows ends, by the first of its names.",
        ("name", "origin"),
        [((one.name, one.origin), one.not_after) for one in certificates],
    )


def _gauge(name: str, text: str, labels: Labels, rows: Rows) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _counter(name: str, text: str, labels: Labels, rows: Rows) -> Metric:
    """`_total` is added to the name."""
    family = CounterMetricFamily(name, text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family
