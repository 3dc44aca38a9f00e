"""What the shots come to."""

from __future__ import annotations

from statistics import median

from benchmarks.gateway.load import Scenario, Shot

FIELDS = ("rate", "megabytes", "p50", "p99", "cpu")
Rows = dict[str, list[Shot]]


def show(scenario: Scenario, rows: Rows) -> None:
    print(f"\n{scenario.name}")
    print(
        f"{'':10}{'req/s':>9}{'MB/s':>8}{'p50 µs':>9}{'p99 µs':>9}{'CPU µs':>8}{'errors':>8}   of nginx: rate, p50, CPU"
    )
    for name, shots in rows.items():
        rate, megabytes, p50, p99, cpu = (median(getattr(shot, field) for shot in shots) for field in FIELDS)
        errors = sum(shot.errors for shot in shots)
        share = "".join(f"{ratio(rows, name, field):8.2f}" for field in ("rate", "p50", "cpu"))
        row = f"{name:10}{rate:9.0f}{megabytes:8.1f}{p50:9.0f}{p99:9.0f}{cpu:8.1f}{errors:8d}   {share}"
        print(row, flush=True)


def ratio(rows: Rows, name: str, field: str) -> float:
    """The median of the rounds' ratios to nginx."""
    pairs = zip(rows[name], rows["nginx"], strict=True)
    return float(median(getattr(shot, field) / max(getattr(reference, field), 1e-9) for shot, reference in pairs))


def verdict(scenarios: list[Scenario], results: dict[str, Rows]) -> int:
    """Prints each limit; 1 if one is missed."""
    missed = 0
    print()
    for scenario in scenarios:
        rows = results[scenario.name]
        if scenario.least is not None:
            rate = ratio(rows, "gateway", "rate")
            missed += rate < scenario.least
            print(f"{scenario.name}: {rate:.2f} of nginx's rate (at least {scenario.least}, target {scenario.target})")
        if scenario.latency is not None:
            p50 = ratio(rows, "gateway", "p50")
            missed += p50 > scenario.latency
            print(f"{scenario.name}: {p50:.2f} of nginx's p50 (at most {scenario.latency})")
        missed += any(shot.errors for shot in rows["gateway"])
    return int(missed > 0)
