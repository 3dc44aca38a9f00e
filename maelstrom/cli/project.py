"""`maelctl project …`."""

from __future__ import annotations

import click

from maelstrom.cli import definition
from maelstrom.cli.commands import Command, Group
from maelstrom.cli.output import ago, show, show_list
from maelstrom.cli.put import put, show_put
from maelstrom.cli.server import author, client
from maelstrom.cli.target import Options


@click.group(cls=Group)
def project() -> None:
    """Projects."""


project.add_command(put)


@project.command("ls", cls=Command)
@click.option("--prefix", metavar="TEXT", help="Only those whose name begins so.")
@click.pass_obj
def ls(options: Options, prefix: str | None) -> None:
    """List projects."""
    show_list(
        options,
        client(options).projects(prefix),
        [
            ("PROJECT", lambda row: row["project"]),
            ("REVISION", lambda row: row["revision"]),
            ("COMPONENTS", lambda row: row["components"]),
            ("EVENT SOURCES", lambda row: row["eventsources"]),
            ("MODIFIED", lambda row: ago(row["modified_at"])),
        ],
        "No projects.",
    )


@project.command("get", cls=Command)
@click.argument("name")
@click.option("--revision", type=click.IntRange(min=1), metavar="N", help="As it was at this revision.")
@click.pass_obj
def get(options: Options, name: str, revision: int | None) -> None:
    """Print the definition as stored, in the form of a project file.

    Passwords are masked; put back, the mask keeps the stored one.
    """
    stored = client(options).project(name, revision)["definition"]
    show(options, definition.as_file(stored), lambda: definition.as_yaml(stored))


@project.command("rm", cls=Command)
@click.argument("name")
@click.pass_obj
def rm(options: Options, name: str) -> None:
    """Remove a project with its components and event sources."""
    result = client(options).remove_project(name, author())
    show(options, result, lambda: f"{result['project']}: removed")


@project.command("history", cls=Command)
@click.argument("name")
@click.pass_obj
def history(options: Options, name: str) -> None:
    """List a project's revisions, the newest first."""
    show_list(
        options,
        client(options).history(name),
        [
            ("REVISION", lambda row: row["revision"]),
            ("WHEN", lambda row: ago(row["modified_at"])),
            ("BY", lambda row: row["author"]),
            ("WHAT", lambda row: "removed" if row["removed"] else "put"),
        ],
        "No revisions.",
    )


@project.command("rollback", cls=Command)
@click.argument("name")
@click.argument("revision", type=click.IntRange(min=1))
@click.option("--diff-only", "--diffonly", "diff_only", is_flag=True, help="Say what would change, store nothing.")
@click.pass_obj
def rollback(options: Options, name: str, revision: int, diff_only: bool) -> None:
    """Put the definition of an old revision again."""
    result = client(options).roll_back(name, revision, diff_only=diff_only, author=author())
    show_put(options, result, diff_only)
