"""Schedules that fire at real containers."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from tests.e2e.conftest import StartDaemon
from tests.e2e.test_http import running
from tests.support.daemon import Daemon
from tests.support.wait import eventually


def project(image: str, **sources: dict[str, Any]) -> str:
    """`sources`: name → fields of its cron."""
    component = {
        "image": image,
        "httphealthcheckpath": "/health",
        "maxconcurrency": 10,
        "maxinstances": 1,
        "stopgraceseconds": 2,
        "eventsources": {name: {"cron": fields} for name, fields in sources.items()},
    }
    return json.dumps({"name": "shop", "components": {"jobs": component}})


def every(seconds: int, path: str, **fields: Any) -> dict[str, Any]:
    return {"schedule": f"@every {seconds}s", "http": {"method": "GET", "path": path}, **fields}


async def test_a_schedule_starts_the_component_from_zero_and_goes_on(daemon: Daemon, cluster: str, image: str) -> None:
    daemon.put(project(image, tick=every(1, "/echo")))
    assert running(cluster) == []

    def done() -> list[dict[str, Any]]:
        return [row for row in daemon.ask("cron", "runs", "tick") if row["state"] == "succeeded"]

    await eventually(lambda: len(done()) >= 3, within=30)
    assert len(running(cluster)) == 1
    times = sorted(row["scheduled_at"] for row in done())
    assert all(later - earlier >= 1 for earlier, later in zip(times, times[1:], strict=False))
    (row,) = daemon.ask("es", "ls")
    assert (row["type"], row["state"], row["maxconcurrency"]) == ("cron", "ok", None)
