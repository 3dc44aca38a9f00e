"""The text of /metrics."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from maelstrom.activation.deployment import StartStats
from maelstrom.api.counters import CertificateNow, ComponentNow, LoopNow, NodeNow, SandboxesNow, SourceNow
from maelstrom.api.metrics import render
from maelstrom.gateway.stats import BOUNDS, GatewayStats
from maelstrom.model.instance import Receipt


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def example() -> NodeNow:
    gateway = GatewayStats()
    web = gateway.component("shop_web")
    web.count(200, 0.004)
    web.count(200, 0.2)
    web.count(502, 1000.0)
    web.error("upstream_broken")
    gateway.component("").count(404, 0.001)
    gateway.connections = 7
    gateway.tls_failed["no_certificate"] = 4
    gateway.http2_failed["enhance_your_calm"] = 5
    starts = StartStats()
    starts.add(Receipt({"create": 50.0, "first_ok": 200.0}))
    starts.failed = 2
    return NodeNow(
        node='n"1\n',
        version="0.1.0",
        ready=True,
        revision=5,
        gateway=gateway,
        bounds=BOUNDS,
        components={"shop_web": ComponentNow(starts, in_flight=3, waiting=1, instances={"ready": 2}, wanted=2)},
        sources={"shop_split": SourceNow("shop_jobs", "awsstepfunc", "ok", 1, 2, 3, {"received": 9}, 1.5, 7.5, 4, 6)},
        sandboxes=SandboxesNow(wanted=2, ready=1, lent=5, making=1),
        lease_session=True,
        loops={"view": LoopNow(True, 1, 0.5), "beat": LoopNow(False, 0)},
        certificates=[CertificateNow("a.test", "acme", 1.5e9)],
    )


def test_everything_is_shown_under_its_name() -> None:
    found = samples(render(example()))
    web = ("component", "shop_web")
    assert found["maelstrom_gateway_requests_total", (("code", "200"), web)] == 2
    assert found["maelstrom_gateway_requests_total", (("code", "404"), ("component", ""))] == 1
    assert found["maelstrom_gateway_errors_total", (web, ("error", "upstream_broken"))] == 1
    assert found["maelstrom_gateway_connections", ()] == 7
    assert found["maelstrom_gateway_tls_failed_total", (("reason", "no_certificate"),)] == 4
    assert found["maelstrom_gateway_http2_failed_total", (("error", "enhance_your_calm"),)] == 5
    labels = (("name", "a.test"), ("origin", "acme"))
    assert found["maelstrom_certificate_not_after_timestamp_seconds", labels] == 1.5e9
    assert found["maelstrom_inflight", (web,)] == 3
    assert found["maelstrom_queue", (web,)] == 1
    assert found["maelstrom_instances", (web, ("state", "ready"))] == 2
    assert found["maelstrom_starts_total", (web, ("outcome", "ready"))] == 1
    assert found["maelstrom_starts_total", (web, ("outcome", "failed"))] == 2
    assert found["maelstrom_start_phase_seconds_total", (web, ("phase", "first_ok"))] == 0.2
    source = (("component", "shop_jobs"), ("source", "shop_split"), ("type", "awsstepfunc"))
    assert found["maelstrom_source_polls_open", source] == 2
    assert found["maelstrom_source_limit", source] == 3
    assert found["maelstrom_source_oldest_seconds", source] == 7.5
    assert found["maelstrom_source_lease_capacity", source] == 4
    assert found["maelstrom_source_inflight_highest", source] == 6
    assert found["maelstrom_lease_session_confirmed", ()] == 1
    assert found["maelstrom_sandboxes_wanted", ()] == 2
    states = [found["maelstrom_sandboxes", (("state", state),)] for state in ("ready", "lent", "making")]
    assert states == [1, 5, 1]
    assert found["maelstrom_source_events_total", (("component", "shop_jobs"), ("kind", "received"), *source[1:])] == 9
    assert found["maelstrom_loop_running", (("loop", "beat"),)] == 0
    assert found["maelstrom_loop_last_pass_seconds", (("loop", "view"),)] == 0.5
    assert found["maelstrom_info", (("node", 'n"1\n'), ("version", "0.1.0"))] == 1
    assert found["process_open_fds", ()] > 0


def test_latencies_are_a_histogram_over_all_statuses() -> None:
    found = samples(render(example()))
    web = ("component", "shop_web")

    def bucket(le: str) -> float:
        return found["maelstrom_gateway_request_seconds_bucket", (web, ("le", le))]

    assert [bucket(le) for le in ("0.0025", "0.005", "0.1", "0.25", "300", "+Inf")] == [0, 1, 1, 2, 2, 3]
    assert found["maelstrom_gateway_request_seconds_count", (web,)] == 3
    assert found["maelstrom_gateway_request_seconds_sum", (web,)] == 1000.204
