"""`maelctl validate`: what `put` would find wrong, without a server."""

from __future__ import annotations

import click

from maelstrom.cli import exits, reading
from maelstrom.cli.commands import Command
from maelstrom.cli.output import say_error, show, show_json
from maelstrom.cli.target import Options
from maelstrom.model.errors import InvalidInput


@click.command(cls=Command)
@click.argument("file", required=False)
@click.option("--file", "named_file", metavar="FILE", help="The project file; the same as the argument.")
@click.option("--env", "env_files", metavar="FILE", multiple=True, help="NAME=value lines for ${NAME} in the file.")
@click.pass_obj
def validate(options: Options, file: str | None, named_file: str | None, env_files: tuple[str, ...]) -> None:
    """Check a project file, without a server.

    FILE is project.yml, else maelstrom.yml, here; - is standard input.
    """
    if file and named_file:
        raise click.UsageError("FILE and --file are the same; give one")
    try:
        project = reading.read(file or named_file, env_files)
    except InvalidInput as error:
        if options.json:
            show_json({"ok": False, "errors": error.fields["errors"]})
        else:
            say_error(error)
        raise click.exceptions.Exit(exits.INVALID) from error
    show(options, {"ok": True}, lambda: f"{project.name}: ok, {len(project.components)} component(s)")
