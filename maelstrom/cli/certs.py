"""`maelctl certs …`: certificates of hosts."""

from __future__ import annotations

import time

import click

from maelstrom.cli.commands import Command, Group
from maelstrom.cli.output import Row, ago, duration, show_list
from maelstrom.cli.server import client
from maelstrom.cli.target import Options

NAMES_SHOWN = 3


@click.group(cls=Group)
def certs() -> None:
    """Certificates: list."""


@certs.command("ls", cls=Command)
@click.pass_obj
def ls(options: Options) -> None:
    """List certificates: those of the node's files, and automatic ones, also such as could not be had."""
    columns = [
        ("HOST", lambda row: row["host"]),
        ("NAMES", _names),
        ("SOURCE", lambda row: row["source"]),
        ("ENDS", lambda row: _when(row["not_after"])),
        ("NEXT RENEWAL", lambda row: _when(row["next_renewal"])),
        ("LAST ERROR", lambda row: row["error"]),
    ]
    show_list(options, client(options).certificates(), columns, "No certificates.")


def _names(row: Row) -> str:
    names = row["names"]
    more = len(names) - NAMES_SHOWN
    return " ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _when(at: float | None) -> str:
    if at is None:
        return ""
    left = at - time.time()
    return f"in {duration(left)}" if left > 0 else f"{ago(at)} ago"
