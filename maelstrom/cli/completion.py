"""`maelctl completion`: prints the script that makes a shell complete commands and options."""

from __future__ import annotations

import click

from maelstrom.cli.commands import Command
from maelstrom.cli.output import show_text


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that completes commands and options in your shell.

    bash: source <(maelctl completion bash); zsh: the same; fish: maelctl completion fish | source
    """
    from click.shell_completion import get_completion_class

    from maelstrom.cli.main import COMPLETE, PROGRAM, root

    found = get_completion_class(shell)
    assert found is not None
    completer = found(root, {}, PROGRAM, COMPLETE)
    show_text(completer.source_template % completer.source_vars())
