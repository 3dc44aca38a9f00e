"""Two nodes on one database, PostgreSQL or a SQLite file, as the components and `maelctl` see them."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster import Background, until
from tests.cluster.ledger import Ledger, Script
from tests.cluster.steps import Steps
from tests.support.aws import stand_in
from tests.support.daemon import Daemon
from tests.support.engine import containers, own_cluster
from tests.support.images import component_image
from tests.support.postgres import PostgresServer

SOURCE, LIMIT = "work_steps", 4
DEADLINE, BEAT, TTL = 2, 1.0, 4.0
HAND_OVER_SECONDS = 1.0
TRIES = 3  # a busy machine may take longer once
CRASH_SECONDS = TTL + DEADLINE + 2 + 3 * BEAT + 5  # a ttl, the promise of the dead node's requests, some beats


@dataclass
class Pair:
    one: Daemon
    two: Daemon
    ledger: Ledger
    cluster: str

    def open(self) -> list[str]:
        """Which container works each of what is open now."""
        return [begin.instance for begin in self.ledger.open(SOURCE)]

    def full(self) -> bool:
        return len(self.open()) == LIMIT

    def shared(self) -> bool:
        """Both work at it."""
        return self.full() and len(set(self.open())) == 2


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('database')}/shared.db"
    return postgres.url(postgres.new_database())


@pytest.fixture(scope="module")
def pair(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder, background = tmp_path_factory.mktemp("pair"), Background()
    ledger = Ledger(folder / "ledger.sock", lambda item, attempt: Script(0.5, 200))
    background.call(ledger.start())
    with stand_in(poll_seconds=5) as aws, own_cluster() as cluster:
        settings = {
            **aws.environ,
            "MAEL_CLUSTER_NAME": cluster,
            "MAEL_DATABASE_URL": database,
            "MAEL_BEAT_SECONDS": str(BEAT),
            "MAEL_SESSION_TTL_SECONDS": str(TTL),
            "MAEL_STOP_CONTAINERS": "false",
        }
        daemons = [Daemon(folder / node, node, settings) for node in ("one", "two")]
        try:
            for daemon in daemons:
                daemon.launch()
            for daemon in daemons:
                daemon.wait_ready()
            work = Steps(aws, cluster, task_seconds=60, heartbeat_seconds=20)
            work.start()
            daemons[0].put(project(cluster, ledger.path.parent))
            found = Pair(daemons[0], daemons[1], ledger, cluster)
            until(found.shared, "all capacity at work", within=30)
            yield found
            work.enough()
        except BaseException as error:
            error.add_note("\n".join(daemon.log() for daemon in daemons))
            raise
        finally:
            for daemon in daemons:
                daemon.kill()
            background.call(ledger.stop())
            background.stop()


def project(cluster: str, ledger: Path) -> str:
    steps = {"activityname": cluster, "path": "/counted", "maxconcurrency": LIMIT}
    component = {
        "image": component_image(),
        "httphealthcheckpath": "/health",
        "maxconcurrency": 10,
        "mininstances": 1,
        "maxinstances": 1,
        "maxdurationseconds": DEADLINE,
        "environment": ["LEDGER=/ledger/ledger.sock"],
        "volumes": [{"source": str(ledger), "target": "/ledger"}],
        "eventsources": {"steps": {"awsstepfunc": steps}},
    }
    return json.dumps({"name": "work", "components": {"worker": component}})


def test_what_is_shown_is_that_of_all_nodes(pair: Pair) -> None:
    for daemon in (pair.one, pair.two):
        assert {node["name"]: node["state"] for node in daemon.ask("nodes")} == {"one": "ready", "two": "ready"}
        until(lambda daemon=daemon: 0 < audit(daemon)["max_inflight"] <= LIMIT, "the beats have told it", within=10)
        assert audit(daemon)["limit"] == LIMIT
        leases = audit(daemon)["leases"]
        assert sorted((lease["node"], lease["capacity"]) for lease in leases) == [("one", 2), ("two", 2)]
        until(lambda daemon=daemon: daemon.ask("es", "ls")[0]["inflight"] == LIMIT, "es ls counts both", within=10)


def audit(daemon: Daemon) -> dict[str, Any]:
    found: dict[str, Any] = daemon.ask("es", "audit", "steps")
    return found


def test_disable_waits_until_no_node_works_at_it(pair: Pair) -> None:
    pair.one.ask("es", "disable", "steps", "--wait")
    begun = len(pair.ledger.events)
    assert pair.open() == []
    assert pair.two.ask("es", "ls")[0]["state"] == "disabled"
    assert len(pair.ledger.events) == begun
    pair.two.ask("es", "enable", "steps")
    until(pair.shared, "all capacity at work", within=15)


def test_a_node_that_is_stopped_hands_over_within_a_second(pair: Pair) -> None:
    took = [hand_over(pair)]
    while took[-1] >= HAND_OVER_SECONDS and len(took) < TRIES:
        took.append(hand_over(pair))
    assert took[-1] < HAND_OVER_SECONDS, took
    assert audit(pair.one)["max_inflight"] == LIMIT, "work that moves is counted once"
    logging.getLogger(__name__).info("handed over within %s s", took)


def hand_over(pair: Pair) -> float:
    """Stops the second node, and starts it again: seconds from the end of its last work until the first has it all."""
    until(pair.shared, "both at work", within=15)
    labels = [found["Labels"] for found in containers(pair.cluster)]
    theirs = {found.get("maelstrom_instance") for found in labels if found["maelstrom_node"] == pair.two.node}
    assert pair.two.terminate() == 0
    until(pair.full, "all capacity at work", within=15)
    events = pair.ledger.events
    last = max(i for i, event in enumerate(events) if event.instance in theirs)
    full = next(event.at for event in events[last:] if event.kind == "begin" and event.open == LIMIT)
    pair.two.start()
    return full - events[last].at


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # tests/cluster does it on PostgreSQL
def test_a_node_that_was_killed_is_followed(pair: Pair) -> None:
    until(pair.shared, "both at work", within=15)
    pair.two.kill()
    killed = time.monotonic()
    until(lambda: len(pair.ledger.open(SOURCE, since=killed)) == LIMIT, "all capacity at work", within=CRASH_SECONDS)
    assert pair.ledger.peak(SOURCE) == LIMIT
