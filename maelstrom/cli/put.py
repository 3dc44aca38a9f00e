"""`maelctl put`, also as `maelctl project put`."""

from __future__ import annotations

from operator import itemgetter

import click

from maelstrom.api.client import Json
from maelstrom.cli import reading
from maelstrom.cli.commands import Command
from maelstrom.cli.output import say, show, table
from maelstrom.cli.server import author, client
from maelstrom.cli.target import Options

ACTIONS = (("added", "Added"), ("updated", "Updated"), ("removed", "Removed"))


@click.command(cls=Command)
@click.argument("file", required=False)
@click.option("--file", "named_file", metavar="FILE", help="The project file; the same as the argument.")
@click.option("--env", "env_files", metavar="FILE", multiple=True, help="NAME=value lines for ${NAME} in the file.")
@click.option("--diff-only", "--diffonly", "diff_only", is_flag=True, help="Say what would change, store nothing.")
@click.option("--wait", is_flag=True, help="Until what must run (mininstances) is ready.")
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=300, show_default=True, metavar="S", help="Seconds for --wait."
)
@click.option("--expected-revision", type=click.IntRange(min=0), metavar="N", help="Refuse unless it is at this one.")
@click.pass_obj
def put(
    options: Options,
    file: str | None,
    named_file: str | None,
    env_files: tuple[str, ...],
    diff_only: bool,
    wait: bool,
    timeout: float,
    expected_revision: int | None,
) -> None:
    """Make a project what its file says: all of it or nothing.

    FILE is project.yml, else maelstrom.yml, here; - is standard input.
    """
    if file and named_file:
        raise click.UsageError("FILE and --file are the same; give one")
    if wait and diff_only:
        raise click.UsageError("with --diff-only nothing is stored that --wait could wait for")
    project = reading.read(file or named_file, env_files)
    server = client(options)
    result = server.put_project(
        project.model_dump(mode="json"),
        diff_only=diff_only,
        expected_revision=expected_revision,
        author=author(),
    )
    show_put(options, result, diff_only)
    if wait:
        from maelstrom.cli.waiting import wait_for_project

        wait_for_project(server, result["project"], result["revision"], timeout)


def show_put(options: Options, result: Json, diff_only: bool) -> None:
    """Warnings are for people; for programs they, and changes of the project's own fields, are there where there are
    some."""
    for warning in result.get("warnings", ()):
        say(f"maelctl: warning: {warning}")
    empty = {"warnings": [], "projectfields": {field: [] for field, _ in ACTIONS}}
    said = {name: value for name, value in result.items() if name not in empty or value != empty[name]}
    show(options, said, lambda: _changes_text(result, diff_only))


def _changes_text(result: Json, diff_only: bool) -> str:
    """What a put did, or would do, for people."""
    rows = [
        {"type": kind, "name": name, "action": action}
        for kind, key in (("Component", "components"), ("EventSource", "eventsources"), ("Project", "projectfields"))
        for field, action in ACTIONS
        for name in result.get(key, {}).get(field, ())
    ]
    project, revision = result["project"], result["revision"]
    if not rows:
        return f"{project}: nothing changes, it stays at revision {revision}"
    head = f"{project}: would change so" if diff_only else f"{project}: stored as revision {revision}"
    columns = [(name.upper(), itemgetter(name)) for name in ("type", "name", "action")]
    return head + "\n" + table(rows, columns)
