"""A cluster with work to do: the sources, their limits over time, and all that must hold of them at the end."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Self

from tests.cluster.checks import Limit, excesses, not_once, wrong_outcomes
from tests.cluster.cluster import BEAT, TTL, Cluster, running_cluster, until
from tests.cluster.steps import Steps
from tests.support.aws import StandIn

DEADLINE = 5  # s, of every request
STEPS = "work_steps"  # full names, as the component is told them
STEPS_LIMIT = 4
SLACK = 2.0  # s by which a promise is longer than the request it is for, see leases/term.py
BUSY = 2.0  # s that a slow machine may add to any bound


class Run:
    """`limits` by source: what was allowed when."""

    def __init__(self, cluster: Cluster, aws: StandIn, image: str) -> None:
        self.cluster = cluster
        self.aws = aws
        self.limits: dict[str, list[Limit]] = {STEPS: [Limit(0.0, STEPS_LIMIT)]}
        self.steps = Steps(aws, f"{cluster.name}-steps", task_seconds=DEADLINE + 3, heartbeat_seconds=3)
        self._image = image

    @classmethod
    @contextlib.contextmanager
    def over(cls, aws: StandIn, image: str) -> Iterator[Self]:
        with running_cluster(aws.environ) as cluster:
            run = cls(cluster, aws, image)
            run._put({STEPS: STEPS_LIMIT})
            run.steps.start()
            until(lambda: run.full(STEPS), "work at its limit", within=30)
            yield run

    # limits

    def limit(self, source: str) -> int:
        return self.limits[source][-1].limit

    def full(self, source: str) -> bool:
        """As much is open as may be."""
        return self.cluster.ledger.open[source] >= self.limit(source)

    def change(self, source: str, limit: int) -> None:
        """Another limit, by `maelctl put`."""
        before = time.monotonic()
        higher = limit > self.limit(source)
        if higher:
            self.limits[source].append(Limit(before, limit))
        self._put({name: limits[-1].limit for name, limits in self.limits.items()} | {source: limit})
        if not higher:
            self.limits[source].append(Limit(time.monotonic(), limit))

    def _put(self, limits: dict[str, int]) -> None:
        folder = self.cluster.ledger.path.parent
        component = {
            "image": self._image,
            "httphealthcheckpath": "/health",
            "maxconcurrency": 20,
            "mininstances": 1,
            "maxinstances": 1,
            "maxdurationseconds": DEADLINE,
            "stopgraceseconds": 2,
            "environment": ["LEDGER=/ledger/ledger.sock"],
            "volumes": [{"source": str(folder), "target": "/ledger"}],
            "eventsources": {
                "steps": {
                    "awsstepfunc": {
                        "activityname": f"{self.cluster.name}-steps",
                        "path": "/counted",
                        "maxconcurrency": limits[STEPS],
                        "heartbeatseconds": 1,
                    }
                }
            },
        }
        self.cluster.admin.put(json.dumps({"name": "work", "components": {"worker": component}}))

    # what must hold

    def goes_on(self, within: float) -> float:
        """The whole limit of every source is at work again within so many seconds; how long it took."""
        return max(
            until(lambda source=source: self.full(source), f"{source} at its limit", within=within + BUSY)
            for source in self.limits
        )

    def check(self) -> None:
        """So far no limit was exceeded, and what has ended has ended rightly."""
        ledger = self.cluster.ledger
        for source, limits in self.limits.items():
            found = excesses([e for e in ledger.events if e.source == source], limits)
            assert not found, f"{source}: more open than allowed: {found[:5]}\n{self.cluster.logs()}"
        assert wrong_outcomes(list(self.steps.outcomes), ledger.ends(STEPS)) == []

    def finish(self) -> None:
        """No more work is sent; everything ends, each item once."""
        self.steps.finish(within=60)
        self.check()
        assert not_once(self.steps.outcomes, self.steps.items) == []


def after_crash() -> float:
    """Bound, in seconds, until the capacity of a node that was killed at work is used by others."""
    return TTL + DEADLINE + SLACK + 3 * BEAT


def after_outage() -> float:
    """Bound until work goes on after an outage in which no node died."""
    return 4 * BEAT
