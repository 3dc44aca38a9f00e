"""`maelctl ps` and `maelctl nodes`."""

from __future__ import annotations

import click

from maelstrom.cli.commands import Command
from maelstrom.cli.output import Row, ago, black_box, say, show_list, show_text
from maelstrom.cli.server import client
from maelstrom.cli.target import Options


@click.command(cls=Command)
@click.option("--project", metavar="NAME", help="Only of this project.")
@click.option("--component", metavar="NAME", help="Only of this component.")
@click.pass_obj
def ps(options: Options, project: str | None, component: str | None) -> None:
    """Containers of all nodes; other nodes' as they last reported."""
    server = client(options)
    rows = server.instances(project=project, component=component)
    for missing in server.missing:
        say(f"not shown: {missing}")
    columns = [
        ("PROJECT", lambda row: row["project"]),
        ("COMPONENT", lambda row: row["component"]),
        ("VERSION", lambda row: row["version"]),
        ("STATE", lambda row: row["state"]),
        ("NODE", lambda row: row["node"]),
        ("CONTAINER", lambda row: row["container"][:12]),
        ("INFLIGHT", lambda row: row["inflight"]),
        ("STARTED", lambda row: ago(row["started_at"])),
        ("LAST REQUEST", lambda row: ago(row["last_request_at"])),
    ]
    if any(row.get("black_box") for row in rows):
        columns.append(("REASON", _reason))
    show_list(options, rows, columns, "No containers.")
    if not options.json:
        for row in rows:
            if _says_more(row):
                show_text(f"\n{black_box(row)}\n")


@click.command(cls=Command)
@click.pass_obj
def nodes(options: Options) -> None:
    """Live nodes of the cluster."""
    show_list(
        options,
        client(options).nodes(),
        [
            ("NAME", lambda row: row["name"]),
            ("STATE", lambda row: row["state"]),
            ("VERSION", lambda row: row["version"]),
            ("STARTED", lambda row: ago(row["started_at"])),
            ("PUBLIC", lambda row: row["public"]),
            ("ADMIN", lambda row: row["admin"]),
            ("REASON", lambda row: row["reason"]),
        ],
        "No nodes.",
    )


def _says_more(row: Row) -> bool:
    """Whether a black box holds more than the reason, which stands in the table."""
    box = row.get("black_box") or {}
    return box.get("exit_code") is not None or bool(box.get("log_tail") or box.get("last_probe"))


def _reason(row: Row) -> object:
    return (row.get("black_box") or {}).get("reason", "")
