"""`maelctl comp …`."""

from __future__ import annotations

import click

from maelstrom.cli.commands import Command, Group
from maelstrom.cli.output import ago, show, show_list
from maelstrom.cli.server import client
from maelstrom.cli.target import Options


@click.group(cls=Group)
def comp() -> None:
    """Components."""


@comp.command("ls", cls=Command)
@click.option("--project", metavar="NAME", help="Only of this project.")
@click.option("--prefix", metavar="TEXT", help="Only those whose name begins so.")
@click.pass_obj
def ls(options: Options, project: str | None, prefix: str | None) -> None:
    """List components."""
    show_list(
        options,
        client(options).components(project=project, prefix=prefix),
        [
            ("PROJECT", lambda row: row["project"]),
            ("COMPONENT", lambda row: row["component"]),
            ("VERSION", lambda row: row["version"]),
            ("IMAGE", lambda row: row["image"]),
            ("MIN", lambda row: row["mininstances"]),
            ("MAX", lambda row: row["maxinstances"]),
            ("CONCURRENCY", lambda row: row["maxconcurrency"]),
            ("MODIFIED", lambda row: ago(row["modified_at"])),
        ],
        "No components.",
    )


@comp.command("restart", cls=Command)
@click.argument("name")
@click.option("--project", metavar="NAME", help="Which project's, where several have the name.")
@click.option("--wait", is_flag=True, help="Until all that run now are replaced, on every node.")
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=300, show_default=True, metavar="S", help="Seconds for --wait."
)
@click.pass_obj
def restart(options: Options, name: str, project: str | None, wait: bool, timeout: float) -> None:
    """Replace a component's containers one after another, also where nothing was put."""
    server = client(options)
    before = server.instances() if wait else []
    result = server.restart(name, project=project)
    show(options, result, lambda: f"{result['project']}: {result['component']} restarts")
    if wait:
        from maelstrom.cli.waiting import wait_for_restart

        wait_for_restart(server, before, result, timeout)
