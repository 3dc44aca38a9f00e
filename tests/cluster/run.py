"""A cluster with work to do: the sources, their limits over time, and all that must hold of them at the end."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from typing import Self

from maelstrom.cli import exits
from tests.cluster.checks import Limit, excesses, not_once, open_at, wrong_outcomes
from tests.cluster.cluster import BEAT, TTL, Cluster, running_cluster, until
from tests.cluster.queue import Queue
from tests.cluster.steps import Steps
from tests.support.aws import StandIn

DEADLINE = 4  # s, of every request
STEPS, QUEUE = "work_steps", "work_queue"  # full names, as the component is told them
LIMITS = {STEPS: 4, QUEUE: 6}
VISIBILITY = 8  # s until a message of a dead node comes back
SLACK = 2.0  # s by which a promise is longer than the request it is for, see leases/term.py
BUSY = 5.0  # s that the machine may add to any bound, for each process that waits for one of its cores
END_SECONDS = 60.0
PUT_SECONDS = 60.0  # more than one try of a daemon that itself waits for the database


class Run:
    """`limits` by source: what was allowed when."""

    def __init__(self, cluster: Cluster, aws: StandIn, image: str) -> None:
        self.cluster = cluster
        self.aws = aws
        self.limits = {source: [Limit(0.0, limit)] for source, limit in LIMITS.items()}
        self.work: dict[str, Steps | Queue] = {
            STEPS: Steps(aws, f"{cluster.name}-steps", task_seconds=DEADLINE + 3, heartbeat_seconds=3),
            QUEUE: Queue(aws, f"{cluster.name}-queue"),
        }
        self._image = image

    @classmethod
    @contextlib.contextmanager
    def over(cls, aws: StandIn, image: str) -> Iterator[Self]:
        """Started, and at its limits."""
        with running_cluster(aws.environ) as cluster:
            run = cls(cluster, aws, image)
            for work in run.work.values():
                work.start()
            run._put(LIMITS)
            run.goes_on(60)
            yield run

    # limits

    def limit(self, source: str) -> int:
        return self.limits[source][-1].limit

    def full(self, source: str, since: float) -> bool:
        """As much is open as may be, all of it begun after that."""
        return len(self.cluster.ledger.open(source, since)) >= self.limit(source)

    def change(self, source: str, limit: int) -> None:
        """Another limit, by `maelctl put`."""
        before, higher = time.monotonic(), limit > self.limit(source)
        if higher:
            self.limits[source].append(Limit(before, limit))
        self._put({name: self.limit(name) for name in self.limits} | {source: limit})
        if not higher:
            self.limits[source].append(Limit(time.monotonic(), limit))
        self.cluster.happened["limit"] += 1

    def forget(self, source: str, limit: int) -> None:
        """The last change was lost by the database."""
        self.limits[source].append(Limit(time.monotonic(), limit))

    def _put(self, limits: dict[str, int]) -> None:
        name = self.cluster.name
        steps = {"activityname": f"{name}-steps", "path": "/counted", "heartbeatseconds": 1}
        queue = {
            "queuename": f"{name}-queue",
            "path": "/counted",
            "messagesperpoll": 2,
            "visibilitytimeout": VISIBILITY,
        }
        component = {
            "image": self._image,
            "httphealthcheckpath": "/health",
            "maxconcurrency": 20,
            "mininstances": 1,
            "maxinstances": 1,
            "maxdurationseconds": DEADLINE,
            "stopgraceseconds": 2,
            "environment": ["LEDGER=/ledger/ledger.sock"],
            "volumes": [{"source": str(self.cluster.ledger.path.parent), "target": "/ledger"}],
            "eventsources": {
                "steps": {"awsstepfunc": {**steps, "maxconcurrency": limits[STEPS]}},
                "queue": {"sqs": {**queue, "messagesperpoll": 2, "maxconcurrency": limits[QUEUE]}},
            },
        }
        self._tell(json.dumps({"name": "work", "components": {"worker": component}}))

    def _tell(self, project: str) -> None:
        """As a person does who is told that the database was busy, or somebody else quicker: again. Nothing else."""
        admin = self.cluster.admin
        file = admin.directory / "project.yml"
        file.write_text(project)
        end = time.monotonic() + PUT_SECONDS
        while (done := admin.maelctl("put", str(file))).returncode in (exits.CONFLICT, exits.UNREACHABLE):
            assert time.monotonic() < end, done.stderr
        assert done.returncode == exits.DONE, f"{done.stdout}{done.stderr}{admin.log()}"

    # what must hold

    def goes_on(self, within: float) -> float:
        """The whole limit of every source is at work anew within so many seconds; how long that took."""
        begun = time.monotonic()
        for source in self.limits:
            busy = BUSY * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
            left = begun + within + busy - time.monotonic()
            until(lambda source=source: self.full(source, begun), f"{source} at its limit", within=max(0.0, left))
        return time.monotonic() - begun

    def check(self) -> None:
        """So far no limit was exceeded, and what has ended has ended rightly."""
        ledger = self.cluster.ledger
        for source, limits in self.limits.items():
            events = [event for event in ledger.events if event.source == source]
            found = excesses(events, limits)
            assert not found, f"{source}: {len(found)} times more open than allowed, first {open_at(events, found[0])}"
            wrong = wrong_outcomes(list(self.work[source].outcomes), ledger.ends(source))
            assert not wrong, wrong

    def finish(self) -> None:
        """No more work is sent; everything ends, each item once."""
        for work in self.work.values():
            work.enough()
        for work in self.work.values():
            work.finish(END_SECONDS)
            assert not_once(work.outcomes, work.items) == []
        self.check()


def after_crash() -> float:
    """Bound, in seconds, until the capacity of a node that was killed at work is used by others."""
    return TTL + DEADLINE + SLACK + 3 * BEAT


def after_outage() -> float:
    """Bound until work goes on after an outage in which no node died."""
    return 4 * BEAT


def after_loss() -> float:
    """Bound until work goes on when the database has lost its last commits."""
    return TTL + DEADLINE + SLACK + 5 * BEAT
