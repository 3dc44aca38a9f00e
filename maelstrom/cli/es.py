"""`maelctl es …`: event sources."""

from __future__ import annotations

import sys
from collections.abc import Callable
from operator import itemgetter
from typing import Any, TypeVar

import click

from maelstrom.api.client import Json
from maelstrom.cli.commands import Command, Group
from maelstrom.cli.dlq import dlq
from maelstrom.cli.output import Column, duration, say, show, show_list, table
from maelstrom.cli.server import client
from maelstrom.cli.target import Options

TYPES = ("http", "cron", "sqs", "awsstepfunc")

F = TypeVar("F", bound=Callable[..., Any])


def _filters(function: F) -> F:
    for decorate in (
        click.option("--prefix", metavar="TEXT", help="Only those whose name begins so."),
        click.option("--type", "type", type=click.Choice(TYPES), help="Only of this type."),
        click.option("--component", metavar="NAME", help="Only of this component."),
        click.option("--project", metavar="NAME", help="Only of this project."),
    ):
        function = decorate(function)
    return function


def _toggling(function: F) -> F:
    for decorate in (
        click.option("--yes", "-y", is_flag=True, help="Do not ask when no filter is given."),
        _filters,
        click.argument("name", nargs=-1),
    ):
        function = decorate(function)
    return function


@click.group(cls=Group)
def es() -> None:
    """Event sources."""


es.add_command(dlq)


@es.command("ls", cls=Command)
@_filters
@click.pass_obj
def ls(options: Options, /, **filters: str | None) -> None:
    """List event sources with their state over all nodes."""
    show_list(
        options,
        client(options).eventsources(**filters),
        [
            ("PROJECT", lambda row: row["project"]),
            ("EVENT SOURCE", lambda row: row["name"]),
            ("COMPONENT", lambda row: row["component"]),
            ("TYPE", lambda row: row["type"]),
            ("STATE", lambda row: row["state"]),
            ("MAX", lambda row: row["maxconcurrency"]),
            ("INFLIGHT", lambda row: row["inflight"]),
            ("FROM", lambda row: row["description"]),
            ("REASON", lambda row: row["reason"]),
        ],
        "No event sources.",
    )


@es.command("enable", cls=Command)
@_toggling
@click.pass_obj
def enable(options: Options, /, yes: bool, **filters: Any) -> None:
    """Enable event sources.

    Those named, those that match the filters, or all.
    """
    _confirm("enable", filters, yes)
    _show_changed(options, client(options).toggle(True, **filters), "Enabled")


@es.command("disable", cls=Command)
@_toggling
@click.option("--wait", is_flag=True, help="Until nothing of them is in flight and no poll is open, on any node.")
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=300, show_default=True, metavar="S", help="Seconds for --wait."
)
@click.pass_obj
def disable(options: Options, /, yes: bool, wait: bool, timeout: float, **filters: Any) -> None:
    """Disable event sources.

    Those named, those that match the filters, or all.
    """
    _confirm("disable", filters, yes)
    server = client(options)
    result = server.toggle(False, **filters)
    _show_changed(options, result, "Disabled")
    if wait:
        from maelstrom.cli.waiting import wait_until_drained

        wait_until_drained(server, result["revision"], filters, timeout)


@es.command("audit", cls=Command)
@click.argument("name")
@click.option("--project", metavar="NAME", help="Which project's, where several have the name.")
@click.pass_obj
def audit(options: Options, name: str, project: str | None) -> None:
    """Show who works a source.

    With the most that was ever in flight at once, over all nodes.
    """
    result = client(options).audit(name, project=project)
    show(options, result, lambda: _audit_text(result))


def _confirm(verb: str, filters: Json, yes: bool) -> None:
    for key, value in filters.items():
        if value == "":
            raise click.UsageError(f"--{key} is empty; leave it out to mean all")
    if yes or any(filters.values()):
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"this would {verb} every event source of every project; say --yes, or give a filter")
    click.confirm(f"This will {verb} every event source of every project. Go on?", abort=True, err=True)


def _show_changed(options: Options, result: Json, status: str) -> None:
    for warning in result.get("warnings", ()):
        say(f"maelctl: warning: {warning}")
    names = [row["name"] for row in result["changed"]]
    if not names and not options.json:
        say("No event sources changed.")
        return
    columns = (("PROJECT", lambda row: row["project"]), ("EVENT SOURCE", lambda row: row["name"]))
    show(options, names, lambda: table(result["changed"], (*columns, ("STATUS", lambda _: status))))


def _audit_text(result: Json) -> str:
    limit = "no limit" if result["limit"] is None else f"limit {result['limit']}"
    head = (
        f"{result['project']}: {result['name']}: {limit}, {result['inflight']} in flight,"
        f" {result['max_inflight']} at most ever"
    )
    if not result["leases"]:
        return head + "\nNo leases."
    columns: list[Column] = [(name.upper(), itemgetter(name)) for name in ("node", "capacity", "inflight", "epoch")]
    return head + "\n" + table(result["leases"], [*columns, ("AGE", lambda row: duration(row["age_seconds"]))])
