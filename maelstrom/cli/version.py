"""`maelctl version`."""

from __future__ import annotations

import os

import click

import maelstrom
from maelstrom.cli.commands import Command
from maelstrom.cli.output import say, show
from maelstrom.cli.target import Options
from maelstrom.model.errors import MaelstromError


@click.command(cls=Command)
@click.option("--client", "client_only", is_flag=True, help="Do not ask the server.")
@click.pass_obj
def version(options: Options, client_only: bool) -> None:
    """Versions of client and server.

    Where no server was named and none answers, the client's alone is no failure.
    """
    answer: dict[str, str | None] = {"client": maelstrom.__version__, "server": None}
    failure: MaelstromError | None = None
    if not client_only:
        from maelstrom.cli.server import client

        try:
            found = client(options).version()
            answer |= {"server": found["version"], "node": found["node"]}
        except MaelstromError as error:
            failure = error
    show(options, answer, lambda: f"client {answer['client']}\nserver {answer['server'] or '-'}")
    if failure is None:
        return
    if options.url or os.environ.get("MAELSTROM_URL"):
        raise failure
    say(f"no server: {failure.message}")
