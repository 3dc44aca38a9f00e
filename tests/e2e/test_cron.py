"""Schedules that fire at real containers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import aiohttp

from tests.e2e.conftest import StartDaemon
from tests.e2e.test_http import running
from tests.support.daemon import Daemon
from tests.support.postgres import PostgresServer
from tests.support.wait import eventually


def project(image: str, *, crontab: str = "", **sources: dict[str, Any]) -> str:
    """`sources`: name → fields of its cron."""
    component = {
        "image": image,
        "httphealthcheckpath": "/health",
        "maxconcurrency": 10,
        "maxinstances": 1,
        "stopgraceseconds": 2,
        "eventsources": {name: {"cron": fields} for name, fields in sources.items()},
    }
    if crontab:
        component["crontab"] = crontab
    return json.dumps({"name": "shop", "components": {"jobs": component}})


def every(seconds: int, path: str, method: str = "GET", **fields: Any) -> dict[str, Any]:
    return {"schedule": f"@every {seconds}s", "http": {"method": method, "path": path}, **fields}


def runs(daemon: Daemon, name: str, state: str = "succeeded") -> list[dict[str, Any]]:
    return [row for row in daemon.ask("cron", "runs", name, "--limit", "1000") if row["state"] == state]


async def test_a_schedule_starts_the_component_from_zero_and_goes_on_until_it_is_disabled(
    daemon: Daemon, cluster: str, image: str
) -> None:
    daemon.put(project(image, tick=every(1, "/print?text=fired"), crontab="15 3 * * * /nightly"))
    assert running(cluster) == []
    await eventually(lambda: len(runs(daemon, "tick")) >= 3, within=30, every=0.2)
    assert len(running(cluster)) == 1
    times = sorted(row["scheduled_at"] for row in runs(daemon, "tick"))
    assert times == list(range(times[0], times[-1] + 1))
    states = {row["name"]: (row["type"], row["state"], row["maxconcurrency"]) for row in daemon.ask("es", "ls")}
    assert list(states.values()) == [("cron", "ok", None)] * 2
    async with aiohttp.ClientSession() as session, session.get(f"{daemon.admin}/metrics") as response:
        metrics = await response.text()
    (succeeded,) = [one for one in metrics.splitlines() if "shop_tick" in one and 'kind="succeeded"' in one]
    assert 'type="cron"' in succeeded
    assert float(succeeded.split()[-1]) >= 3
    passes = {row for row in metrics.splitlines() if row.startswith("maelstrom_loop_last_pass_seconds{")}
    loops = {row.split('"')[1] for row in passes}
    assert loops >= {"view", "converge", "health", "cron", "report"}
    assert "maelstrom_lease_session_confirmed 1.0" in metrics
    assert "maelstrom_sandboxes_wanted 2.0" in metrics
    assert daemon.ask("es", "disable", "tick", "--wait") == ["tick"]
    fired = len(daemon.ask("cron", "runs", "tick", "--limit", "1000"))
    lines = [row for row in daemon.maelctl("logs", "jobs").stdout.splitlines() if "fired" in row]
    assert len(lines) == fired


async def test_a_failing_run_is_tried_again_and_shown(daemon: Daemon, image: str) -> None:
    failing = every(2, "/status?code=503&body=not%20today", retries=1)
    daemon.put(project(image, bad=failing))
    row = (await eventually(lambda: runs(daemon, "bad", "failed"), within=30, every=0.2))[-1]
    assert (row["status"], row["attempts"], row["reason"]) == (503, 2, "the component answered 503: not today")
    (source,) = daemon.ask("es", "ls")
    assert (source["state"], source["reason"]) == (
        "degraded",
        "the last run failed: the component answered 503: not today",
    )


async def test_a_run_by_hand_is_in_flight_and_waited_for(daemon: Daemon, image: str) -> None:
    slow = {"schedule": "0 0 1 1 *", "http": {"method": "POST", "path": "/sleep?s=2", "data": "x"}}
    daemon.put(project(image, yearly={**slow, "overlap": "forbid"}))
    begun = daemon.ask("cron", "run", "yearly")
    await eventually(lambda: daemon.ask("es", "ls")[0]["inflight"] == 1, within=10)
    refused = daemon.maelctl("cron", "run", "yearly")
    assert (refused.returncode, "a run of it is open" in refused.stderr) == (5, True)
    assert daemon.ask("es", "disable", "yearly", "--wait") == ["yearly"]
    (row,) = await eventually(lambda: runs(daemon, "yearly"), within=5)
    assert row["id"] == begun["id"]
    assert daemon.maelctl("cron", "run", "yearly", "--wait").returncode == 0


async def test_when_the_node_that_plans_is_killed_another_goes_on_and_each_time_fires_once(
    make_daemon: StartDaemon, postgres: PostgresServer, image: str
) -> None:
    environ = {
        "MAEL_DATABASE_URL": postgres.url(postgres.new_database()),
        "MAEL_BEAT_SECONDS": "0.5",
        "MAEL_SESSION_TTL_SECONDS": "3",
    }
    one, two = (make_daemon(name, environ).start() for name in ("one", "two"))
    one.put(project(image, tick=every(1, "/print?text=fired", catchup="all")))
    seen = await eventually(lambda: runs(one, "tick"), within=30, every=0.2)
    first, second = (one, two) if seen[0]["node"] == "one" else (two, one)
    first.kill()
    await eventually(lambda: any(row["node"] == second.node for row in runs(second, "tick")), within=30, every=0.2)
    await eventually(lambda: len(runs(second, "tick")) >= len(seen) + 5, within=30, every=0.2)
    rows = second.ask("cron", "runs", "tick", "--limit", "1000")
    times = sorted(row["scheduled_at"] for row in rows)
    assert times == list(range(times[0], times[-1] + 1))
    assert {row["node"] for row in rows} == {"one", "two"}
    assert abs(times[-1] - datetime.now(UTC).timestamp()) < 5
