"""Waits for what a command has set in motion, with progress on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from maelstrom.api.client import Client, Json
from maelstrom.cli.output import black_box, say
from maelstrom.model.errors import Conflict, StartFailed, Unavailable, WaitTimeout

POLL_SECONDS = 0.5

T = TypeVar("T")


def wait_for_project(server: Client, project: str, revision: int, seconds: float) -> None:
    """Until what must run is ready. Raises StartFailed, Conflict (put again meanwhile), WaitTimeout."""
    said = ""
    deadline = time.monotonic() + seconds
    while True:
        state = _patiently(lambda: server.readiness(project), deadline)
        if state["revision"] > revision:
            raise Conflict(f"{project} was put again meanwhile: it is at revision {state['revision']}, not {revision}")
        must_run = [row for row in state["components"] if row["wanted"]]
        progress = ", ".join(map(_progress, must_run))
        if progress != said:
            say(f"{project}: {progress}")
            said = progress
        if state["ready"]:
            return
        for row in must_run:
            if row["failed"] and row["ready"] < row["wanted"]:
                _report_failure(project, row)
        if not _pause(deadline):
            late = ", ".join(row["component"] for row in must_run if row["ready"] < row["wanted"])
            raise WaitTimeout(f"not ready within {seconds:g} s: {late}")


def wait_until_drained(server: Client, revision: int, filters: Json, seconds: float) -> None:
    """Until nothing of the disabled sources is in flight and no poll of theirs is open. Raises WaitTimeout."""
    said = ""
    deadline = time.monotonic() + seconds
    while True:
        state = _patiently(lambda: server.drained(revision, **filters), deadline)
        if state["drained"]:
            return
        progress = ", ".join(
            [f"{row['name']} ({row['inflight']} in flight, {row['polls_open']} polls)" for row in state["open"]]
            + [f"node {name} has not confirmed" for name in state["waiting_for"]]
        )
        if progress != said:
            say(f"waiting for {progress}")
            said = progress
        if not _pause(deadline):
            hint = "open polls are not cut and end within a minute: wait longer with --timeout"
            raise WaitTimeout(f"not at rest within {seconds:g} s: {progress}", hint=hint)


def wait_for_run(server: Client, begun: Json, seconds: float) -> Json:
    """The run of cron as it ended. Raises WaitTimeout."""
    deadline = time.monotonic() + seconds
    id, row = str(begun["id"]), begun
    while row["state"] == "running":
        if not _pause(deadline):
            raise WaitTimeout(f"the run {id} has not ended within {seconds:g} s", hint="it goes on")
        row = _patiently(lambda: server.cron_run(id), deadline)
    return row


def wait_for_restart(server: Client, before: list[Json], restarted: Json, seconds: float) -> None:
    """Until none of the containers `before` is left, and none is starting. Raises StartFailed, WaitTimeout.

    Containers of nodes that cannot be asked now are those that they told of last.
    """
    project, component = restarted["project"], restarted["component"]
    before = [row for row in before if (row["project"], row["component"]) == (project, component)]
    old = {row["container"] for row in before if row["state"] != "failed"}
    said = ""
    deadline = time.monotonic() + seconds
    while True:
        rows = _patiently(lambda: server.instances(project=project, component=component), deadline)
        alive = [row for row in rows if row["state"] != "failed"]
        left = sum(row["container"] in old for row in alive)
        starting = sum(row["state"] == "starting" for row in alive)
        if not left and not starting:
            return
        failed = [row for row in rows if row["state"] == "failed" and row not in before]
        if failed:
            _report_failure(project, {"component": component, "failed": failed})
        progress = f"{left} of {len(old)} to be replaced, {starting} starting"
        if progress != said:
            say(f"{project}: {component}: {progress}")
            said = progress
        if not _pause(deadline):
            raise WaitTimeout(f"not replaced within {seconds:g} s: {component}, {progress}")


def _patiently(ask: Callable[[], T], deadline: float) -> T:
    """A daemon that restarts meanwhile is waited for, too."""
    while True:
        try:
            return ask()
        except Unavailable:
            if not _pause(deadline):
                raise


def _pause(deadline: float) -> bool:
    left = deadline - time.monotonic()
    if left <= 0:
        return False
    time.sleep(min(POLL_SECONDS, left))
    return True


def _progress(row: Json) -> str:
    starting = f", {row['starting']} starting" if row["starting"] else ""
    return f"{row['component']} {row['ready']} of {row['wanted']} ready{starting}"


def _report_failure(project: str, row: Json) -> None:
    for instance in row["failed"]:
        say(black_box(instance))
    box = row["failed"][-1].get("black_box") or {}
    raise StartFailed(f"{row['component']} of {project} does not start: {box.get('reason') or 'it failed'}")
