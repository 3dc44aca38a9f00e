"""Two nodes behind PgBouncer in transaction mode: with notices from the server itself, and without any."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import StartDaemon
from tests.e2e.test_step_functions import arn, machine, project
from tests.support.aws import StandIn, one_task, stand_in
from tests.support.daemon import Daemon
from tests.support.pgbouncer import pgbouncer
from tests.support.postgres import PostgresServer
from tests.support.wait import eventually

CHANGE_SECONDS = 2.0  # in which a change is known to all nodes, by notice or by polling
BUSY_SECONDS = 3.0  # that a slow machine may add


@pytest.fixture(scope="module")
def pooler(postgres: PostgresServer) -> Iterator[int]:
    with pgbouncer(postgres) as port:
        yield port


@pytest.fixture(scope="module")
def aws() -> Iterator[StandIn]:
    """Its polls are short: what a node has too much is given up when its open polls have returned."""
    with stand_in(poll_seconds=1) as service:
        yield service


@pytest.mark.parametrize("notices", [True, False])
async def test_nodes_behind_pgbouncer_work_a_source_together(
    notices: bool,
    pooler: int,
    postgres: PostgresServer,
    make_daemon: StartDaemon,
    aws: StandIn,
    cluster: str,
    image: str,
) -> None:
    database = postgres.new_database()
    settings = {
        **aws.environ,
        "MAEL_DATABASE_URL": postgres.url(database, port=pooler),
        "MAEL_DATABASE_LISTEN_URL": postgres.url(database) if notices else "off",
        "MAEL_BEAT_SECONDS": "1",
        "MAEL_SESSION_TTL_SECONDS": "5",
    }
    one, two = make_daemon("one", settings), make_daemon("two", settings)
    for daemon in (one, two):
        daemon.launch()
    for daemon in (one, two):
        await asyncio.to_thread(daemon.wait_ready)
    assert all(("change notices arrive" in daemon.log()) is notices for daemon in (one, two))
    one.put(project(image, cluster, work={"path": "/step/sum", "maxconcurrency": 2}))
    within = CHANGE_SECONDS + BUSY_SECONDS
    await eventually(lambda: asyncio.to_thread(sees_source, two), within=within, every=0.1)
    await eventually(lambda: asyncio.to_thread(both_hold, two), within=15, every=0.2)
    work = machine(aws, f"{cluster}-work", one_task(arn(aws, f"{cluster}-work")))
    assert await asyncio.to_thread(work.run, [1, 2, 3], within=30) == 6
    two.ask("es", "disable", "work", "--wait")
    await eventually(lambda: asyncio.to_thread(lambda: not enabled(one)), within=within, every=0.1)
    for daemon in (one, two):
        assert await asyncio.to_thread(daemon.terminate) == 0
        assert "does not confirm leases" not in daemon.log()


def sees_source(daemon: Daemon) -> bool:
    return [row["name"] for row in daemon.ask("es", "ls", "--type", "awsstepfunc")] == ["work"]


def enabled(daemon: Daemon) -> bool:
    (row,) = daemon.ask("es", "ls", "--type", "awsstepfunc")
    return bool(row["enabled"])


def both_hold(daemon: Daemon) -> bool:
    leases = daemon.ask("es", "audit", "work")["leases"]
    return sorted((lease["node"], lease["capacity"]) for lease in leases) == [("one", 1), ("two", 1)]


async def test_a_pooler_that_is_taken_for_the_server_is_told(
    pooler: int, postgres: PostgresServer, make_daemon: StartDaemon
) -> None:
    daemon = make_daemon(environ={"MAEL_DATABASE_URL": postgres.url(postgres.new_database(), port=pooler)})
    daemon.launch()
    await eventually(lambda: "MAEL_DATABASE_LISTEN_URL" in daemon.log(), within=20)
