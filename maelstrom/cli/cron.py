"""`maelctl cron …`: runs of cron sources."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import click

from maelstrom.api.client import Json
from maelstrom.cli.commands import Command, Group
from maelstrom.cli.output import Row, ago, duration, show, show_list, table
from maelstrom.cli.server import client
from maelstrom.cli.target import Options
from maelstrom.model.errors import MaelstromError

REASON_WIDTH = 60  # characters, in a table


@click.group(cls=Group)
def cron() -> None:
    """Schedules: runs that were, and one by hand."""


@cron.command("runs", cls=Command)
@click.argument("name", required=False)
@click.option("--project", metavar="NAME", help="Only of this project.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, metavar="N", help="So many, the newest."
)
@click.pass_obj
def runs(options: Options, name: str | None, project: str | None, limit: int) -> None:
    """List the runs of one cron source or of all, the newest first.

    The last 100 of a source are kept, for 30 days. Planned times that were skipped because an earlier run was still
    open are among them.
    """
    rows = client(options).cron_runs(name, project=project, limit=limit)
    show_list(options, rows, _COLUMNS, "No runs.")


@cron.command("run", cls=Command)
@click.argument("name")
@click.option("--project", metavar="NAME", help="Which project's, where several have the name.")
@click.option("--wait", is_flag=True, help="Until it has ended; then with its outcome.")
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=300, show_default=True, metavar="S", help="Seconds for --wait."
)
@click.pass_obj
def run(options: Options, name: str, project: str | None, wait: bool, timeout: float) -> None:
    """Run a cron source now, whatever its schedule, and also if it is disabled.

    What the source says of runs that overlap holds for this one, too.
    """
    server = client(options)
    begun = server.run_cron(name, project=project)
    if wait:
        from maelstrom.cli.waiting import wait_for_run

        begun = wait_for_run(server, begun, timeout)
    show(options, begun, lambda: table([begun], _COLUMNS))
    if wait and begun["state"] != "succeeded":
        raise MaelstromError(f"the run {begun['state']}: {begun['reason']}", hint="")


def _took(row: Row) -> str:
    if row["state"] == "skipped":
        return ""
    ended: Any = row["ended_at"]
    return duration(max(0.0, (time.time() if ended is None else ended) - row["started_at"]))


def _scheduled(row: Row) -> str:
    return datetime.fromtimestamp(row["scheduled_at"], UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _reason(row: Json | Row) -> str:
    text = " ".join(str(row["reason"]).split())
    return text if len(text) <= REASON_WIDTH else text[: REASON_WIDTH - 1] + "…"


_COLUMNS = [
    ("PROJECT", lambda row: row["project"]),
    ("EVENT SOURCE", lambda row: row["name"]),
    ("SCHEDULED", _scheduled),
    ("KIND", lambda row: row["kind"]),
    ("STATE", lambda row: row["state"]),
    ("STATUS", lambda row: row["status"]),
    ("TRIES", lambda row: row["attempts"]),
    ("NODE", lambda row: row["node"]),
    ("STARTED", lambda row: ago(row["started_at"])),
    ("TOOK", _took),
    ("REASON", _reason),
]
